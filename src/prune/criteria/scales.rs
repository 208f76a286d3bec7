//! Scales of normalizations: |γ_j|, mean over the normalizations of the channel (Liu et al. 2017, "Learning efficient
//! convolutional networks through network slimming"). All channels of the network are on one scale.
//!
//! A channel that nothing normalizes, in a network that has normalizations elsewhere (the hidden layers of VGG's
//! classifier, the gates of EfficientNet), is taken as if its normalization had been folded into its weights with γ near 1:
//! its score is its L1 norm over its group's mean.

use super::{norms, slices};
use crate::error::{Error, Kind, Result};
use crate::network::Model;
use crate::prune::groups::Group;

pub(super) fn channels(model: &Model, groups: &[Group]) -> Result<Vec<Vec<f64>>> {
    let normalized = |group: &Group| slices::normalizations(&model.graph, group).next().is_some();
    if !groups.is_empty() && !groups.iter().any(normalized) {
        let message = "criterion `bn-scale` looks at the scales of normalizations, and no channel that can go has one";
        return Err(Error::new(Kind::Stage, message).hint("choose `l1`, or another criterion that looks at weights"));
    }
    let score = |group: &Group| {
        if !normalized(group) {
            return Ok(slices::over_mean(norms::l1(model, group)?));
        }
        slices::mean_over(group.units, slices::normalizations(&model.graph, group), |member| {
            let sums = slices::row_sums(model, member, f64::abs)?;
            Ok(sums.into_iter().zip(&member.channels).map(|(sum, channels)| sum / channels.len() as f64).collect())
        })
    };
    groups.iter().map(score).collect()
}
