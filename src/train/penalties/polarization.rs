//! `λ (t Σ |γ| − Σ |γ − mean γ|)` over the scales of normalizations, the mean over all of them: some are drawn to zero
//! and the others held up (Zhuang et al. 2020).

use crate::error::Result;
use crate::network::Executor;
use crate::tensor::{Backend, Flat, OwnedTape};

pub(super) struct Polarization {
    /// Indices of parameters.
    pub(super) scales: Vec<usize>,
    /// λ.
    pub(super) strength: f64,
    /// t.
    pub(super) l1_factor: f64,
}

impl Polarization {
    pub(super) fn add<B: Backend>(
        &self,
        network: &Executor<B>,
        tape: &mut OwnedTape<f32, B>,
        terms: &mut Vec<Flat<B>>,
    ) -> Result<()> {
        let scales: Vec<&Flat<B>> = self.scales.iter().map(|index| &network.parameters()[*index].tensor).collect();
        terms.push(B::polarization(&scales, self.strength as f32, self.l1_factor as f32, tape)?);
        Ok(())
    }
}
