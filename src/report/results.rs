//! The measurements of a pipeline, gathered from the records of its evaluate stages.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use super::collapse;
use super::times::TIMES;
use crate::error::{Error, Kind, Result};
use crate::expression::{Calculator, Names};
use crate::manifest::{Manifest, Stage, variable};
use crate::stage::Parameters;
use crate::stage::evaluate::{ANSWERS, Metrics, ModelMetrics, measures};
use crate::stage::key;
use crate::stage::timing::Timing;
use crate::store::{Digest, Record, Store};

/// One evaluate stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Evaluation {
    /// The stage's name.
    pub stage: String,
    /// The name of its section.
    pub template: String,
    /// The data set's name.
    pub data: String,
    /// The part of it that was looked at.
    pub split: &'static str,
    /// How many images that is.
    pub images: u64,
    /// How many of them each class has; empty for results of earlier versions.
    pub class_images: Vec<u64>,
    /// Equal for evaluations that look at the same images.
    #[serde(skip)]
    pub set: String,
    /// The names of the classes; none in results of earlier versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Which of the models the others are compared with.
    pub reference: Option<usize>,
    /// One row a model.
    pub models: Vec<Row>,
}

/// One model of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// The name of the stage that made it.
    pub model: String,
    /// The name of that stage's section.
    pub template: String,
    /// The axes that reach it, with their values.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub axes: IndexMap<String, Value>,
    /// The seed that made it, by its number among all: `Axis::seeds`.
    #[serde(skip)]
    pub seed: Option<usize>,
    /// What it is worth and costs.
    #[serde(flatten)]
    pub metrics: ModelMetrics,
    /// Whether its answers could as well be given without looking: see `collapse::has_collapsed`.
    pub collapsed: bool,
    /// What it is and what it was measured on, by content: networks that are the same are one sample, whatever they are called.
    #[serde(skip)]
    pub identity: Digest,
    /// [`ModelMetrics::efficiency`] against the reference, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub efficiency: Option<f64>,
    /// What the clock said.
    #[serde(flatten)]
    pub timing: Timing,
    /// The measures that the manifest defines, as far as they have a value.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub own: IndexMap<String, f64>,
}

impl Row {
    /// Every measure by its name.
    pub fn values(&self) -> IndexMap<&str, f64> {
        let mut values: IndexMap<&str, f64> = measures(&self.metrics, &self.timing).collect();
        values.extend(self.efficiency.map(|efficiency| ("efficiency", efficiency)));
        values.extend(self.own.iter().map(|(name, value)| (name.as_str(), *value)));
        values
    }
}

impl Evaluation {
    /// The share of the right answers of one of its networks, as a count of images.
    pub fn accuracy(&self, row: &Row) -> f64 {
        row.metrics.right(self.images) as f64 / self.images as f64
    }

    /// The share of the right answers of one network minus another's: of counts, so that equal counts differ by nothing.
    pub fn difference(&self, row: &Row, other: &Row) -> f64 {
        (row.metrics.right(self.images) as f64 - other.metrics.right(self.images) as f64) / self.images as f64
    }

    /// The name of a class; its number in results of earlier versions, which have no names.
    pub fn class(&self, number: usize) -> String {
        self.classes.get(number).cloned().unwrap_or_else(|| number.to_string())
    }

    /// Whether its classes are uneven, so that accuracy depends on how often they occur.
    pub fn is_uneven(&self) -> bool {
        let sizes = || self.class_images.iter().filter(|size| **size > 0);
        // Splits by class leave classes that are even with an image more or less.
        sizes().max().zip(sizes().min()).is_some_and(|(most, least)| *most as f64 > 1.5 * *least as f64)
    }
}

/// Equal for stages that look at the same images: the content of the set and the part of it. How the training set is split
/// says nothing about the test images.
fn set(fields: &key::Fields, images: u64) -> String {
    let is_test = fields.iter().any(|(name, value)| name == "split" && value == "\"test\"");
    let of_training = ["data.validation", "data.limit", "data.seed", "data.normalization"];
    let decides = |name: &str| {
        name == "split"
            || name.starts_with("data.") && !(is_test && of_training.iter().any(|other| name.starts_with(other)))
    };
    let parts = fields.iter().filter(|(name, _)| decides(name)).map(|(name, value)| format!("{name}={value}"));
    format!("{images}\n{}", parts.collect::<Vec<_>>().join("\n"))
}

/// The axes that reach a stage, with their values.
pub fn axes_of(manifest: &Manifest, stage: &Stage) -> IndexMap<String, Value> {
    let value = |(axis, value): &(usize, usize)| {
        let axis = &manifest.axes[*axis];
        (axis.name.clone(), axis.values[*value].clone())
    };
    stage.coordinates.iter().map(value).collect()
}

