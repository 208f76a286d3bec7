//! `[search]`: an axis of which not every value is run.

use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::matrix::SEED;
use crate::manifest::matrix::axes::Matrix;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::{Limits, printable};
use crate::manifest::source::Span;
use crate::manifest::{Manifest, Search, Strategy, Unreadable};
use crate::stage::{Parameters, Split};

#[derive(Clone, Copy)]
enum Kind {
    Bisect,
    Halving,
}

/// Reads the section; `None` when an axis that it needs is not known.
pub fn search(reader: &mut Reader, matrix: &Matrix) -> Option<Search> {
    let kind = reader.kind("kind", &[("bisect", Kind::Bisect), ("halving", Kind::Halving)]);
    let axis = needed_axis(reader, "axis", "sparsity", matrix);
    if !reader.has("evaluate") {
        reader.missing("evaluate", "\"score\"");
    }
    let evaluate = reader.optional_string("evaluate");
    let model = reader.optional_string("model");
    let strategy = match kind {
        Kind::Bisect => Some(Strategy::Bisect { drop: reader.number("drop", Limits::DROP, None) }),
        Kind::Halving => {
            let keep = reader.number("keep", Limits::BETWEEN, Some(0.5));
            over(reader, axis, matrix).map(|over| Strategy::Halving { over, keep })
        }
    };
    let (evaluate, evaluate_span) = evaluate?;
    let (axis, strategy) = (axis?, strategy?);
    let (model, model_span) = model.map_or((None, evaluate_span), |(name, span)| (Some(name), span));
    Some(Search { axis, evaluate, evaluate_span, model, model_span, strategy })
}

fn needed_axis(reader: &mut Reader, key: &'static str, example: &str, matrix: &Matrix) -> Option<usize> {
    if !reader.has(key) {
        reader.missing(key, &format!("\"{example}\""));
    }
    let (name, span) = reader.optional_string(key)?;
    find(&name, span, matrix, reader.diagnostics)
}

fn find(name: &str, span: Span, matrix: &Matrix, diagnostics: &mut Diagnostics) -> Option<usize> {
    let found = matrix.axes.iter().position(|axis| axis.name == name);
    if name == SEED || found.is_some_and(|axis| matrix.axes[axis].seeds.is_some()) {
        let message = format!("results are averaged over `{name}`, so it cannot be searched");
        diagnostics.error(span, message).hint("name another axis");
        return None;
    }
    if found.is_none() && !matrix.unknown {
        let names: Vec<&str> = matrix.axes.iter().map(|axis| axis.name.as_str()).collect();
        let error =
            diagnostics.unknown(span, format!("there is no axis `{}`", printable(name)), name, names.iter().copied());
        if names.is_empty() {
            error.hint("add `[matrix]` with the values to search, the mildest first");
        }
    }
    found
}

/// The axes whose values compete.
fn over(reader: &mut Reader, axis: Option<usize>, matrix: &Matrix) -> Option<Vec<usize>> {
    if !reader.has("over") {
        reader.missing("over", "[\"criterion\"]");
    }
    let names = reader.strings("over", "an axis");
    let mut axes = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let span = reader.place(&format!("over.{index}"));
        match find(name, span, matrix, reader.diagnostics) {
            Some(found) if Some(found) == axis => {
                let error = reader.diagnostics.error(span, format!("`{name}` is the axis of the epochs"));
                error.hint("`over` names the axes whose values compete");
            }
            Some(found) => axes.push(found),
            None => {}
        }
    }
    (!axes.is_empty()).then_some(axes)
}

/// Checks what a search names against the stages, and fills in the model.
pub fn check(manifest: &mut Manifest, unreadable: &Unreadable, diagnostics: &mut Diagnostics) {
    let Some(search) = &mut manifest.search else { return };
    let of_section: Vec<_> = manifest.stages.values().filter(|stage| stage.template == search.evaluate).collect();
    let Some(first) = of_section.first() else {
        if !unreadable.stages.contains(&search.evaluate) {
            let is_evaluate = |stage: &&crate::manifest::Stage| !stage.parameters.makes_network();
            let mut names: Vec<&str> =
                manifest.stages.values().filter(is_evaluate).map(|stage| stage.template.as_str()).collect();
            names.dedup();
            let message = format!("there is no stage `{}`", printable(&search.evaluate));
            diagnostics.unknown(search.evaluate_span, message, &search.evaluate, names.iter().copied());
        }
        return;
    };
    let axis = manifest.axes[search.axis].name.clone();
    match &first.parameters {
        Parameters::Evaluate { split: Split::Validation, reference } => {
            if reference.is_none() && matches!(search.strategy, Strategy::Bisect { .. }) {
                diagnostics
                    .error(search.evaluate_span, format!("`{}` has no `reference`", search.evaluate))
                    .hint("the drop of accuracy is counted from the reference; add `reference = \"…\"` to the stage");
            }
        }
        Parameters::Evaluate { split, .. } => {
            diagnostics
                .error(search.evaluate_span, format!("`{}` looks at the {} split", search.evaluate, split.name()))
                .label("choices are made on the validation split")
                .hint("add an evaluate stage with `split = \"validation\"` and name it here");
            return;
        }
        _ => {
            diagnostics
                .error(search.evaluate_span, format!("`{}` is no evaluate stage", search.evaluate))
                .hint("name one with `split = \"validation\"`");
            return;
        }
    }
    if !of_section.iter().all(|stage| stage.coordinates.iter().any(|(place, _)| *place == search.axis)) {
        diagnostics
            .error(search.evaluate_span, format!("`{}` does not depend on the axis `{axis}`", search.evaluate))
            .hint(format!("what it evaluates must mention `${{matrix.{axis}}}`, itself or before it"));
        return;
    }
    // Models that the axis reaches; the last of them is what is searched, unless the section says.
    let reached = |name: &str| {
        let stage = manifest.stages.get(name);
        stage.is_some_and(|stage| stage.coordinates.iter().any(|(place, _)| *place == search.axis))
    };
    let models = first.inputs.values().filter(|reference| reached(&reference.stage));
    let models: Vec<&str> = models.map(|reference| crate::manifest::matrix::template_of(&reference.stage)).collect();
    match &search.model {
        None => search.model = models.last().map(|name| (*name).to_owned()),
        Some(name) if !models.contains(&name.as_str()) => {
            let message =
                format!("`{}` is no model of `{}` that depends on `{axis}`", printable(name), search.evaluate);
            diagnostics.unknown(search.model_span, message, name, models.iter().copied());
        }
        Some(_) => {}
    }
}
