//! Networks that must build, layers that must match, teachers and students that must fit the data and so each other.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::data_of;
use crate::data::Outline;
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::scalar::printable;
use crate::manifest::source::Span;
use crate::manifest::{Data, Manifest, NetworkSource, Stage};
use crate::network::arch::Architecture;
use crate::network::{Graph, Role, pattern};
use crate::prune::{Method, WeightScope, units};
use crate::stage::Parameters;
use crate::train::parameters::Penalty;

/// The most parameters of a network, far above what a CPU trains: more than this is a slip of the pen, and would end in
/// an allocation that fails.
const MAXIMUM_PARAMETERS: u64 = 1 << 31;

/// What is known of a stage's network before running: pruning may make layers narrower, but keeps their names and order.
struct Known {
    graph: Graph,
    classes: usize,
    /// Why the units of a layer cannot be removed, if so: a long search in a deep network, and many stages share one.
    refused: RefCell<HashMap<String, Option<String>>>,
}

impl Known {
    fn refusal(&self, layer: &str) -> Option<String> {
        let mut refused = self.refused.borrow_mut();
        refused.entry(layer.to_owned()).or_insert_with(|| units::coupled(&self.graph, layer).err()).clone()
    }
}

/// An architecture for images of one shape in so many classes, with what came of building it. Many stages share one.
type Built<'a> = HashMap<(&'a Architecture, [usize; 3], usize), Option<Rc<Known>>>;

/// Checks all stages; `order` has their names, inputs first.
pub fn check(manifest: &Manifest, order: &[&str], diagnostics: &mut Diagnostics) {
    let mut built = Built::new();
    let mut networks: HashMap<&str, Rc<Known>> = HashMap::new();
    // The data that each network was trained on first, which decides how its images are normalised.
    let mut trained_on: HashMap<&str, &Data> = HashMap::new();
    for name in order {
        let stage = &manifest.stages[*name];
        let Some(network) = network_of(manifest, stage, &networks, &mut built, diagnostics) else {
            fits(manifest, stage, &networks, &trained_on, diagnostics);
            continue;
        };
        layers(stage, &network, diagnostics);
        // What does not fit here is told here; stages that go on from it say nothing.
        if fits(manifest, stage, &networks, &trained_on, diagnostics) {
            networks.insert(name, network);
            let from = stage.inputs.get("from").and_then(|from| trained_on.get(from.stage.as_str()).copied());
            if let Some(data) = from.or_else(|| data_of(manifest, stage)) {
                trained_on.insert(name, data);
            }
        }
    }
}

fn network_of<'a>(
    manifest: &'a Manifest,
    stage: &'a Stage,
    networks: &HashMap<&str, Rc<Known>>,
    built: &mut Built<'a>,
    diagnostics: &mut Diagnostics,
) -> Option<Rc<Known>> {
    let like = |role: &str| networks.get(stage.inputs.get(role)?.stage.as_str()).cloned();
    match &stage.parameters {
        Parameters::Train { network, .. } | Parameters::Distill { network, .. } => match network {
            _ if !stage.spans.sound("network") => None,
            None => like("like"),
            Some(architecture) => {
                let Outline { shape, classes, .. } = data_of(manifest, stage)?.outline?;
                let build = || build(architecture, shape, classes, place(manifest, stage), diagnostics).map(Rc::new);
                built.entry((architecture, shape, classes)).or_insert_with(build).clone()
            }
        },
        Parameters::Regularize { .. } | Parameters::FineTune { .. } | Parameters::Prune { .. } => like("from"),
        Parameters::Evaluate { .. } => None,
    }
}

/// Where the network of a stage is described: its own section if it has one.
fn place(manifest: &Manifest, stage: &Stage) -> Span {
    let named = stage.network.as_ref().and_then(|name| manifest.networks.get(name));
    named
        .filter(|named| matches!(named.network, NetworkSource::Architecture(_)))
        .map_or(stage.span("network"), |named| named.name_span)
}

fn build(
    architecture: &Architecture,
    shape: [usize; 3],
    classes: usize,
    span: Span,
    diagnostics: &mut Diagnostics,
) -> Option<Known> {
    let graph = match architecture.build(shape, classes) {
        Ok(graph) => graph,
        Err(error) => {
            diagnostics.error(span, error.message).hints.extend(error.hints);
            return None;
        }
    };
    let parameters = graph.parameter_count();
    if parameters > MAXIMUM_PARAMETERS {
        diagnostics
            .error(span, format!("the network has {parameters} parameters"))
            .label(format!("more than {MAXIMUM_PARAMETERS}"))
            .hint("make its layers smaller");
        return None;
    }
    Some(Known { graph, classes, refused: RefCell::default() })
}