/// Gathers the evaluations that have a record, in the order of the manifest.
///
/// # Errors
/// When a result cannot be read.
pub fn evaluations(manifest: &Manifest, records: &[Option<Record>], store: &Store) -> Result<Vec<Evaluation>> {
    let calculator = Calculator::default();
    let mut all = Vec::new();
    for (index, (name, stage)) in manifest.stages.iter().enumerate() {
        let (Parameters::Evaluate { split, reference }, Some(record)) = (&stage.parameters, &records[index]) else {
            continue;
        };
        let broken = |what: &str| Error::new(Kind::Store, format!("the result of `{name}` {what}")).at(store.root());
        let output = record.outputs.get("metrics").ok_or_else(|| broken("has no metrics"))?;
        let bytes = store.get(&output.digest)?.ok_or_else(|| broken("is gone").hint("run the pipeline again"))?;
        let metrics: Metrics = serde_json::from_slice(&bytes).map_err(|_| broken("cannot be read"))?;
        let timings: Vec<Timing> = serde_json::from_value(record.provenance["measured"].clone())
            .map_err(|_| broken("has no timings that can be read"))?;
        let names = stage.inputs.values().map(|reference| &reference.stage);
        let Metrics { images, class_images, classes, models } = metrics;
        let row = |(role, ((model, metrics), timing)): (usize, ((&String, ModelMetrics), Timing))| {
            let stage = &manifest.stages[model];
            let collapsed = collapse::has_collapsed(&metrics, images, &class_images);
            Row {
                model: model.clone(),
                template: stage.template.clone(),
                axes: axes_of(manifest, stage),
                seed: manifest.seed_of(&stage.coordinates),
                metrics,
                collapsed,
                identity: key::measurement(&record.fields, &format!("models.{role}")),
                efficiency: None,
                timing,
                own: IndexMap::new(),
            }
        };
        let mut models: Vec<Row> = names.zip(models).zip(timings).enumerate().map(row).collect();
        let reference = reference.map(|reference| reference as usize);
        measure(&mut models, reference, manifest, &calculator);
        all.push(Evaluation {
            stage: name.clone(),
            template: stage.template.clone(),
            data: stage.data.clone().unwrap_or_default(),
            split: split.name(),
            images,
            set: set(&record.fields, images),
            class_images,
            classes,
            reference,
            models,
        });
    }
    Ok(all)
}

/// Adds what is worked out of measures: the efficiency, and what the manifest defines.
fn measure(models: &mut [Row], reference: Option<usize>, manifest: &Manifest, calculator: &Calculator) {
    let against = reference.and_then(|index| models.get(index)).map(|row| row.metrics.clone());
    for row in models.iter_mut() {
        row.efficiency = against.as_ref().and_then(|against| row.metrics.efficiency(against));
    }
    // What is worked out of the answers of a network that diverged has no value.
    let is_known = |row: &Row, name: &str| !(row.metrics.has_diverged() && ANSWERS.contains(&name));
    let named = |row: &Row| -> Vec<(String, f64)> {
        let values = row.values().into_iter().filter(|(name, _)| is_known(row, name));
        values.map(|(name, value)| (variable(name), value)).collect()
    };
    for (name, expression) in &manifest.report.metrics {
        // Measures are worked out for the reference too, before those that build on them.
        let of_reference = reference.and_then(|index| models.get(index)).map(|row| (named(row), row.timing.clone()));
        for row in models.iter_mut() {
            let mut of_reference = of_reference.clone();
            if let Some((values, timing)) = &mut of_reference
                && !timing.is_like(&row.timing)
            {
                // What is worked out of times under unlike conditions says nothing.
                values.retain(|(name, _)| TIMES.iter().all(|time| variable(time) != *name));
            }
            let names = Names { own: named(row), reference: of_reference.map(|(values, _)| values) };
            let value = calculator.evaluate(expression, &names).ok().filter(|value| value.is_finite());
            row.own.extend(value.map(|value| (name.clone(), value)));
        }
    }
}

/// A row with its evaluation and the reference's rows: one, or as many as there are where the reference is reached by more
/// axes than the network.
pub type Placed<'a> = (&'a Evaluation, &'a Row, Vec<&'a Row>);

/// The rows of all evaluations, each network once a section that evaluates it and set of images.
pub fn rows(evaluations: &[Evaluation]) -> Vec<Placed<'_>> {
    let mut rows: IndexMap<(&str, &str, &str), Placed> = IndexMap::new();
    for evaluation in evaluations {
        let reference = evaluation.reference.and_then(|index| evaluation.models.get(index));
        for row in &evaluation.models {
            // One that is not reached by all axes is measured by several evaluations.
            let placed = rows.entry((&evaluation.template, &row.model, &evaluation.set));
            let (_, _, references) = placed.or_insert_with(|| (evaluation, row, Vec::new()));
            if let Some(reference) = reference.filter(|new| references.iter().all(|known| known.model != new.model)) {
                references.push(reference);
            }
        }
    }
    rows.into_values().collect()
}
