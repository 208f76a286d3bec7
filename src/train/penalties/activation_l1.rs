//! `λ mean_b Σ_j |a_j(x_b)|` over the activations of layers: whole units fall silent (KDDP, Şener & Akbaş 2022).

use crate::error::Result;
use crate::network::Forward;
use crate::tensor::{Backend, Flat, OwnedTape};

pub(super) struct ActivationL1 {
    /// Indices of layers.
    pub(super) layers: Vec<usize>,
    /// λ.
    pub(super) strength: f64,
}

impl ActivationL1 {
    pub(super) fn add<B: Backend>(
        &self,
        forward: &Forward<B>,
        batch: usize,
        tape: &mut OwnedTape<f32, B>,
        terms: &mut Vec<Flat<B>>,
    ) -> Result<()> {
        for index in &self.layers {
            // The mean over the batch of the sum over units.
            let (_, value) = forward.kept.iter().find(|(layer, _)| layer == index).expect("asked to be kept");
            terms.push(B::absolute_sum(value, self.strength as f32 / batch as f32, tape)?);
        }
        Ok(())
    }
}
