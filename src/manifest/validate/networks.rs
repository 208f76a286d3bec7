//! Networks that must build, layers that must match, teachers and students that must fit the data and so each other.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::{channels, data_of, imports, losses, steps, weights};
use crate::data::Outline;
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::matrix::template_of;
use crate::manifest::scalar::printable;
use crate::manifest::source::Span;
use crate::manifest::{Data, Manifest, NetworkSource, Stage};
use crate::network::arch::{Architecture, Unbuildable};
use crate::network::signature::difference;
use crate::network::{ClassOrder, Graph, pattern};
use crate::prune::coupling::Coupling;
use crate::prune::{Measure, Method};
use crate::stage::Parameters;
use crate::train::parameters::Penalty;

/// The most parameters of a network, far above what a CPU trains: more than this is a slip of the pen, and would end in
/// an allocation that fails.
const MAXIMUM_PARAMETERS: u64 = 1 << 31;

/// What is known of a stage's network before running: pruning may make layers narrower, but keeps their names and order.
struct Known {
    graph: Graph,
    classes: usize,
    /// Which channels can only go together; worked out once for many stages that share the network.
    coupling: OnceCell<Option<Coupling>>,
}

/// The most channels in all layers together for which coupling is worked out here: far above use. What is left unsaid about
/// a larger network is said when it is pruned.
const MAXIMUM_CHANNELS: usize = 1 << 22;

impl Known {
    fn coupling(&self) -> Option<&Coupling> {
        let work_out = || {
            let channels = self.graph.shapes().ok()?.iter().fold(0, |sum: usize, s| sum.saturating_add(s.channels()));
            if channels <= MAXIMUM_CHANNELS { Coupling::of(&self.graph).ok() } else { None }
        };
        self.coupling.get_or_init(work_out).as_ref()
    }
}

/// An architecture (as text) for images of one shape in so many classes, with what came of building it. Many stages share
/// one.
type Built = HashMap<(String, [usize; 3], usize), Option<Rc<Known>>>;

