//! Everything that a report shows as one document: what `--format json` prints and the page reads.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Value, json};

use super::against::Against;
use super::best;
use super::collapse;
use super::compared::{Compared, compared};
use super::expect::{self, Checked};
use super::groups::{Group, groups, is_averaged, members};
use super::results::{Evaluation, Row, axes_of};
use super::times::{Unlike, conditions, unlike};
use crate::error::Result;
use crate::graph::StageGraph;
use crate::manifest::Manifest;
use crate::network::{Graph, Model, Op, Signature};
use crate::plan::{self, Plan, State};
use crate::stage::Parameters;
use crate::stage::evaluate::SHARES;
use crate::store::{Digest, Record, Store};
use crate::train::{Entry, History};

/// A report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Document {
    /// Name, description and file.
    pub pipeline: Value,
    /// The version of pleach.
    pub pleach: &'static str,
    /// The axes with their values, and whether these are seeds that are averaged over.
    pub axes: Vec<Value>,
    /// What is measured, with title, unit and direction.
    pub metrics: Vec<Value>,
    /// The axis that a chart has a panel for each value of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panel: Option<String>,
    /// The axes that tell series of a chart apart.
    pub series: Vec<String>,
    /// One an evaluated network.
    pub rows: Vec<Value>,
    /// Rows that differ only in what is averaged over.
    pub groups: Vec<Group>,
    /// Methods held against each other.
    pub compared: Vec<Compared>,
    /// What `[expect]` says, held against the results.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expectations: Vec<Checked>,
    /// The results held against another report, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Against>,
    /// The epochs of the stages that train.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub training: Vec<Epochs>,
    /// The stages that diverged when they ran, and so have no result.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diverged: Vec<Diverged>,
    /// What pruning left of each layer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pruning: Vec<Value>,
    /// Sections and what they take from each other, with counts and times.
    pub graph: Value,
    /// The evaluations whose times were measured under unlike conditions, so that they are not to be compared.
    pub unlike_times: Vec<Unlike>,
    /// What the store made unnecessary.
    pub saved: Value,
}

/// The epochs of one stage.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Epochs {
    /// The stage.
    pub stage: String,
    /// The name of its section.
    pub name: String,
    /// The axes that reach it, with their values.
    pub axes: IndexMap<String, Value>,
    /// What every epoch came to: the fields of [`Entry`].
    pub epochs: Vec<serde_json::Map<String, Value>>,
    /// How many epochs it is to have; fewer where training stops early.
    pub of: u64,
    /// Whether the stage has a result, and not only epochs.
    pub finished: bool,
}

/// A stage that diverged when it ran.
#[derive(Debug, Clone, Serialize)]
pub struct Diverged {
    /// The stage.
    pub stage: String,
    /// The name of its section.
    pub name: String,
    /// The axes that reach it, with their values.
    pub axes: IndexMap<String, Value>,
    /// What was said of it.
    pub message: String,
}

/// What a document is made from.
pub struct Source<'a> {
    /// The manifest.
    pub manifest: &'a Manifest,
    /// Its file, as it was named.
    pub path: &'a str,
    /// Its stages.
    pub graph: &'a StageGraph,
    /// What a run would do.
    pub plan: &'a Plan,
    /// The results that are there, by stage.
    pub records: &'a [Option<Record>],
    /// Where they are.
    pub store: &'a Store,
}

