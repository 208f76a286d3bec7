//! Layer-adaptive magnitudes (Lee et al. 2021, "Layer-adaptive sparsity for the magnitude-based pruning"):
//! `score(i) = w_i² / Σ_{k: w_k² ≥ w_i²} w_k²`, the sum over the same tensor. The largest weight of every tensor scores 1
//! (unless others are as large), so one threshold for all never empties a layer. For channels the same with ‖W_j‖², the
//! squares of the channel's rows, in the place of w², over the channels of one layer; mean over the layers that make them.

use super::slices;
use crate::error::Result;
use crate::network::Model;
use crate::prune::groups::Group;

/// Of squares of one tensor.
pub(super) fn scores(squares: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..squares.len()).collect();
    order.sort_by(|a, b| squares[*b].total_cmp(&squares[*a]));
    let mut scores = vec![0.0; squares.len()];
    let mut sum = 0.0;
    for equals in order.chunk_by(|a, b| squares[*a] == squares[*b]) {
        equals.iter().for_each(|index| sum += squares[*index]);
        if sum > 0.0 {
            equals.iter().for_each(|index| scores[*index] = squares[*index] / sum);
        }
    }
    scores
}

pub(super) fn channels(model: &Model, group: &Group) -> Result<Vec<f64>> {
    slices::mean_over_makers(model, group, |member| Ok(scores(&slices::row_sums(model, member, |w| w * w)?)))
}
