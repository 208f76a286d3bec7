//! `λ Σ |γ|` over the scales of normalizations: channels that do not matter lose theirs (network slimming, Liu et al.
//! 2017).

use crate::error::Result;
use crate::network::Executor;
use crate::tensor::{Backend, Flat, OwnedTape};

pub(super) struct BnL1 {
    /// Indices of parameters.
    pub(super) scales: Vec<usize>,
    /// λ.
    pub(super) strength: f64,
}

impl BnL1 {
    pub(super) fn add<B: Backend>(
        &self,
        network: &Executor<B>,
        tape: &mut OwnedTape<f32, B>,
        terms: &mut Vec<Flat<B>>,
    ) -> Result<()> {
        for index in &self.scales {
            terms.push(B::absolute_sum(&network.parameters()[*index].tensor, self.strength as f32, tape)?);
        }
        Ok(())
    }
}
