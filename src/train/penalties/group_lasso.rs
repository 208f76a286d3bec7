//! `λ Σ_g √n_g ‖W_g‖₂` over the rows of weights, `n_g` the length of a row: whole output channels become small (Yuan &
//! Lin 2006; Wen et al. 2016).

use crate::error::Result;
use crate::network::Executor;
use crate::network::executor::Parameter;
use crate::tensor::{Backend, Flat, Tape};

pub(super) struct GroupLasso {
    /// Indices of parameters.
    pub(super) weights: Vec<usize>,
    /// λ.
    pub(super) strength: f64,
}

impl GroupLasso {
    pub(super) fn add<B: Backend, T: Tape<f32, B>>(
        &self,
        network: &Executor<B>,
        tape: &mut T,
        terms: &mut Vec<Flat<B>>,
    ) -> Result<()> {
        for index in &self.weights {
            let weight = &network.parameters()[*index];
            terms.push(B::row_norm_sum(&weight.tensor, weight.dims[0], self.row_strength(weight) as f32, tape)?);
        }
        Ok(())
    }

    /// `λ √n_g`, the same for all rows of a weight.
    pub(super) fn row_strength<B: Backend>(&self, weight: &Parameter<B>) -> f64 {
        let length: usize = weight.dims[1..].iter().product();
        self.strength * (length as f64).sqrt()
    }
}