/// Puts everything together. With `details`, the layers too, which takes reading every network.
///
/// # Errors
/// When the store cannot be read.
pub fn document(source: &Source, evaluations: &[Evaluation], details: bool) -> Result<Document> {
    let Source { manifest, .. } = *source;
    let members = members(evaluations, manifest);
    let mut known = BTreeMap::new();
    let mut rows = Vec::new();
    for (group, members) in members.iter().enumerate() {
        for (evaluation, row, _) in &members.rows {
            let stage = manifest.stages.get_index_of(&row.model);
            let record = stage.and_then(|stage| source.records[stage].as_ref());
            let normalization = record.map(|record| normalization(source, record, &mut known)).transpose()?;
            let normalization = normalization.unwrap_or_default();
            rows.push(row_of(source, evaluation, row, record, normalization, group));
        }
    }
    let axis = |axis: &crate::manifest::Axis| json!({ "name": axis.name, "values": axis.values, "seed": is_averaged(&axis.name, manifest) });
    let panel = manifest.report.panel.map(|place| manifest.axes[place].name.clone());
    let is_series = |name: &String| !is_averaged(name, manifest) && Some(name) != panel.as_ref();
    let words = |axis: &&crate::manifest::Axis| axis.values.iter().any(Value::is_string) || manifest.axes.len() < 3;
    let pruning = if details { prunings(source)? } else { Vec::new() };
    Ok(Document {
        pipeline: json!({
            "name": manifest.pipeline.name,
            "description": manifest.pipeline.description,
            "manifest": source.path,
        }),
        pleach: env!("CARGO_PKG_VERSION"),
        axes: manifest.axes.iter().map(axis).collect(),
        metrics: metrics(evaluations),
        series: manifest.axes.iter().filter(words).map(|axis| axis.name.clone()).filter(is_series).collect(),
        panel,
        rows,
        groups: groups(evaluations, manifest),
        compared: compared(evaluations, manifest),
        expectations: expectations(source, evaluations),
        against: None,
        training: histories(source)?,
        diverged: diverged(source),
        pruning,
        graph: graph(source),
        unlike_times: unlike(evaluations),
        saved: saved(source),
    })
}

/// What `[expect]` says, held against the results.
pub fn expectations(source: &Source, evaluations: &[Evaluation]) -> Vec<Checked> {
    let asked: Vec<usize> = source.plan.stages.iter().map(|planned| planned.stage).collect();
    expect::check(source.manifest, evaluations, &asked, source.plan.search.as_ref())
}

fn metrics(evaluations: &[Evaluation]) -> Vec<Value> {
    let known = [
        ("top1", "top-1", "", true),
        ("balanced-accuracy", "balanced accuracy", "", true),
        ("top5", "top-5", "", true),
        ("loss", "loss", "", false),
        ("parameters", "parameters", "", false),
        ("nonzeros", "non-zero parameters", "", false),
        ("macs", "MACs", "", false),
        ("bytes", "size on disk", "B", false),
        ("dense-bytes", "size with every weight", "B", false),
        ("latency-ms", "latency", "ms", false),
        ("throughput", "throughput", "images/s", true),
        ("efficiency", "efficiency", "", true),
    ];
    let metric = |name: &str, title: &str, unit: &str, higher: bool| {
        // A share of 1, which pages show in per cent.
        let unit = if SHARES.contains(&name) { "share" } else { unit };
        json!({ "name": name, "title": title, "unit": unit, "higher-is-better": higher })
    };
    let mut all: Vec<Value> =
        known.iter().map(|(name, title, unit, higher)| metric(name, title, unit, *higher)).collect();
    let mut own: Vec<&String> = evaluations.iter().flat_map(|e| &e.models).flat_map(|row| row.own.keys()).collect();
    own.sort();
    own.dedup();
    own.retain(|name| known.iter().all(|(other, ..)| other != name));
    all.extend(own.into_iter().map(|name| metric(name, name, "", true)));
    all
}

/// What images are normalised by for the network that a stage made; null of one that does not say.
fn normalization(source: &Source, record: &Record, known: &mut BTreeMap<Digest, Value>) -> Result<Value> {
    let Some(output) = record.outputs.get("signature") else { return Ok(Value::Null) };
    if let Some(normalization) = known.get(&output.digest) {
        return Ok(normalization.clone());
    }
    let bytes = content(source, record, "signature")?;
    let signature = bytes.map(|bytes| Signature::from_json(&bytes)).transpose()?;
    let written = serde_json::to_string(&signature.map(|signature| signature.normalization));
    // By way of text, which has the digits of an `f32` and no more.
    let normalization: Value = written.and_then(|text| serde_json::from_str(&text)).expect("constants are plain data");
    known.insert(output.digest, normalization.clone());
    Ok(normalization)
}

