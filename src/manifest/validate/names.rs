//! Names that must exist, cycles, sections that nothing uses.

use std::collections::HashSet;

use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::matrix::template_of;
use crate::manifest::order;
use crate::manifest::scalar::printable;
use crate::manifest::{Manifest, Reference, Stage, Unreadable};

/// How many stages of a cycle are named.
const SHOWN: usize = 10;

/// The data set of a stage must be there.
pub fn data(manifest: &Manifest, unreadable: &Unreadable, stage: &Stage, diagnostics: &mut Diagnostics) {
    let Some(name) = &stage.data else { return };
    if manifest.data.contains_key(name) || unreadable.data.contains(name) {
        return;
    }
    let message = format!("there is no data set `{}`", printable(name));
    let mut names: Vec<&str> = manifest.data.keys().map(|name| template_of(name)).collect();
    names.dedup();
    let names = names.iter().copied();
    let error = diagnostics.unknown(stage.span("data"), message, name, names);
    if error.hints.is_empty() {
        error.hint(format!("add `[data.{}]` with `source = \"digits\"`", printable(name)));
    }
}

/// A stage that another one names must be there, and must make a network.
pub fn reference(
    manifest: &Manifest,
    unreadable: &Unreadable,
    role: &str,
    reference: &Reference,
    diagnostics: &mut Diagnostics,
) {
    let name = &reference.stage;
    match manifest.stages.get(name) {
        None if unreadable.stages.contains(name) => {}
        None => {
            let producers = manifest.stages.values().filter(|stage| stage.parameters.makes_network());
            let mut names: Vec<&str> = producers.map(|stage| stage.template.as_str()).collect();
            names.dedup();
            let message = format!("there is no stage `{}`", printable(name));
            diagnostics.unknown(reference.span, message, name, names.iter().copied());
        }
        Some(stage) if !stage.parameters.makes_network() => {
            let role = role.split('.').next().unwrap_or(role);
            diagnostics
                .error(reference.span, format!("stage `{}` makes no network", printable(template_of(name))))
                .label(format!("`{role}` needs one"))
                .hint("an evaluate stage only measures; name the stage whose network it looks at");
        }
        Some(_) => {}
    }
}

/// Sections that nothing uses are allowed, but seldom meant.
pub fn unused(manifest: &Manifest, diagnostics: &mut Diagnostics) {
    // A combination that is excluded may leave an instance without use.
    let data = manifest.stages.values().filter_map(|stage| stage.data.as_deref());
    let data: HashSet<&str> = data.map(template_of).collect();
    let sections = manifest.data.iter().map(|(name, section)| (template_of(name), section));
    for (name, section) in sections.filter(|(name, _)| !data.contains(name)) {
        diagnostics.warning(section.name_span, format!("no stage uses the data set `{name}`"));
    }
    let networks = manifest.stages.values().filter_map(|stage| stage.network.as_deref());
    let networks: HashSet<&str> = networks.map(template_of).collect();
    let sections = manifest.networks.iter().map(|(name, section)| (template_of(name), section));
    for (name, section) in sections.filter(|(name, _)| !networks.contains(name)) {
        diagnostics.warning(section.name_span, format!("no stage uses the network `{name}`"));
    }
}

/// The stages in an order in which inputs come first. Cycles are errors; stages on them, and what needs those, come last
/// in the order of the file.
pub fn order<'a>(manifest: &'a Manifest, diagnostics: &mut Diagnostics) -> Vec<&'a str> {
    let name = |index: usize| manifest.stages.get_index(index).expect("in range").0.as_str();
    let edges = manifest.stages.iter().enumerate().flat_map(|(to, (_, stage))| {
        // That a stage without a network is needed is told already.
        let from = |r: &Reference| {
            manifest.stages.get_full(&r.stage).filter(|(.., stage)| stage.parameters.makes_network()).map(|(i, ..)| i)
        };
        stage.inputs.values().filter_map(from).map(move |from| (from, to)).collect::<Vec<_>>()
    });
    let order = order::order(manifest.stages.len(), edges).unwrap_or_else(|order::Cycles { ordered, cycles }| {
        for cycle in cycles {
            let names: Vec<&str> = cycle.iter().map(|stage| name(*stage)).collect();
            circle(manifest, &names, diagnostics);
        }
        let done: HashSet<usize> = ordered.iter().copied().collect();
        let rest: Vec<usize> = (0..manifest.stages.len()).filter(|stage| !done.contains(stage)).collect();
        ordered.into_iter().chain(rest).collect()
    });
    order.into_iter().map(name).collect()
}

fn circle(manifest: &Manifest, names: &[&str], diagnostics: &mut Diagnostics) {
    let (first, last) = (names[0], names[names.len() - 1]);
    let mut path: Vec<String> = names.iter().take(SHOWN).map(|name| printable(template_of(name))).collect();
    if names.len() > SHOWN {
        path.push("…".to_owned());
    }
    path.push(printable(template_of(first)));
    let stage = &manifest.stages[first];
    let span = stage.inputs.values().find(|r| r.stage == last).map_or(stage.name_span, |r| r.span);
    match names {
        [_] => diagnostics
            .error(span, format!("stage `{}` needs itself", printable(template_of(first))))
            .hint("name another stage here"),
        _ => diagnostics
            .error(span, format!("{} stages need each other in a circle", names.len()))
            .label(path.join(" → "))
            .hint("an arrow leads from a stage to one that needs it; take one of them away"),
    };
}
