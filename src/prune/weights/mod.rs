//! Masking single weights. Norms and biases are never masked, and a weight that was masked stays so.
//!
//! - this file: from scores to masks, at once or in rounds;
//! - `allocation`: how many weights each layer loses, and which of them are ranked together;
//! - `starved`: layers that are left with next to nothing.

mod allocation;
mod starved;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use allocation::emptied;
use allocation::{Pool, pools};

use super::WeightScope;
use super::criteria::lamp;
use super::ties::{self, Scored};
use crate::error::{Error, Kind, Result};
use crate::network::Model;

/// A score for each weight of each tensor of [`Role::Weight`](crate::network::Role::Weight); the lowest go.
pub type Scores = BTreeMap<String, Vec<f64>>;

/// How many weights go, and where.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target<'a> {
    /// The share of the weights that are zero afterwards, of those in layers that `ignore` and `layers` leave.
    pub sparsity: f64,
    /// How the zeros are shared out over these layers.
    pub scope: WeightScope,
    /// Layers that keep all their weights, as patterns.
    pub ignore: &'a [String],
    /// Sparsities of their own for layers that match a pattern; the smallest of those that match.
    pub layers: &'a BTreeMap<String, f64>,
    /// The share of every layer's weights that stays at least.
    pub minimum: f64,
    /// In so many rounds, the density falling by the same factor in each (Tanaka 2020).
    pub steps: u64,
    /// How much of the way is gone, in (0, 1]: every sparsity is multiplied by this. Gradual pruning raises it.
    pub share: f64,
}

/// Sets weights to zero and masks them until `target` is reached. `scores` is asked in every round about the network as it
/// is then, and ends it all with `None`. Equal scores are shared out over layers, and within a layer the earlier weight
/// goes first. In every layer the best weights that are not masked yet stay, as many as `minimum` says and at least one.
/// Returns what did not come out as asked.
///
/// # Errors
/// What `scores` returns, and `Kind::Internal` when a score is missing or not a number.
pub fn mask(
    model: &mut Model,
    target: &Target,
    mut scores: impl FnMut(&Model) -> Result<Option<Scores>>,
) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for step in 1..=target.steps {
        let sparsity = |whole: f64| {
            let whole = whole * target.share;
            // Not by the power in the last step, which may be one bit off.
            if step == target.steps {
                whole
            } else {
                1.0 - crate::math::powf(1.0 - whole, step as f64 / target.steps as f64)
            }
        };
        let Some(scores) = scores(model)? else { return Ok(Vec::new()) };
        let pools = pools(&model.graph, target, &sparsity);
        let mut short = 0;
        for pool in &pools {
            short += mask_lowest(model, pool, &scores, target)?;
        }
        // Only what holds at the end is worth telling.
        notes.clear();
        if short > 0 {
            notes.push(format!("{short} weights that were to go are the least that their layers keep"));
        }
        notes.extend(starved::note(model, &pools));
    }
    Ok(notes)
}

/// Masks the lowest weights of tensors that are ranked together. How many it was short of.
fn mask_lowest(model: &mut Model, pool: &Pool, scores: &Scores, target: &Target) -> Result<usize> {
    let mut ranked: Vec<Scored> = Vec::new();
    for (number, name) in pool.tensors.iter().enumerate() {
        let data = &model.tensors[name].data;
        let given = scores.get(name).filter(|scores| scores.len() == data.len());
        let given = given.ok_or_else(|| Error::new(Kind::Internal, format!("`{name}` has no scores that fit")))?;
        if let Some(index) = given.iter().position(|score| score.is_nan()) {
            return Err(Error::new(Kind::Internal, format!("the score of weight {index} of `{name}` is not a number")));
        }
        let mask = model.masks.get(name);
        let kept = |index: usize| mask.is_none_or(|mask| mask[index]);
        let by_lamp = target.scope == WeightScope::Lamp && !pool.apart;
        let squares = || given.iter().map(|score| score * score).collect::<Vec<f64>>();
        let scores = if by_lamp { lamp::scores(&squares(), kept) } else { given.clone() };
        // What was masked before goes first.
        let scored = scores.into_iter().enumerate();
        let mut own: Vec<_> =
            scored.map(|(index, score)| (if kept(index) { score } else { f64::NEG_INFINITY }, number, index)).collect();
        ties::sort(&mut own);
        // The best weights of a layer are not among those that may go. A little less, so that 0.7 of 10 is 7 in floating
        // point too.
        let least = ((target.minimum * own.len() as f64 - 1e-9).ceil() as usize).max(1);
        let masked = own.iter().filter(|(score, ..)| *score == f64::NEG_INFINITY).count();
        own.truncate(masked.max(own.len().saturating_sub(least)));
        ranked.extend(own);
    }
    ties::sort(&mut ranked);
    // What was masked before stays so, even where that is more than is asked for now.
    let masked = ranked.iter().filter(|(score, ..)| *score == f64::NEG_INFINITY).count();
    let gone = pool.gone.max(masked).min(ranked.len());
    for name in &pool.tensors {
        let length = model.tensors[name].data.len();
        model.masks.entry(name.clone()).or_insert_with(|| vec![true; length]);
    }
    for (_, tensor, index) in &ranked[..gone] {
        let name = &pool.tensors[*tensor];
        model.masks.get_mut(name).expect("just made")[*index] = false;
        model.tensors.get_mut(name).expect("a parameter of the graph").data[*index] = 0.0;
    }
    Ok(pool.gone.saturating_sub(gone))
}
