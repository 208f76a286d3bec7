//! Layers that import stages name must be in their networks.

use crate::manifest::Stage;
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::scalar::printable;
use crate::network::import::rules;
use crate::network::{Graph, pattern};
use crate::stage::Parameters;

/// Checks the patterns of layers with fresh weights.
pub fn check(stage: &Stage, graph: &Graph, diagnostics: &mut Diagnostics) {
    let Parameters::Import { rules, .. } = &stage.parameters else { return };
    if !stage.spans.sound("fresh") || !stage.spans.sound("head") {
        return;
    }
    let names: Vec<&str> = rules::layers(graph).collect();
    let mut all_match = true;
    for (index, wanted) in rules.fresh.iter().enumerate() {
        if !names.iter().any(|name| pattern::matches(wanted, name)) {
            all_match = false;
            let message = format!("no layer of the network with weights matches `{}`", printable(wanted));
            let span = stage.span(&format!("fresh.{index}"));
            diagnostics.unknown(span, message, wanted, names.iter().copied());
        }
    }
    if all_match && rules.fresh_layers(graph).len() == names.len() {
        let path = if rules.fresh.is_empty() { "head" } else { "fresh" };
        diagnostics
            .error(stage.span(path), "every layer gets fresh weights, and nothing is taken from the file")
            .hint("name fewer layers, or train the network with `kind = \"train\"`");
    }
}