fn row_of(
    source: &Source,
    evaluation: &Evaluation,
    row: &Row,
    record: Option<&Record>,
    normalization: Value,
    group: usize,
) -> Value {
    let decides = |field: &str| {
        !matches!(field, "key-version" | "implementation")
            && !field.starts_with("inputs.")
            && !field.ends_with("digest")
    };
    let settings: Vec<[&str; 2]> = record.map_or(Vec::new(), |record| {
        let fields = record.fields.iter().filter(|(field, _)| decides(field));
        fields.map(|(field, value)| [field.as_str(), value.as_str()]).collect()
    });
    let reference = evaluation.reference.and_then(|index| evaluation.models.get(index));
    // What is counted is a whole number.
    let whole = |value: f64| (value.fract() == 0.0 && value.abs() > 1.0).then(|| Value::from(value as i64));
    let values = row.values().into_iter().filter(|(name, _)| *name != "accuracy");
    let mut values: IndexMap<&str, Value> =
        values.map(|(name, value)| (name, whole(value).unwrap_or_else(|| value.into()))).collect();
    if row.metrics.has_diverged() {
        values.insert("loss", Value::Null);
    }
    json!({
        "evaluation": evaluation.template,
        "stage": evaluation.stage,
        "model": row.model,
        "name": row.template,
        "data": evaluation.data,
        "split": evaluation.split,
        "images": evaluation.images,
        "axes": row.axes,
        "reference": reference.is_some_and(|reference| reference.template == row.template),
        "group": group,
        "collapsed": row.collapsed,
        "chance": collapse::chance(&row.metrics, &evaluation.class_images),
        "diverged": row.metrics.has_diverged(),
        "values": values,
        "timing": row.timing,
        "times": conditions(&row.timing),
        "classes": evaluation.classes,
        "per-class": row.metrics.per_class,
        "class-images": evaluation.class_images,
        "normalization": normalization,
        "settings": settings,
        "command": best::command(source.path, &row.model, &row.template),
    })
}

/// Every stage that has a result, with its record.
fn stages<'a>(source: &Source<'a>) -> impl Iterator<Item = (&'a String, &'a crate::manifest::Stage, &'a Record)> {
    let all = source.manifest.stages.iter().zip(source.records);
    all.filter_map(|((name, stage), record)| Some((name, stage, record.as_ref()?)))
}

/// What a stage made under `output`, if it is there.
fn content(source: &Source, record: &Record, output: &str) -> Result<Option<Vec<u8>>> {
    match record.outputs.get(output) {
        Some(output) => source.store.get(&output.digest),
        None => Ok(None),
    }
}

/// The epochs of the stages that train, as far as they are in the store.
///
/// # Errors
/// When the store cannot be read.
pub fn histories(source: &Source) -> Result<Vec<Epochs>> {
    let mut all = Vec::new();
    let mut begun = plan::begun(source.plan, source.store)?;
    for (place, ((name, stage), record)) in source.manifest.stages.iter().zip(source.records).enumerate() {
        let history = match record {
            Some(record) => content(source, record, "history")?.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            None => begun.remove(&place),
        };
        let (Some(history), Some(training)) = (history, stage.parameters.training()) else { continue };
        let history: History = history;
        let epoch = |entry: &Entry| match serde_json::to_value(entry) {
            Ok(Value::Object(fields)) => fields,
            _ => unreachable!("an entry is plain data"),
        };
        let epochs = history.epochs.iter().map(epoch).collect();
        let axes = axes_of(source.manifest, stage);
        let (stage, name, finished) = (name.clone(), stage.template.clone(), record.is_some());
        all.push(Epochs { stage, name, axes, epochs, of: training.epochs, finished });
    }
    Ok(all)
}

/// The stages that diverged when they ran, and so have no result.
pub fn diverged(source: &Source) -> Vec<Diverged> {
    let all = source.plan.diverged().map(|(stage, message)| {
        let (stage, definition) = source.manifest.stages.get_index(stage).expect("in range");
        let axes = axes_of(source.manifest, definition);
        Diverged { stage: stage.clone(), name: definition.template.clone(), axes, message: message.to_owned() }
    });
    all.collect()
}

/// The layers of the stages that made a network smaller, before and after.
fn prunings(source: &Source) -> Result<Vec<Value>> {
    let mut known: BTreeMap<Digest, Vec<Layer>> = BTreeMap::new();
    let mut all = Vec::new();
    for (name, stage, record) in stages(source) {
        let from = stage.inputs.get("from").filter(|_| matches!(stage.parameters, Parameters::Prune { .. }));
        let Some(from) = from.and_then(|from| source.manifest.stages.get_index_of(&from.stage)) else { continue };
        let Some(before) = &source.records[from] else { continue };
        let (Some(before), Some(after)) = (layers(source, before, &mut known)?, layers(source, record, &mut known)?)
        else {
            continue;
        };
        let pairs = before.iter().zip(&after).map(|(before, after)| {
            json!({
                "layer": before.name,
                "channels": [before.channels, after.channels],
                "weights": [before.weights, after.weights],
            })
        });
        let axes = axes_of(source.manifest, stage);
        all.push(json!({ "stage": name, "name": stage.template, "axes": axes, "layers": pairs.collect::<Vec<_>>() }));
    }
    Ok(all)
}

