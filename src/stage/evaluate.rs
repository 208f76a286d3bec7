//! The work of an evaluate stage: what networks are worth, and what they cost.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::outputs::Outputs;
use super::timing::{Timing, time};
use super::{Context, Description, Failure, Split, fit, inputs, key, measurement};
use crate::data;
use crate::error::{Error, Kind};
use crate::network::Executor;
use crate::tensor::Backend;
use crate::tensor::ops::ranking::rank;
use crate::train::evaluation;

/// The output `metrics`: one entry a model, in the order of the manifest. No names, so that renaming changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Metrics {
    /// How many images were looked at.
    pub images: u64,
    /// How many of them each class has. Results of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_images: Vec<u64>,
    /// The names of the data set's classes. Results of earlier versions have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// One entry a model.
    pub models: Vec<ModelMetrics>,
}

/// What one network is worth and what it costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelMetrics {
    /// Share of images whose class has the highest logit.
    pub top1: f64,
    /// Share of images whose class is among the five highest.
    pub top5: f64,
    /// Mean cross entropy. `None` of a network that diverged: some of its logits are infinite or not numbers.
    pub loss: Option<f64>,
    /// Top-1 of the images of each class; `null` for a class without images.
    pub per_class: Vec<Option<f64>>,
    /// Numbers that training changes.
    pub parameters: u64,
    /// Of these, those that are not zero.
    pub nonzeros: u64,
    /// Multiplications of convolutions and linear layers for one image.
    pub macs: u64,
    /// Bytes of the network's files in the store; a weight that is masked takes next to none.
    pub bytes: u64,
    /// Bytes of the same files with every weight written out. Results of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dense_bytes: Option<u64>,
    /// Weights that a mask holds at zero. Results of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked: Option<u64>,
    /// How many different classes it answers with. Results of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<u64>,
}

/// The names of everything that is measured of a network.
pub const MEASURES: [&str; 13] = [
    "accuracy",
    "top1",
    "balanced-accuracy",
    "top5",
    "loss",
    "parameters",
    "nonzeros",
    "macs",
    "bytes",
    "dense-bytes",
    "masked",
    "latency-ms",
    "throughput",
];

/// What is worked out of a network and the reference: the accuracy that it has less, and [`ModelMetrics::efficiency`].
pub const OF_REFERENCE: [&str; 2] = ["accuracy-drop", "efficiency"];

/// Those of [`MEASURES`] that are shares, by the names under which reports show them.
pub const SHARES: [&str; 3] = ["top1", "balanced-accuracy", "top5"];

/// Those of [`MEASURES`] that a network's answers decide.
pub const ANSWERS: [&str; 5] = ["accuracy", "top1", "balanced-accuracy", "top5", "loss"];

/// The values of [`MEASURES`], as far as they are known; `accuracy` is another name of `top1`.
pub fn measures(metrics: &ModelMetrics, timing: &Timing) -> impl Iterator<Item = (&'static str, f64)> {
    let values = [
        Some(metrics.top1),
        Some(metrics.top1),
        metrics.balanced_accuracy(),
        Some(metrics.top5),
        metrics.loss,
        Some(metrics.parameters as f64),
        Some(metrics.nonzeros as f64),
        Some(metrics.macs as f64),
        Some(metrics.bytes as f64),
        metrics.dense_bytes.map(|bytes| bytes as f64),
        metrics.masked.map(|masked| masked as f64),
        Some(timing.latency_ms),
        Some(timing.throughput),
    ];
    MEASURES.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)))
}

impl ModelMetrics {
    /// How many of `images` it answers rightly: `top1` is that count as a share.
    pub fn right(&self, images: u64) -> u64 {
        (self.top1 * images as f64).round() as u64
    }

    /// The mean of the classes' accuracies, each class counted once however many images it has. `None` without images.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        let known: Vec<f64> = self.per_class.iter().copied().flatten().collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    /// Whether some of the network's logits are infinite or not numbers. Its accuracy counts an image as wrong whose
    /// logits are, and is not to be averaged or compared with others.
    pub fn has_diverged(&self) -> bool {
        self.loss.is_none()
    }

    /// `(A / A_R) (1 − N / N_R)`: the share of the reference's accuracy that is kept, times the share of its parameters
    /// that is gone. A is top-1; N are the parameters that are not zero where weights are masked, and all parameters of
    /// other networks, whose zeros are chance. `None` when the reference is never right, or masks are not known.
    ///
    /// This is pleach's own measure. "Performance efficiency" (Malihi & Heidemann 2023, 2024) has its name from the same
    /// idea, but its formula could not be had. A small network that has collapsed scores too: read it beside the accuracy.
    /// One that diverged has none, nor has any against it.
    pub fn efficiency(&self, reference: &ModelMetrics) -> Option<f64> {
        if self.has_diverged() || reference.has_diverged() {
            return None;
        }
        let counted = |metrics: &ModelMetrics| {
            Some(if metrics.masked? > 0 { metrics.nonzeros } else { metrics.parameters } as f64)
        };
        let left = counted(self)? / counted(reference)?;
        let efficiency = self.top1 / reference.top1 * (1.0 - left);
        efficiency.is_finite().then_some(efficiency)
    }
}

