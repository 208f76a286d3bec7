//! Scales of normalizations: |γ_j|, mean over the normalizations of the channel (Liu et al. 2017, "Learning efficient
//! convolutional networks through network slimming"). All channels of the network are on one scale.
//!
//! A channel that nothing normalizes, in a network that has normalizations elsewhere (the hidden layers of VGG's
//! classifier, the gates of EfficientNet), counts as if γ were 1. Channel pruning by this criterion leaves it alone.

use super::slices;
use crate::error::{Error, Kind, Result};
use crate::network::Model;
use crate::prune::groups::Group;

pub(super) fn channels(model: &Model, groups: &[Group]) -> Result<Vec<Vec<f64>>> {
    if !groups.is_empty() && !groups.iter().any(|group| group.is_normalized(&model.graph)) {
        let message = "criterion `bn-scale` looks at the scales of normalizations, and no channel that can go has one";
        return Err(Error::new(Kind::Stage, message).hint("choose `l1`, or another criterion that looks at weights"));
    }
    let score = |group: &Group| {
        if !group.is_normalized(&model.graph) {
            return Ok(vec![1.0; group.units]);
        }
        slices::mean_over(group.units, slices::normalizations(&model.graph, group), |member| {
            let sums = slices::row_sums(model, member, f64::abs)?;
            Ok(sums.into_iter().zip(&member.channels).map(|(sum, channels)| sum / channels.len() as f64).collect())
        })
    };
    groups.iter().map(score).collect()
}
