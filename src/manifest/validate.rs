//! What needs the whole manifest: names that must exist, cycles, networks that must build, layers that must match,
//! teachers and students that must fit, batches that must not be larger than the set.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::diagnostic::Diagnostics;
use super::nearest;
use super::reader::printable;
use super::source::Span;
use super::{Data, Manifest, Reference, Stage};
use crate::network::Graph;
use crate::network::pattern;
use crate::prune::{Method, units};
use crate::stage::{Parameters, Split};
use crate::train::parameters::{Loss, Penalty, Schedule, Select, Training};

/// Notes everything that is wrong.
pub fn validate(manifest: &Manifest, diagnostics: &mut Diagnostics) {
    for stage in manifest.stages.values() {
        data_exists(manifest, stage, diagnostics);
        for (role, reference) in &stage.inputs {
            reference_exists(manifest, role, reference, diagnostics);
        }
    }
    unused(manifest, diagnostics);
    let Some(order) = order(manifest, diagnostics) else { return };
    let mut graphs: HashMap<&str, Rc<Graph>> = HashMap::new();
    for name in order {
        let stage = &manifest.stages[name];
        if let Some(graph) = graph_of(manifest, stage, &graphs, diagnostics) {
            inside(stage, &graph, diagnostics);
            graphs.insert(name, graph);
        }
        fits(manifest, stage, &graphs, diagnostics);
    }
    for (name, stage) in &manifest.stages {
        if matches!(stage.parameters, Parameters::Evaluate { split: Split::Validation, .. })
            && stage.data.as_ref().and_then(|name| manifest.data.get(name)).is_some_and(|data| data.validation == 0.0)
        {
            let hint = format!("add `validation = 0.1` to `[data.{}]`", stage.data.as_deref().unwrap_or_default());
            diagnostics.error(stage.span("split"), "the validation split is empty").hint(hint);
        }
        if let Some(training) = stage.parameters.training() {
            let data = stage.data.as_ref().and_then(|name| manifest.data.get(name));
            schedule(name, stage, training, data, diagnostics);
        }
    }
}

fn data_exists(manifest: &Manifest, stage: &Stage, diagnostics: &mut Diagnostics) {
    let Some(name) = &stage.data else { return };
    if manifest.data.contains_key(name) {
        return;
    }
    let search = diagnostics.wants_hints();
    let error = diagnostics.error(stage.span("data"), format!("there is no data set `{}`", printable(name)));
    if !search {
        return;
    }
    match nearest::hint(name, manifest.data.keys().map(String::as_str)) {
        Some(hint) => error.hint(hint),
        None => error.hint(format!("add `[data.{}]` with `source = \"digits\"`", printable(name))),
    };
}

fn reference_exists(manifest: &Manifest, role: &str, reference: &Reference, diagnostics: &mut Diagnostics) {
    let producers = || manifest.stages.iter().filter(|(_, s)| s.parameters.makes_network()).map(|(n, _)| n.as_str());
    match manifest.stages.get(&reference.stage) {
        None => {
            let message = format!("there is no stage `{}`", printable(&reference.stage));
            let search = diagnostics.wants_hints();
            let error = diagnostics.error(reference.span, message);
            if search && let Some(hint) = nearest::hint(&reference.stage, producers().collect::<Vec<_>>()) {
                error.hint(hint);
            }
        }
        Some(stage) if !stage.parameters.makes_network() => {
            let kind = stage.parameters.kind();
            let message = format!("stage `{}` ({kind}) makes no network", reference.stage);
            diagnostics.error(reference.span, message).label(format!("`{role}` needs one"));
        }
        Some(_) => {}
    }
}

/// Sections that nothing uses are allowed, but seldom meant.
fn unused(manifest: &Manifest, diagnostics: &mut Diagnostics) {
    let data: HashSet<&String> = manifest.stages.values().filter_map(|stage| stage.data.as_ref()).collect();
    let networks: HashSet<&String> = manifest.stages.values().filter_map(|stage| stage.network.as_ref()).collect();
    for (name, section) in &manifest.data {
        if !data.contains(name) {
            diagnostics.warning(section.name_span, format!("no stage uses the data set `{name}`"));
        }
    }
    for (name, section) in &manifest.networks {
        if !networks.contains(name) {
            diagnostics.warning(section.name_span, format!("no stage uses the network `{name}`"));
        }
    }
}