/// Checks all stages; `order` has their names, inputs first.
pub fn check(manifest: &Manifest, order: &[&str], diagnostics: &mut Diagnostics) {
    let mut built = Built::new();
    let mut networks: HashMap<&str, Rc<Known>> = HashMap::new();
    // The data that each network was trained on first, which decides what its classes are.
    let mut trained_on: HashMap<&str, &Data> = HashMap::new();
    for name in order {
        let stage = &manifest.stages[*name];
        let Some(network) = network_of(manifest, stage, &networks, &mut built, diagnostics) else {
            fits(manifest, stage, &networks, &trained_on, diagnostics);
            continue;
        };
        layers(stage, &network, diagnostics);
        if let Some(training) = stage.parameters.training() {
            steps::check(stage, training, data_of(manifest, stage), &network.graph, diagnostics);
        }
        imports::check(stage, &network.graph, diagnostics);
        let teacher = stage.inputs.get("teacher").and_then(|teacher| networks.get(teacher.stage.as_str()));
        if let (Some(training), Some(teacher)) = (stage.parameters.training(), teacher) {
            losses::check(manifest, stage, training, &network.graph, &teacher.graph, diagnostics);
        }
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

fn network_of(
    manifest: &Manifest,
    stage: &Stage,
    networks: &HashMap<&str, Rc<Known>>,
    built: &mut Built,
    diagnostics: &mut Diagnostics,
) -> Option<Rc<Known>> {
    let like = |role: &str| networks.get(stage.inputs.get(role)?.stage.as_str()).cloned();
    match &stage.parameters {
        Parameters::Train { network, .. }
        | Parameters::Distill { network, .. }
        | Parameters::Import { network, .. } => {
            match network {
                _ if !stage.spans.sound("network") => None,
                None => like("like"),
                Some(architecture) => {
                    let &Outline { shape, classes, .. } = data_of(manifest, stage)?.outline.as_ref()?;
                    let build = || build(architecture, shape, classes, manifest, stage, diagnostics).map(Rc::new);
                    // With what is not part of its serialized form, as sizes that are written and must be right.
                    let written = format!("{architecture:?}");
                    built.entry((written, shape, classes)).or_insert_with(build).clone()
                }
            }
        }
        Parameters::Regularize { .. } | Parameters::FineTune { .. } | Parameters::Prune { .. } => like("from"),
        Parameters::Evaluate { .. } => None,
    }
}

/// Where the network of a stage is described: the written layer concerned, else the network's own section if it has one.
fn place(manifest: &Manifest, stage: &Stage, layer: Option<usize>) -> Span {
    if let Some(span) = layer.and_then(|layer| stage.spans.get(&format!("network.layers.{layer}"))) {
        return span;
    }
    if let Some(span) = stage.spans.get("network.file") {
        return span;
    }
    let named = stage.network.as_ref().and_then(|name| manifest.networks.get(name));
    named
        .filter(|named| matches!(named.network, NetworkSource::Architecture(_)))
        .map_or(stage.span("network"), |named| named.name_span)
}

fn build(
    architecture: &Architecture,
    shape: [usize; 3],
    classes: usize,
    manifest: &Manifest,
    stage: &Stage,
    diagnostics: &mut Diagnostics,
) -> Option<Known> {
    let graph = match architecture.located_build(shape, classes) {
        Ok(graph) => graph,
        Err(Unbuildable { layer, error }) => {
            diagnostics.error(place(manifest, stage, layer), error.message).hints.extend(error.hints);
            return None;
        }
    };
    let parameters = graph.parameter_count();
    if parameters > MAXIMUM_PARAMETERS {
        diagnostics
            .error(place(manifest, stage, None), format!("the network has {parameters} parameters"))
            .label(format!("more than {MAXIMUM_PARAMETERS}"))
            .hint("make its layers smaller");
        return None;
    }
    Some(Known { graph, classes, coupling: OnceCell::new() })
}

/// Layers that a stage names must be in its network.
fn layers(stage: &Stage, network: &Known, diagnostics: &mut Diagnostics) {
    let graph = &network.graph;
    let names = || graph.layers.iter().map(|layer| layer.name.as_str());
    let mut method = |method: &Method, prefix: &str| {
        let (layer, measure, threshold) = match method {
            Method::Inactive { layer, measure, threshold, .. } => (layer, *measure, *threshold),
            Method::Channels { .. } => {
                if let Some(coupling) = network.coupling() {
                    channels::check(stage, method, prefix, graph, coupling, diagnostics);
                }
                return;
            }
            Method::Weights { .. } | Method::Surgery { .. } | Method::Rigl { .. } => {
                weights::check(stage, method, prefix, graph, diagnostics);
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
        } else if let Some(coupling) = network.coupling()
            && let Some(reason) = coupling.refusal(graph, layer)
        {
            let removable = names().filter(|name| coupling.refusal(graph, name).is_none());
            let removable: Vec<&str> = removable.take(9).collect();
            diagnostics.error(span, format!("the units of `{layer}` cannot be removed")).label(reason).hint(
                match &removable[..] {
                    [] => "this network has no layer whose units can be removed".to_owned(),
                    few if few.len() <= 8 => format!("those of `{}` can", few.join("`, `")),
                    many => format!("those of `{}` and others can", many[..8].join("`, `")),
                },
            );
        } else if let Some(end) = channels::never_zero(graph, layer)
            && stage.spans.sound(prefix)
            && (measure == Measure::Zeros || threshold == 0.0)
        {
            // Only a warning: a penalty may have made all weights of a unit zero.
            let path = if measure == Measure::Zeros { "measure" } else { "layer" };
            diagnostics
                .warning(
                    stage.span(&format!("{prefix}.{path}")),
                    format!("units of `{layer}` are hardly ever inactive"),
                )
                .label(format!("what comes out of `{end}` is seldom exactly zero"))
                .hint(
                    "choose a layer with ReLU right behind it, or `measure = \"maximum\"` with a `threshold` above 0",
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
        let (matches, candidates, what) = penalised(graph, penalty);
        if matches {
            continue;
        }
        if candidates.is_empty() {
            diagnostics.error(stage.span(&path), format!("the network has no {what}")).hint("choose another penalty");
        } else {
            let message = format!("no {what} of the network matches `{}`", printable(layer));
            diagnostics.unknown(stage.span(&path), message, layer, candidates.iter().copied());
        }
    }
}

/// Whether a penalty finds what it looks at, the names of all that it can look at, and what these are.
fn penalised<'a>(graph: &'a Graph, penalty: &'a Penalty) -> (bool, Vec<&'a str>, &'static str) {
    let layer = penalty.layer();
    let weighted = || pattern::layers(graph, "*").collect();
    match penalty {
        Penalty::L1 { .. } | Penalty::ActivationL1 { .. } => {
            (pattern::layers(graph, layer).next().is_some(), weighted(), "layer")
        }
        Penalty::BnL1 { .. } | Penalty::Polarization { .. } => {
            (pattern::norms(graph, layer).next().is_some(), pattern::norms(graph, "*").collect(), "normalization")
        }
        Penalty::GroupLasso { .. } | Penalty::SparseGroupLasso { .. } | Penalty::Growing { .. } => {
            let mut candidates: Vec<&str> = weighted();
            candidates.retain(|name| graph.layers.last().is_none_or(|logits| logits.name != **name));
            let found = pattern::channel_weights(graph, layer).next().is_some();
            (found, candidates, "hidden layer")
        }
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
    let Some(Outline { shape, classes, class_names, .. }) = &data.outline else { return true };
    let (shape, classes) = (*shape, *classes);
    let words = |[h, w, c]: [usize; 3], k: usize| format!("{h}x{w}x{c} images of {k} classes");
    let mut all_fit = true;
    for (role, reference) in &stage.inputs {
        let Some(network) = networks.get(reference.stage.as_str()) else { continue };
        if network.graph.input == shape && network.classes == classes {
            let other = trained_on.get(reference.stage.as_str()).filter(|_| role != "like");
            let learnt = other.and_then(|other| Some((other, &other.outline.as_ref()?.class_names)));
            if let Some((other, learnt)) = learnt.filter(|(_, names)| ClassOrder::between(names, class_names).is_none())
            {
                all_fit = false;
                let name = |data: &Data| {
                    let named = manifest.data.iter().find(|(_, d)| std::ptr::eq(*d, data));
                    named.map_or("", |(name, _)| template_of(name)).to_owned()
                };
                diagnostics
                    .error(reference.span, format!("`{}` learnt other classes", template_of(&reference.stage)))
                    .label(format!("those of `{}`, and this stage reads `{}`", name(other), name(data)))
                    .hints
                    .extend(difference(learnt, class_names));
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
            .error(reference.span, format!("`{}` does not fit the data of this stage", template_of(&reference.stage)))
            .label(format!("{role} takes {}", words(network.graph.input, network.classes)))
            .hint(format!(
                "`{}` has {}",
                template_of(stage.data.as_deref().unwrap_or_default()),
                words(shape, classes)
            ));
    }
    all_fit
}
