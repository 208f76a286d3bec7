//! The layers of networks, before anything is trained.

use indexmap::IndexMap;

use super::count;
use crate::manifest::Manifest;
use crate::manifest::matrix::template_of;
use crate::network::Graph;
use crate::network::arch::Architecture;
use crate::stage::Parameters;

/// What the stage's network is built from, the stage that builds it, and whether one on the way to it removes channels. `None` for a stage that
/// has no network.
fn origin<'a>(manifest: &'a Manifest, stage: &'a str) -> Option<(&'a str, &'a Architecture, bool)> {
    let (mut name, mut pruned) = (stage, false);
    loop {
        let stage = &manifest.stages[name];
        // Masks leave the shapes as they are.
        pruned |= match &stage.parameters {
            Parameters::Prune { method } => !method.masks_weights(),
            other => {
                let pruning = other.training().and_then(|training| training.prune.as_ref());
                pruning.is_some_and(|pruning| !pruning.method.masks_weights())
            }
        };
        let role = match &stage.parameters {
            Parameters::Train { network: Some(network), .. }
            | Parameters::Distill { network: Some(network), .. }
            | Parameters::Import { network: Some(network), .. } => return Some((name, network, pruned)),
            Parameters::Train { .. } | Parameters::Distill { .. } | Parameters::Import { .. } => "like",
            Parameters::Regularize { .. } | Parameters::FineTune { .. } | Parameters::Prune { .. } => "from",
            Parameters::Evaluate { .. } => return None,
        };
        name = &stage.inputs.get(role)?.stage;
    }
}

/// A block for each different network of `stages`: the sections that have it, and its layers with their operations, the shapes of what
/// they make and how many parameters they have. Empty if no stage has a network.
pub fn text(manifest: &Manifest, stages: &[usize]) -> String {
    // The sections of each network, with whether channels are removed there.
    let mut blocks: IndexMap<String, (Graph, IndexMap<&str, bool>)> = IndexMap::new();
    for stage in stages {
        let (name, stage) = manifest.stages.get_index(*stage).expect("in range");
        let Some((built_by, architecture, pruned)) = origin(manifest, name) else { continue };
        let data = manifest.stages[built_by].data.as_deref().and_then(|data| manifest.data[data].outline.as_ref());
        let Some(graph) = data.and_then(|data| architecture.build(data.shape, data.classes).ok()) else { continue };
        let key = serde_json::to_string(&graph).expect("a graph is plain data");
        let (_, sections) = blocks.entry(key).or_insert_with(|| (graph, IndexMap::new()));
        *sections.entry(template_of(&stage.template)).or_default() |= pruned;
    }
    blocks.values().map(|(graph, sections)| block(graph, sections)).collect::<Vec<_>>().join("\n")
}

fn block(graph: &Graph, sections: &IndexMap<&str, bool>) -> String {
    let [height, width, channels] = graph.input;
    let names = |pruned: bool| {
        let of = sections.iter().filter(|(_, is)| **is == pruned).map(|(name, _)| *name);
        of.collect::<Vec<_>>().join(", ")
    };
    let (whole, pruned) = (names(false), names(true));
    let (name, note) = match (whole.is_empty(), pruned.is_empty()) {
        (_, true) => (whole, String::new()),
        (true, false) => (pruned, "  pruning keeps the names, and makes layers narrower\n".to_owned()),
        (false, false) => {
            let note = format!("  {pruned}: the same names; pruning makes layers narrower\n");
            (whole, note)
        }
    };
    let mut out = format!(
        "{name}: {height}x{width}x{channels} images, {} classes, {} parameters\n{note}",
        graph.classes(),
        count(graph.parameter_count())
    );
    let shapes = graph.shapes().unwrap_or_default();
    let mut rows = vec![["layer", "operation", "output", "parameters"].map(str::to_owned)];
    for (layer, shape) in graph.layers.iter().zip(shapes) {
        let operation = serde_json::to_value(&layer.op).ok();
        let operation = operation.as_ref().and_then(|op| op["op"].as_str()).unwrap_or_default().to_owned();
        let parameters: usize = layer
            .op
            .parameters()
            .iter()
            .filter(|(_, _, role)| role.trainable())
            .map(|(_, shape, _)| shape.iter().product::<usize>())
            .sum();
        let parameters = if parameters == 0 { String::new() } else { count(parameters as u64) };
        rows.push([layer.name.clone(), operation, shape.to_string(), parameters]);
    }
    let widths = [0, 1, 2].map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for [layer, operation, output, parameters] in rows {
        let [first, second, third] = widths;
        let row = format!("  {layer:first$}  {operation:second$}  {output:third$}  {parameters:>10}");
        out.push_str(row.trim_end());
        out.push('\n');
    }
    out
}
