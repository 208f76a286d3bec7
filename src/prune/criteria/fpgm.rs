//! Filters that the others can stand in for: those near the geometric median (He et al. 2019, "Filter pruning via
//! geometric median"). The score is Σ_k ‖W_j − W_k‖₂, the distances themselves and not their squares: squares would find
//! the filters near the mean. Mean over the layers that make the channel.

use rayon::prelude::*;

use super::slices;
use crate::error::Result;
use crate::network::Model;
use crate::prune::groups::Group;

/// Sums that run beside each other; a constant, so that the order of additions is.
const LANES: usize = 8;

pub(super) fn channels(model: &Model, group: &Group) -> Result<Vec<f64>> {
    slices::mean_over_makers(model, group, |member| {
        let weight = slices::weight(model, member)?;
        let of_unit = |channels: &Vec<usize>| slices::rows(&weight.data, weight.dims[0], channels).copied().collect();
        let filters: Vec<Vec<f32>> = member.channels.iter().map(of_unit).collect();
        // Every pair is measured twice, which costs less than keeping the distances of thousands of filters.
        let sum = |filter: &Vec<f32>| filters.iter().map(|other| distance(filter, other)).sum::<f64>();
        Ok(filters.par_iter().map(sum).collect())
    })
}

/// ‖a − b‖₂; the shorter one counts as filled up with zeros.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let (a, b) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let (common, rest) = b.split_at(a.len());
    let mut sums = [0.0f64; LANES];
    for (a, b) in a.chunks(LANES).zip(common.chunks(LANES)) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            let difference = f64::from(*a) - f64::from(*b);
            *sum += difference * difference;
        }
    }
    let rest: f64 = rest.iter().map(|b| f64::from(*b).powi(2)).sum();
    (sums.iter().sum::<f64>() + rest).sqrt()
}