/// The stages in an order in which inputs come first; `None` and an error when there is a cycle.
fn order<'a>(manifest: &'a Manifest, diagnostics: &mut Diagnostics) -> Option<Vec<&'a str>> {
    let edges = manifest.stages.iter().enumerate().flat_map(|(to, (_, stage))| {
        let from = |r: &Reference| manifest.stages.get_index_of(&r.stage);
        stage.inputs.values().filter_map(from).map(move |from| (from, to)).collect::<Vec<_>>()
    });
    match crate::graph::order(manifest.stages.len(), edges) {
        Ok(order) => {
            Some(order.into_iter().map(|i| manifest.stages.get_index(i).expect("in range").0.as_str()).collect())
        }
        Err(cycle) => {
            let name = |i: usize| manifest.stages.get_index(i).expect("in range").0.as_str();
            let mut path: Vec<&str> = cycle.iter().take(10).map(|i| name(*i)).collect();
            if cycle.len() > 10 {
                path.push("…");
            }
            path.push(name(cycle[0]));
            // The edge back is what the reader can mend: it stands in the stage that names its own successor.
            let (_, first) = manifest.stages.get_index(cycle[0]).expect("in range");
            let last = name(cycle[cycle.len() - 1]);
            let span = first.inputs.values().find(|r| r.stage == last).map_or(first.name_span, |r| r.span);
            let message = if cycle.len() == 1 { "a stage needs itself" } else { "stages need each other in a circle" };
            diagnostics.error(span, message).label(path.join(" → "));
            None
        }
    }
}

/// The layer graph of a stage's result, as far as it is known before running: pruning may make layers narrower, but
/// keeps their names and order.
fn graph_of(
    manifest: &Manifest,
    stage: &Stage,
    graphs: &HashMap<&str, Rc<Graph>>,
    diagnostics: &mut Diagnostics,
) -> Option<Rc<Graph>> {
    let like = |role: &str| graphs.get(stage.inputs.get(role)?.stage.as_str()).cloned();
    match &stage.parameters {
        Parameters::Train { network, .. } | Parameters::Distill { network, .. } => match network {
            Some(architecture) => {
                let data = manifest.data.get(stage.data.as_ref()?)?;
                match architecture.build(data.source.image_shape(), data.source.classes()) {
                    Ok(graph) => Some(Rc::new(graph)),
                    Err(error) => {
                        let note = diagnostics.error(stage.span("network"), error.message);
                        for hint in error.hints {
                            note.hint(hint);
                        }
                        None
                    }
                }
            }
            None => like("like"),
        },
        Parameters::Regularize { .. } | Parameters::FineTune { .. } | Parameters::Prune { .. } => like("from"),
        Parameters::Evaluate { .. } => None,
    }
}

