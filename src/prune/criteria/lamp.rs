//! Layer-adaptive magnitudes (Lee et al. 2021, "Layer-adaptive sparsity for the magnitude-based pruning"):
//! `score(i) = w_i² / Σ_{k ≥ i} w_k²`, the sum over the same tensor in ascending order. The largest weight of every tensor
//! scores 1, so one threshold for all never empties a layer. For channels the same with ‖W_j‖², the
//! squares of the channel's rows, in the place of w², over the channels of one layer; mean over the layers that make them.

use super::slices;
use crate::error::Result;
use crate::network::Model;
use crate::prune::groups::Group;

/// Of squares of one tensor. Those that are not `kept` get 0 and have no part in the sums; so does a tensor of zeros.
///
/// Of equal weights each counts those behind it, as in the authors' code: their scores are w²/(n w²) to w²/w². With one
/// score for all, 1/n, the larger of two layers of equal weights would lose everything.
pub fn scores(squares: &[f64], kept: impl Fn(usize) -> bool) -> Vec<f64> {
    let mut order: Vec<usize> = (0..squares.len()).filter(|index| kept(*index)).collect();
    order.sort_by(|a, b| squares[*b].total_cmp(&squares[*a]).then(b.cmp(a)));
    let mut scores = vec![0.0; squares.len()];
    let mut sum = 0.0;
    for index in order {
        sum += squares[index];
        scores[index] = if sum > 0.0 { squares[index] / sum } else { 0.0 };
    }
    scores
}

pub(super) fn channels(model: &Model, group: &Group) -> Result<Vec<f64>> {
    slices::mean_over_makers(model, group, |member| Ok(scores(&slices::row_sums(model, member, |w| w * w)?, |_| true)))
}
