//! Losses and penalties of one step, summed to the number that is made small.

use super::losses::{Given, Losses};
use super::parameters::{Penalty, Training};
use crate::error::Result;
use crate::network::{Executor, Forward, Graph, Parameter, pattern};
use crate::tensor::{Backend, OwnedTape, Scalar};

/// The terms of a training stage, resolved for one network.
pub struct Objective {
    /// The terms that compare the network with something.
    pub losses: Losses,
    /// Indices of parameters, with λ.
    weights: Vec<(usize, f64)>,
    /// Indices of layers whose activation is penalised, with λ.
    activations: Vec<(usize, f64)>,
}

impl Objective {
    /// Resolves the patterns of `training` in `graph` and that of the teacher. `parameters` are the executor's names, in its
    /// order.
    ///
    /// # Errors
    /// When a loss names layers that are not there or do not meet.
    pub fn new(training: &Training, graph: &Graph, teacher: Option<&Graph>, parameters: &[&str]) -> Result<Self> {
        let losses = Losses::new(&training.losses, graph, teacher)?;
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
        Ok(Self { losses, weights, activations })
    }

    /// Layers whose activation is penalised, each once.
    pub fn penalised(&self) -> Vec<usize> {
        let mut layers: Vec<usize> = self.activations.iter().map(|(index, _)| *index).collect();
        layers.sort_unstable();
        layers.dedup();
        layers
    }

    /// Layers whose values the forward pass must keep, each once.
    pub fn keep(&self) -> Vec<usize> {
        let mut keep = self.penalised();
        keep.extend(self.losses.student_layers());
        keep.sort_unstable();
        keep.dedup();
        keep
    }

    /// The weighted sum of all terms, ready to be run backwards. `connectors` are those of [`Losses::connectors`].
    ///
    /// # Errors
    /// When the device fails.
    pub fn sum<B: Backend>(
        &self,
        network: &Executor<B>,
        forward: &Forward<B>,
        given: &Given<B>,
        connectors: &[Parameter<B>],
        mut tape: OwnedTape<f32, B>,
    ) -> Result<Scalar<B, OwnedTape<f32, B>>> {
        let mut terms = self.losses.terms(forward, given, connectors, &mut tape)?;
        for (index, strength) in &self.weights {
            let term = B::absolute_sum(&network.parameters()[*index].tensor, *strength as f32, &mut tape)?;
            terms.push((1.0, term));
        }
        for (index, strength) in &self.activations {
            // The mean over the batch of the sum over units.
            let (_, value) = forward.kept.iter().find(|(layer, _)| layer == index).expect("asked to be kept");
            let scale = *strength as f32 / given.targets.len() as f32;
            terms.push((1.0, B::absolute_sum(value, scale, &mut tape)?));
        }
        network.device().weighted_sum(&terms, tape)
    }
}
