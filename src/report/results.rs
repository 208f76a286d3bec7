//! The measurements of a pipeline, gathered from the records of its evaluate stages.

use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::manifest::Manifest;
use crate::stage::Parameters;
use crate::stage::evaluate::{Metrics, ModelMetrics, Timing};
use crate::store::{Record, Store};

/// One evaluate stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Evaluation {
    /// The stage's name.
    pub stage: String,
    /// The data set's name.
    pub data: String,
    /// The part of it that was looked at.
    pub split: &'static str,
    /// How many images that is.
    pub images: u64,
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
    /// What it is worth and costs.
    #[serde(flatten)]
    pub metrics: ModelMetrics,
    /// [`ModelMetrics::efficiency`] against the reference, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub efficiency: Option<f64>,
    /// What the clock said.
    #[serde(flatten)]
    pub timing: Timing,
}

/// Gathers the evaluations that have a record, in the order of the manifest.
///
/// # Errors
/// When a result cannot be read.
pub fn evaluations(manifest: &Manifest, records: &[Option<Record>], store: &Store) -> Result<Vec<Evaluation>> {
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
        let names = stage.inputs.values().map(|reference| reference.stage.clone());
        let against = reference.and_then(|index| metrics.models.get(index as usize)).cloned();
        let efficiency = |metrics: &ModelMetrics| metrics.efficiency(against.as_ref()?);
        let models = names
            .zip(metrics.models)
            .zip(timings)
            .map(|((model, metrics), timing)| Row { efficiency: efficiency(&metrics), model, metrics, timing })
            .collect();
        all.push(Evaluation {
            stage: name.clone(),
            data: stage.data.clone().unwrap_or_default(),
            split: split.name(),
            images: metrics.images,
            reference: reference.map(|r| r as usize),
            models,
        });
    }
    Ok(all)
}
