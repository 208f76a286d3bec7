//! Losses and penalties of one step, summed to the number that is made small.

use super::losses::{Given, Losses};
use super::parameters::Training;
use super::penalties::Penalties;
use crate::error::Result;
use crate::network::{Executor, Forward, Graph, Parameter};
use crate::tensor::{Backend, OwnedTape, Scalar};

/// The terms of a training stage, resolved for one network.
pub struct Objective {
    /// The terms that compare the network with something.
    pub losses: Losses,
    /// The terms that look inside the network.
    pub penalties: Penalties,
}

impl Objective {
    /// Resolves the patterns of `training` in `graph` and that of the teacher.
    ///
    /// # Errors
    /// When a loss names layers that are not there or do not meet.
    pub fn new(training: &Training, graph: &Graph, teacher: Option<&Graph>) -> Result<Self> {
        let losses = Losses::new(&training.losses, graph, teacher)?;
        Ok(Self { losses, penalties: Penalties::new(&training.penalties, graph) })
    }

    /// Layers whose activation is penalised, each once.
    pub fn penalised(&self) -> Vec<usize> {
        let mut layers: Vec<usize> = self.penalties.keep().collect();
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
        let penalties = self.penalties.terms(network, forward, given.targets.images(), &mut tape)?;
        terms.extend(penalties.into_iter().map(|term| (1.0, term)));
        network.device().weighted_sum(&terms, tape)
    }
}
