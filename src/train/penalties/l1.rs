//! `λ Σ |w|`: single weights become small.

use crate::error::Result;
use crate::network::Executor;
use crate::tensor::{Backend, Flat, OwnedTape};

pub(super) struct L1 {
    /// Indices of parameters.
    pub(super) weights: Vec<usize>,
    /// λ.
    pub(super) strength: f64,
}

impl L1 {
    pub(super) fn add<B: Backend>(
        &self,
        network: &Executor<B>,
        tape: &mut OwnedTape<f32, B>,
        terms: &mut Vec<Flat<B>>,
    ) -> Result<()> {
        for index in &self.weights {
            terms.push(B::absolute_sum(&network.parameters()[*index].tensor, self.strength as f32, tape)?);
        }
        Ok(())
    }
}