#[derive(Debug, Clone)]
struct Layer {
    name: String,
    channels: usize,
    /// Those that are not zero.
    weights: usize,
}

fn layers(source: &Source, record: &Record, known: &mut BTreeMap<Digest, Vec<Layer>>) -> Result<Option<Vec<Layer>>> {
    let Some(weights) = record.outputs.get("weights") else { return Ok(None) };
    if let Some(layers) = known.get(&weights.digest) {
        return Ok(Some(layers.clone()));
    }
    let parts = (content(source, record, "network")?, content(source, record, "weights")?);
    let (Some(network), Some(weights_bytes)) = parts else { return Ok(None) };
    let model = Model::from_parts(&network, &weights_bytes, content(source, record, "masks")?.as_deref())?;
    let layers = layers_of(&model.graph, &model);
    known.insert(weights.digest, layers.clone());
    Ok(Some(layers))
}

fn layers_of(graph: &Graph, model: &Model) -> Vec<Layer> {
    let width = |op: &Op| match op {
        Op::Convolution { out_channels, .. } => Some(*out_channels),
        Op::Linear { out_features, .. } => Some(*out_features),
        _ => None,
    };
    let layer = |layer: &crate::network::Layer| {
        let channels = width(&layer.op)?;
        let weight = model.tensors.get(&format!("{}.weight", layer.name))?;
        let weights = weight.data.iter().filter(|weight| **weight != 0.0).count();
        Some(Layer { name: layer.name.clone(), channels, weights })
    };
    graph.layers.iter().filter_map(layer).collect()
}

/// The seconds that a result took to make.
fn seconds(record: &Record) -> f64 {
    record.provenance["seconds"].as_f64().unwrap_or(0.0)
}

fn graph(source: &Source) -> Value {
    #[derive(Default)]
    struct Node {
        kind: &'static str,
        axes: Vec<String>,
        counts: [usize; 3],
        seconds: f64,
    }
    let stages = &source.manifest.stages;
    let mut nodes: IndexMap<&str, Node> = IndexMap::new();
    for planned in &source.plan.stages {
        let stage = &stages[planned.stage];
        let node = nodes.entry(&stage.template).or_default();
        node.kind = stage.parameters.kind();
        for axis in axes_of(source.manifest, stage).into_keys() {
            if !node.axes.contains(&axis) {
                node.axes.push(axis);
            }
        }
        let place = match &planned.state {
            State::Cached(record) => {
                node.seconds += seconds(record);
                0
            }
            State::Run(_) => 1,
            State::Maybe(_) | State::Open => 2,
        };
        node.counts[place] += 1;
    }
    let mut edges: Vec<(&str, &str, &str)> = Vec::new();
    for (from, to, role) in source.graph.edges() {
        let role = if role.starts_with("models.") { "" } else { role };
        let edge = (stages[from].template.as_str(), stages[to].template.as_str(), role);
        edges.push(edge);
    }
    edges.sort_unstable();
    edges.dedup();
    let node = |(name, node): (&str, Node)| {
        let [cached, run, maybe] = node.counts;
        json!({
            "name": name,
            "kind": node.kind,
            "instances": cached + run + maybe,
            "cached": cached,
            "run": run,
            "maybe": maybe,
            "seconds": node.seconds,
            "axes": node.axes,
        })
    };
    json!({ "nodes": nodes.into_iter().map(node).collect::<Vec<Value>>(), "edges": edges })
}

/// What the results that are there would take to make again. A stage that an axis does not reach serves many others: that,
/// too, is counted once.
fn saved(source: &Source) -> Value {
    let all = || source.records.iter().flatten();
    let mut once: BTreeMap<Digest, f64> = BTreeMap::new();
    once.extend(all().map(|record| (record.key, seconds(record))));
    json!({ "stages": once.len(), "seconds": once.values().sum::<f64>() })
}
