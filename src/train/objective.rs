//! Losses and penalties of one step, summed to the number that is made small.

use super::parameters::{Loss, Training};
use super::penalties::Penalties;
use crate::error::Result;
use crate::network::{Executor, Forward, Graph};
use crate::tensor::{Backend, Flat, OwnedTape, Scalar};

/// The terms of a training stage, resolved for one network.
pub struct Objective {
    losses: Vec<Loss>,
    /// The terms that look inside the network.
    pub penalties: Penalties,
    classes: usize,
}

impl Objective {
    /// Resolves the patterns of `training` in `graph`.
    pub fn new(training: &Training, graph: &Graph) -> Self {
        let penalties = Penalties::new(&training.penalties, graph);
        Self { losses: training.losses.clone(), penalties, classes: graph.classes() }
    }

    /// Layers whose values the forward pass must keep, each once.
    pub fn keep(&self) -> Vec<usize> {
        let mut keep: Vec<usize> = self.penalties.keep().collect();
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
        labels: &[u32],
        teacher: Option<&Flat<B>>,
        device: &B,
        mut tape: OwnedTape<f32, B>,
    ) -> Result<Scalar<B, OwnedTape<f32, B>>> {
        let mut terms: Vec<(f32, Flat<B>)> = Vec::new();
        for loss in &self.losses {
            match loss {
                Loss::CrossEntropy { smoothing, weight } => {
                    let term = B::cross_entropy(&forward.logits, labels, *smoothing as f32, &mut tape)?;
                    terms.push((*weight as f32, term));
                }
                Loss::Kd { temperature, alpha, smoothing, weight } => {
                    if let (Some(teacher), true) = (teacher, *alpha > 0.0) {
                        let (student, t) = (&forward.logits, *temperature as f32);
                        let term = B::distillation(student, teacher, self.classes, t, &mut tape)?;
                        terms.push(((weight * alpha) as f32, term));
                    }
                    if *alpha < 1.0 {
                        let term = B::cross_entropy(&forward.logits, labels, *smoothing as f32, &mut tape)?;
                        terms.push(((weight * (1.0 - alpha)) as f32, term));
                    }
                }
            }
        }
        let penalties = self.penalties.terms(network, forward, labels.len(), &mut tape)?;
        terms.extend(penalties.into_iter().map(|term| (1.0, term)));
        device.weighted_sum(&terms, tape)
    }
}
