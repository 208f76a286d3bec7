//! Norms of a channel's weights.

use super::slices;
use crate::error::Result;
use crate::network::Model;
use crate::prune::groups::{Group, Side};

/// Σ |W_j| over the channel's rows (Li et al. 2017, "Pruning filters for efficient ConvNets"), mean over the layers that
/// make it.
pub(super) fn l1(model: &Model, group: &Group) -> Result<Vec<f64>> {
    slices::mean_over_makers(model, group, |member| slices::row_sums(model, member, f64::abs))
}

/// √Σ W_j² over the channel's rows (He et al. 2018, "Soft filter pruning"), mean over the layers that make it.
pub(super) fn l2(model: &Model, group: &Group) -> Result<Vec<f64>> {
    slices::mean_over_makers(model, group, |member| {
        Ok(slices::row_sums(model, member, |w| w * w)?.into_iter().map(f64::sqrt).collect())
    })
}

/// Σ |W|^p with p = 2 over every slice that goes when the channel goes: rows of the layers that make it, scales of
/// normalizations, columns of the layers that read it. The mean over these layers, divided by the group's mean (Fang et
/// al. 2023, "DepGraph: towards any structural pruning").
pub(super) fn group_norm(model: &Model, group: &Group) -> Result<Vec<f64>> {
    let scores = slices::mean_over(group.units, group.members.iter(), |member| match member.side {
        Side::Outputs => slices::row_sums(model, member, |w| w * w),
        Side::Inputs => {
            let weight = slices::weight(model, member)?;
            let sum = |channels: &Vec<usize>| slices::columns(weight, channels).map(|w| f64::from(*w).powi(2)).sum();
            Ok(member.channels.iter().map(sum).collect())
        }
    })?;
    Ok(slices::over_mean(scores))
}