/// Layers that a stage names must be in its network.
fn layers(stage: &Stage, network: &Known, diagnostics: &mut Diagnostics) {
    let graph = &network.graph;
    let names = || graph.layers.iter().map(|layer| layer.name.as_str());
    let mut method = |method: &Method, prefix: &str| {
        let layer = match method {
            Method::Inactive { layer, .. } => layer,
            Method::Channels { .. } => return,
            Method::Weights { sparsity, scope, .. } => {
                if let Some(emptied) = emptied(graph, *sparsity, *scope) {
                    let span = stage.span(&format!("{prefix}.sparsity"));
                    diagnostics
                        .error(span, format!("a sparsity of {sparsity} leaves {emptied} without a weight"))
                        .hint("lower it");
                }
                return;
            }
        };
        let path = format!("{prefix}.layer");
        if !stage.spans.sound(&path) || !stage.spans.sound(&format!("{prefix}.kind")) {
            return;
        }
        let span = stage.span(&path);
        if !names().any(|name| name == layer) {
            let weighted: Vec<&str> = pattern::layers(graph, "*").collect();
            let message = format!("the network has no layer `{}`", printable(layer));
            diagnostics.unknown(span, message, layer, weighted.iter().copied());
        } else if let Some(reason) = network.refusal(layer) {
            // The search is long in a deep network, and a few names are enough.
            let removable: Vec<&str> = names().filter(|name| network.refusal(name).is_none()).take(9).collect();
            diagnostics.error(span, format!("the units of `{layer}` cannot be removed")).label(reason).hint(
                match &removable[..] {
                    [] => "this network has no layer whose units can be removed".to_owned(),
                    few if few.len() <= 8 => format!("those of `{}` can", few.join("`, `")),
                    many => format!("those of `{}` and others can", many[..8].join("`, `")),
                },
            );
        }
    };
    if let Parameters::Prune { method: m } = &stage.parameters {
        method(m, "method");
    }
    let Some(training) = stage.parameters.training() else { return };
    if let Some(prune) = &training.prune {
        method(&prune.method, "prune.method");
    }
    for (index, penalty) in training.penalties.iter().enumerate() {
        let path = format!("penalties.{index}.layer");
        if !stage.spans.sound(&path) || !stage.spans.sound(&format!("penalties.{index}.kind")) {
            continue;
        }
        let layer = penalty.layer();
        let matches = match penalty {
            Penalty::L1 { .. } => pattern::weights(graph, layer).next().is_some(),
            Penalty::ActivationL1 { .. } => pattern::layers(graph, layer).next().is_some(),
        };
        if !matches {
            let message = format!("no layer of the network matches `{}`", printable(layer));
            let weighted: Vec<&str> = pattern::layers(graph, "*").collect();
            diagnostics.unknown(stage.span(&path), message, layer, weighted.iter().copied());
        }
    }
}

/// What has no weight left when the share `sparsity` is masked.
fn emptied(graph: &Graph, sparsity: f64, scope: WeightScope) -> Option<String> {
    let weights = graph.parameters().into_iter().filter(|spec| spec.role == Role::Weight);
    let sizes: Vec<(String, usize)> = weights.map(|spec| (spec.name, spec.dims.iter().product())).collect();
    let all_go = |size: usize| (sparsity * size as f64).round() as usize >= size;
    match scope {
        WeightScope::Global => all_go(sizes.iter().map(|(_, size)| size).sum()).then(|| "the network".to_owned()),
        WeightScope::Uniform => sizes.into_iter().find(|(_, size)| all_go(*size)).map(|(name, _)| format!("`{name}`")),
    }
}

/// Networks that meet in one stage must take the images of its data and know the same classes. Whether they do.
fn fits(
    manifest: &Manifest,
    stage: &Stage,
    networks: &HashMap<&str, Rc<Known>>,
    trained_on: &HashMap<&str, &Data>,
    diagnostics: &mut Diagnostics,
) -> bool {
    let Some(data) = data_of(manifest, stage) else { return true };
    let Some(Outline { shape, classes, .. }) = data.outline else { return true };
    let words = |[h, w, c]: [usize; 3], k: usize| format!("{h}x{w}x{c} images of {k} classes");
    let mut all_fit = true;
    for (role, reference) in &stage.inputs {
        let Some(network) = networks.get(reference.stage.as_str()) else { continue };
        if network.graph.input == shape && network.classes == classes {
            let other = trained_on.get(reference.stage.as_str()).filter(|other| !data.normalises_like(other));
            if let Some(other) = other.filter(|_| role != "like") {
                all_fit = false;
                let name = |data: &Data| {
                    let named = manifest.data.iter().find(|(_, d)| std::ptr::eq(*d, data));
                    named.map_or("", |(name, _)| name.as_str()).to_owned()
                };
                diagnostics
                    .error(reference.span, format!("`{}` was trained on other images", reference.stage))
                    .label(format!("on `{}`, and this stage reads `{}`", name(other), name(data)))
                    .hint(
                        "images are normalised by the training split, so what meets in a stage must have the same \
                         `source`, `path`, `validation`, `limit` and `seed`, or the same `normalization`",
                    );
            }
            continue;
        }
        all_fit = false;
        let role = match role.as_str() {
            "from" | "like" => "it",
            "teacher" => "the teacher",
            _ => "the model",
        };
        diagnostics
            .error(reference.span, format!("`{}` does not fit the data of this stage", reference.stage))
            .label(format!("{role} takes {}", words(network.graph.input, network.classes)))
            .hint(format!("`{}` has {}", stage.data.as_deref().unwrap_or_default(), words(shape, classes)));
    }
    all_fit
}
