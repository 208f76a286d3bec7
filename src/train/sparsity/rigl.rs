//! The rigged lottery (Evci 2020): a network that is sparse from the first step, and whose masks move to where the gradient
//! is large. In a step in which masks move, no weight does.

use std::f64::consts::PI;

use rand::RngExt;

use crate::error::{Error, Kind, Result};
use crate::math;
use crate::network::{Executor, Model, Role, pattern};
use crate::prune::weights::{self, Target};
use crate::random;
use crate::tensor::{Backend, Gradients};
use crate::train::optimizer::State;

/// Masks that move.
pub struct Rigl {
    every_steps: u64,
    alpha: f64,
    /// Masks move in steps before this one.
    end: u64,
    ignore: Vec<String>,
}

/// Masks weights drawn by `seed`, until the sparsity is that of `target`. Masks that there are count. What a layer keeps now
/// it keeps to the end, as masks only move within layers. Returns what did not come out as asked.
pub(super) fn mask(target: Option<Target>, model: &mut Model, seed: u64) -> Result<Vec<String>> {
    let target = target.ok_or_else(|| Error::new(Kind::Internal, "RigL without a sparsity"))?;
    weights::mask(model, &target, |model| {
        let draw = |(name, tensor): (&String, &crate::network::HostTensor)| {
            let mut generator = random::generator(seed, &format!("rigl {name}"), 0, 0);
            (name.clone(), tensor.data.iter().map(|_| generator.random::<f64>()).collect())
        };
        Ok(Some(model.tensors.iter().map(draw).collect()))
    })
}

impl Rigl {
    /// For a training run of so many `steps` in all.
    pub(super) fn new(every_steps: u64, alpha: f64, until: f64, steps: u64, ignore: &[String]) -> Self {
        Self { every_steps, alpha, end: (until * steps as f64) as u64, ignore: ignore.to_vec() }
    }

    /// The share of a layer's weights that moves in this step (from 0), (α/2)(1 + cos(πt/T)); `None` when none do.
    pub(super) fn share(&self, step: u64) -> Option<f64> {
        let moves = step > 0 && step < self.end && step.is_multiple_of(self.every_steps);
        moves.then(|| self.alpha / 2.0 * (1.0 + math::cos(PI * step as f64 / self.end as f64)))
    }

    /// Moves the masks of all layers by the gradients of this step, which are not masked yet.
    pub(super) fn move_masks<B: Backend>(
        &self,
        share: f64,
        network: &mut Executor<B>,
        gradients: &Gradients<f32, B>,
        optimizer: &mut State<B>,
    ) -> Result<()> {
        for (index, parameter) in network.parameters_mut().iter_mut().enumerate() {
            let layer = parameter.name.rsplit_once('.').map_or("", |(layer, _)| layer);
            let Some(on_device) = parameter.mask.as_mut().filter(|_| parameter.role == Role::Weight) else { continue };
            if self.ignore.iter().any(|ignored| pattern::matches(ignored, layer)) {
                continue;
            }
            let mut mask: Vec<bool> = B::download(on_device).iter().map(|kept| *kept != 0.0).collect();
            let gradient = B::gradient(gradients, &parameter.tensor);
            let grown = regrow(&B::download(&parameter.tensor), &gradient, &mut mask, share);
            B::overwrite(on_device, &mask.iter().map(|kept| f32::from(u8::from(*kept))).collect::<Vec<_>>())?;
            let mut stays = vec![1.0; mask.len()];
            grown.into_iter().for_each(|weight| stays[weight] = 0.0);
            optimizer.forget(index, &stays)?;
        }
        Ok(())
    }
}

/// Drops the share of kept weights that are smallest, then takes as many of those that are not kept, with the largest
/// gradients, and returns those that are new. One that was just dropped may be taken again, and is then as before. Ties
/// go to the earlier weight.
pub(super) fn regrow(weights: &[f32], gradient: &[f32], mask: &mut [bool], share: f64) -> Vec<usize> {
    let before = mask.to_vec();
    let mut kept: Vec<usize> = (0..mask.len()).filter(|index| mask[*index]).collect();
    let count = (share * kept.len() as f64) as usize;
    kept.sort_by(|a, b| weights[*a].abs().total_cmp(&weights[*b].abs()).then(a.cmp(b)));
    kept[..count].iter().for_each(|index| mask[*index] = false);
    let mut others: Vec<usize> = (0..mask.len()).filter(|index| !mask[*index]).collect();
    others.sort_by(|a, b| gradient[*b].abs().total_cmp(&gradient[*a].abs()).then(a.cmp(b)));
    others[..count].iter().for_each(|index| mask[*index] = true);
    let mut grown: Vec<usize> = others[..count].iter().copied().filter(|index| !before[*index]).collect();
    grown.sort_unstable();
    grown
}
