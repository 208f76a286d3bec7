//! Group lasso and L1 together: `λ Σ_g √n_g ‖W_g‖₂ + λ₁ Σ |w|` (Simon et al. 2013).
//!
//! A gradient never makes a whole row zero, a proximal step does: with `proximal`, the first term is left out of the
//! gradient, and after each step of the optimizer `W_g ← W_g · max(0, 1 − t λ √n_g / ‖W_g‖₂)` with its learning rate `t`.
//! That is the proximal operator of `t` times the term. The reported objective has the term either way.

use super::group_lasso::GroupLasso;
use super::l1::L1;
use crate::error::Result;
use crate::network::Executor;
use crate::tensor::{Backend, Flat, NoneTape, OwnedTape};

pub(super) struct SparseGroupLasso {
    pub(super) groups: GroupLasso,
    pub(super) singles: L1,
    pub(super) proximal: bool,
}

impl SparseGroupLasso {
    pub(super) fn add<B: Backend>(
        &self,
        network: &Executor<B>,
        tape: &mut OwnedTape<f32, B>,
        terms: &mut Vec<Flat<B>>,
    ) -> Result<()> {
        if self.proximal {
            self.groups.add(network, &mut NoneTape, terms)?;
        } else {
            self.groups.add(network, tape, terms)?;
        }
        self.singles.add(network, tape, terms)
    }

    pub(super) fn shrink<B: Backend>(&self, network: &mut Executor<B>, rate: f64) -> Result<()> {
        if !self.proximal {
            return Ok(());
        }
        for index in &self.groups.weights {
            let weight = &mut network.parameters_mut()[*index];
            let threshold = rate * self.groups.row_strength(weight);
            B::shrink_rows(&mut weight.tensor, weight.dims[0], threshold as f32)?;
        }
        Ok(())
    }
}