/// Evaluates the inputs `models.0`, `models.1`, … and hands over `metrics`.
///
/// # Errors
/// See [`Failure`].
pub fn evaluate<B: Backend>(
    description: &Description,
    split: Split,
    context: &Context,
    device: &B,
) -> Result<Outputs, Failure> {
    let data = inputs::needed_data(description, context)?;
    let (images, indices) = data.split(split);
    if indices.is_empty() {
        let error = Error::new(Kind::Input, format!("the {} split has no image", split.name()));
        let hint = match split {
            Split::Test => "raise `test` of the data set, or evaluate another split",
            _ => "raise `validation` or `limit` of the data set",
        };
        return Err(error.hint(hint).into());
    }
    let labels: Vec<u32> = indices.iter().map(|i| images.labels[*i as usize]).collect();
    let mut class_images = vec![0; data.set.classes()];
    labels.iter().for_each(|label| class_images[*label as usize] += 1);
    let classes = data.set.class_names.clone();
    let mut metrics = Metrics { images: indices.len() as u64, class_images, classes, models: Vec::new() };
    let mut timings = Vec::new();
    let fields = key::fields(description);
    let measure = |role: &str| -> Result<(ModelMetrics, Timing), Failure> {
        let model = inputs::network(description, role, context)?;
        let fit = fit::fit(description, role, &data, context)?;
        let normalization = fit.normalization();
        let network = Executor::new(&model, device)?;
        let stop = || context.check_cancelled().is_err();
        let mut logits = evaluation::logits(&network, images, &indices, normalization, device, &stop)?;
        // So that labels and the figures of single classes are in the order of the set.
        fit.order.reorder(&mut logits);
        context.check_cancelled()?;
        // One network with such logits takes no other's result with it.
        let is_finite = logits.iter().all(|logit| logit.is_finite());
        let loss = Some(evaluation::cross_entropy(&logits, &labels)).filter(|loss| is_finite && loss.is_finite());
        let metrics = ModelMetrics {
            top1: evaluation::top(&logits, &labels, 1),
            top5: evaluation::top(&logits, &labels, 5),
            loss,
            per_class: per_class(&logits, &labels, data.set.classes()),
            parameters: model.graph.parameter_count(),
            nonzeros: model.nonzero_count(),
            macs: model.graph.macs(),
            bytes: inputs::stored_bytes(description, role, context)?,
            dense_bytes: Some((model.description()?.len() + model.safetensors()?.len()) as u64),
            masked: Some(model.masks.values().flatten().filter(|kept| !**kept).count() as u64),
            answers: Some(answers(&logits, data.set.classes())),
        };
        let one = data::batch(images, &indices[..1.min(indices.len())], normalization, None);
        let many = data::batch(images, &indices[..data::EVALUATION_BATCH.min(indices.len())], normalization, None);
        Ok((metrics, time(&network, &one, &many, context)?))
    };
    for role in (0..).map(|i| format!("models.{i}")).take_while(|role| description.inputs.contains_key(role)) {
        let key = key::measurement(&fields, &role);
        let (of_model, timing) = measurement::known(&key, context, || measure(&role))?;
        metrics.models.push(of_model);
        timings.push(timing);
    }
    let mut outputs = Outputs::default().json("metrics", &metrics);
    outputs.measured = json!(timings);
    Ok(outputs)
}

fn per_class(logits: &[f32], labels: &[u32], classes: usize) -> Vec<Option<f64>> {
    let mut right = vec![(0u64, 0u64); classes];
    for (row, label) in logits.chunks(classes).zip(labels) {
        let (hits, all) = &mut right[*label as usize];
        *hits += (rank(row, *label as usize) == 0) as u64;
        *all += 1;
    }
    right.into_iter().map(|(hits, all)| (all > 0).then(|| hits as f64 / all as f64)).collect()
}

/// How many classes are the answer to some image: the first of the highest logits, as in [`rank`].
fn answers(logits: &[f32], classes: usize) -> u64 {
    let mut given = vec![false; classes];
    for row in logits.chunks(classes) {
        let best = (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
        given[best] |= row[best].is_finite();
    }
    given.into_iter().filter(|given| *given).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(top1: f64, parameters: u64, nonzeros: u64, masked: Option<u64>) -> ModelMetrics {
        let (top5, loss, per_class, macs, bytes, dense_bytes) = (1.0, Some(0.0), Vec::new(), 1, 1, Some(1));
        ModelMetrics {
            top1,
            top5,
            loss,
            per_class,
            parameters,
            nonzeros,
            macs,
            bytes,
            dense_bytes,
            masked,
            answers: None,
        }
    }

    #[test]
    fn answers_are_the_first_of_the_highest_logits() {
        assert_eq!(answers(&[0.0, 0.0, 0.0, 1.0, 1.0, 0.0], 3), 1);
        assert_eq!(answers(&[0.0, 2.0, 0.0, 1.0, 1.0, 3.0], 3), 2);
    }

    #[test]
    fn balanced_accuracy_counts_every_class_once() {
        let mut metrics = metrics(0.9, 1, 1, None);
        assert_eq!(metrics.balanced_accuracy(), None);
        metrics.per_class = vec![Some(1.0), None, Some(0.0)];
        assert_eq!(metrics.balanced_accuracy(), Some(0.5));
    }

    #[test]
    fn efficiency_counts_what_pruning_left() {
        // Ten zeros by chance do not count, neither in the reference nor without masks.
        let reference = metrics(0.8, 100, 90, Some(0));
        assert_eq!(reference.efficiency(&reference), Some(0.0));
        assert_eq!(metrics(0.4, 25, 20, Some(0)).efficiency(&reference), Some(0.375));
        assert_eq!(metrics(0.4, 100, 25, Some(70)).efficiency(&reference), Some(0.375));
        assert_eq!(metrics(0.4, 100, 25, None).efficiency(&reference), None);
        assert_eq!(metrics(0.4, 100, 25, Some(70)).efficiency(&metrics(0.0, 100, 90, Some(0))), None);
    }
}
