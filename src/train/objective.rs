//! Losses and penalties of one step, summed to the number that is made small.

use super::parameters::{Loss, Penalty, Training};
use crate::data::Batch;
use crate::error::Result;
use crate::network::{Executor, Forward, Graph, pattern};
use crate::tensor::{Backend, Flat, OwnedTape, Scalar};

/// The terms of a training stage, resolved for one network.
pub struct Objective {
    losses: Vec<Loss>,
    /// Indices of parameters, with λ.
    weights: Vec<(usize, f64)>,
    /// Indices of layers whose activation is penalised, with λ.
    activations: Vec<(usize, f64)>,
    classes: usize,
}

impl Objective {
    /// Resolves the patterns of `training` in `graph`. `parameters` are the executor's names, in its order.
    pub fn new(training: &Training, graph: &Graph, parameters: &[&str]) -> Self {
        let mut weights = Vec::new();
        let mut activations = Vec::new();
        for penalty in &training.penalties {
            match penalty {
                Penalty::L1 { layer, strength } => {
                    let names: Vec<String> = pattern::weights(graph, layer).collect();
                    let found = parameters.iter().enumerate().filter(|(_, name)| names.iter().any(|n| n == *name));
                    weights.extend(found.map(|(index, _)| (index, *strength)));
                }
                Penalty::ActivationL1 { layer, strength } => {
                    let found = pattern::layers(graph, layer).filter_map(|name| graph.activation_of(name));
                    activations.extend(found.map(|index| (index, *strength)));
                }
            }
        }
        Self { losses: training.losses.clone(), weights, activations, classes: graph.classes() }
    }

    /// Layers whose values the forward pass must keep, each once.
    pub fn keep(&self) -> Vec<usize> {
        let mut keep: Vec<usize> = self.activations.iter().map(|(index, _)| *index).collect();
        keep.sort_unstable();
        keep.dedup();
        keep
    }

    /// The weighted sum of all terms, ready to be run backwards.
    ///
    /// # Errors
    /// When the device fails.
    pub fn sum<B: Backend>(
        &self,
        network: &Executor<B>,
        forward: &Forward<B>,
        batch: &Batch,
        teacher: Option<&Flat<B>>,
        device: &B,
        mut tape: OwnedTape<f32, B>,
    ) -> Result<Scalar<B, OwnedTape<f32, B>>> {
        let mut terms: Vec<(f32, Flat<B>)> = Vec::new();
        let labels = &batch.labels;
        for loss in &self.losses {
            match loss {
                Loss::CrossEntropy { smoothing, weight } => {
                    let term = cross_entropy(&forward.logits, batch, *smoothing, &mut tape)?;
                    terms.push((*weight as f32, term));
                }
                Loss::Kd { temperature, alpha, smoothing, weight } => {
                    if let (Some(teacher), true) = (teacher, *alpha > 0.0) {
                        let (student, t) = (&forward.logits, *temperature as f32);
                        let term = B::distillation(student, teacher, self.classes, t, &mut tape)?;
                        terms.push(((weight * alpha) as f32, term));
                    }
                    if *alpha < 1.0 {
                        let term = cross_entropy(&forward.logits, batch, *smoothing, &mut tape)?;
                        terms.push(((weight * (1.0 - alpha)) as f32, term));
                    }
                }
            }
        }
        for (index, strength) in &self.weights {
            let term = B::absolute_sum(&network.parameters()[*index].tensor, *strength as f32, &mut tape)?;
            terms.push((1.0, term));
        }
        for (index, strength) in &self.activations {
            // The mean over the batch of the sum over units.
            let (_, value) = forward.kept.iter().find(|(layer, _)| layer == index).expect("asked to be kept");
            let scale = *strength as f32 / labels.len() as f32;
            terms.push((1.0, B::absolute_sum(value, scale, &mut tape)?));
        }
        device.weighted_sum(&terms, tape)
    }
}

/// With the labels of a batch, or with both labels of images that are mixed.
fn cross_entropy<B: Backend>(
    logits: &Flat<B>,
    batch: &Batch,
    smoothing: f64,
    tape: &mut OwnedTape<f32, B>,
) -> Result<Flat<B>> {
    let smoothing = smoothing as f32;
    match &batch.mix {
        None => B::cross_entropy(logits, &batch.labels, smoothing, tape),
        Some(mix) => B::mixed_cross_entropy(logits, &batch.labels, &mix.labels, &mix.shares, smoothing, tape),
    }
}