/// Layers that a stage names must be in its network.
fn inside(stage: &Stage, graph: &Graph, diagnostics: &mut Diagnostics) {
    let all = || graph.layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>();
    let mut method = |method: &Method, prefix: &str| {
        let Method::Inactive { layer, .. } = method else { return };
        let span = stage.span(&format!("{prefix}.layer"));
        if !graph.layers.iter().any(|l| l.name == *layer) {
            let error = diagnostics.error(span, format!("the network has no layer `{}`", printable(layer)));
            if let Some(hint) = nearest::hint(layer, all()) {
                error.hint(hint);
            }
        } else if let Err(reason) = units::coupled(graph, layer) {
            diagnostics.error(span, format!("units of `{layer}` cannot be removed: {reason}"));
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
        let layer = penalty.layer();
        let matches = match penalty {
            Penalty::L1 { .. } => pattern::weights(graph, layer).next().is_some(),
            Penalty::ActivationL1 { .. } => pattern::layers(graph, layer).next().is_some(),
        };
        if !matches {
            let span = stage.span(&format!("penalties.{index}.layer"));
            let error = diagnostics.error(span, format!("no layer of the network matches `{}`", printable(layer)));
            if let Some(hint) = nearest::hint(layer, all()) {
                error.hint(hint);
            }
        }
    }
}

/// Networks that meet in one stage must take the same images and know the same classes, and so must the data.
fn fits(manifest: &Manifest, stage: &Stage, graphs: &HashMap<&str, Rc<Graph>>, diagnostics: &mut Diagnostics) {
    let Some(data) = stage.data.as_ref().and_then(|name| manifest.data.get(name)) else { return };
    let (shape, classes) = (data.source.image_shape(), data.source.classes());
    for (role, reference) in &stage.inputs {
        let Some(graph) = graphs.get(reference.stage.as_str()) else { continue };
        let words = |[h, w, c]: [usize; 3], k: usize| format!("{h}x{w}x{c} images of {k} classes");
        if graph.input != shape || graph.classes() != classes {
            let message = format!("`{}` does not fit the data of this stage", reference.stage);
            let label = format!("the {role} takes {}", words(graph.input, graph.classes()));
            let has = format!("`{}` has {}", stage.data.as_deref().unwrap_or_default(), words(shape, classes));
            diagnostics.error(reference.span, message).label(label).hint(has);
        }
    }
}

fn schedule(name: &str, stage: &Stage, training: &Training, data: Option<&Data>, diagnostics: &mut Diagnostics) {
    let (Schedule::Constant { warmup } | Schedule::Step { warmup, .. } | Schedule::Cosine { warmup, .. }) =
        &training.schedule;
    if *warmup > training.epochs as f64 {
        let message = format!("the warm-up is longer than the {} epochs of `{name}`", training.epochs);
        diagnostics.error(stage.span("schedule.warmup"), message);
    }
    if let Schedule::Step { milestones, .. } = &training.schedule
        && milestones.last().is_some_and(|last| *last >= training.epochs)
    {
        let message = format!("a milestone lies after the {} epochs of `{name}`", training.epochs);
        diagnostics.warning(stage.span("schedule.milestones"), message);
    }
    let has_teacher = stage.inputs.contains_key("teacher");
    let uses_teacher = training.losses.iter().any(Loss::needs_teacher);
    if uses_teacher && !has_teacher {
        let index = training.losses.iter().position(Loss::needs_teacher).unwrap_or_default();
        let error = diagnostics.error(stage.span(&format!("losses.{index}.kind")), "`kd` needs a teacher");
        error.hint("add `teacher = \"a stage\"`, or use `cross-entropy`");
    }
    if has_teacher && !uses_teacher {
        let span = stage.inputs["teacher"].span;
        let error = diagnostics.error(span, "no loss uses the teacher");
        error.hint("add `{ kind = \"kd\" }` to `losses`, or leave `teacher` out");
    }
    let Some(data) = data else { return };
    let needs_validation = [
        (training.select == Select::Best, "select", "`select = \"best\"`"),
        (training.early_stop.is_some(), "early-stop", "`early-stop`"),
    ];
    for (needed, key, what) in needs_validation {
        if needed && data.validation == 0.0 {
            let hint = format!("add `validation = 0.1` to `[data.{}]`", stage.data.as_deref().unwrap_or_default());
            diagnostics
                .error(stage.span(key), format!("{what} chooses on the validation split, which is empty"))
                .hint(hint);
        }
    }
    let available = data.limit.unwrap_or(u64::MAX).min(data.source.train_size() as u64);
    // The same rounding as the split itself, up to one image a class.
    let trained = available - (available as f64 * data.validation).floor() as u64;
    if training.batch > trained {
        let message = format!("a batch of {} is larger than the {trained} training images", training.batch);
        diagnostics.error(stage.span("batch"), message).hint(format!("it can be from 1 to {trained}"));
    }
}

impl Stage {
    /// Where the value called `path` in keys stands: itself, else the nearest table around it, else the stage's name.
    pub fn span(&self, path: &str) -> Span {
        let mut path = path;
        loop {
            if let Some(span) = self.spans.get(path) {
                return *span;
            }
            match path.rfind('.') {
                Some(dot) => path = &path[..dot],
                None => return self.name_span,
            }
        }
    }
}
