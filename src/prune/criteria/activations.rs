//! Scores of what channels put out on training images, behind the normalization and the activation that follow the layer
//! ([`crate::network::Graph::activation_of`]).
//!
//! - `apoz`: 1 − the share of zeros among a channel's activations, over images and positions (Hu et al. 2016, "Network
//!   trimming"; there the highest share goes, so it is turned round). It tells channels apart behind ReLU only: other
//!   activations are hardly ever zero;
//! - `mean-activation`: mean |a_j| over images and positions (Molchanov et al. 2017);
//! - `inactive`: max |a_j| over images and positions (Şener & Akbaş 2022): what never fires goes first.
//!
//! Where several layers make the channel, the mean over them, and for `inactive` the maximum.

use std::collections::BTreeMap;

use super::evidence::{BATCH, Evidence, seen};
use super::slices;
use crate::error::Result;
use crate::network::{Executor, Model};
use crate::prune::activity::{Counting, watch};
use crate::prune::groups::{Group, Member};
use crate::prune::{Activity, Criterion, Watched};
use crate::tensor::Backend;

/// Every convolution and linear layer, and the layer that its activation comes out of.
pub(super) fn watched_layers<B: Backend>(network: &Executor<B>) -> (Vec<String>, Vec<usize>) {
    let graph = network.graph();
    let ends = graph.layers.iter().filter_map(|layer| Some((layer.name.clone(), graph.activation_of(&layer.name)?)));
    ends.unzip()
}

/// The activity of every layer, in one pass.
pub(super) fn observe<B: Backend>(
    network: &Executor<B>,
    watched: &Watched,
    device: &B,
    stop: &dyn Fn() -> bool,
) -> Result<BTreeMap<String, Activity>> {
    let (names, ends) = watched_layers(network);
    let mut counting: Vec<Counting> = ends.iter().map(|end| Counting::new(network.shape(*end).channels())).collect();
    watch(network, &ends, watched, BATCH, device, stop, |place, values| counting[place].add(values))?;
    let counted = names.into_iter().zip(counting).map(|(name, counting)| {
        let activity = counting.finish(&name)?;
        Ok((name, activity))
    });
    counted.collect()
}

pub(super) fn channels(criterion: Criterion, model: &Model, group: &Group, evidence: &Evidence) -> Result<Vec<f64>> {
    let activity = |member: &Member| {
        let units = slices::weight(model, member)?.dims[0];
        let name = &model.graph.layers[member.layer].name;
        seen(&evidence.activities, name, units, |activity: &Activity| activity.mean.len())
    };
    if criterion == Criterion::Inactive {
        let mut largest = vec![0.0f64; group.units];
        for member in group.makers(&model.graph) {
            let activity = activity(member)?;
            for (largest, channels) in largest.iter_mut().zip(&member.channels) {
                let maxima = channels.iter().map(|channel| f64::from(activity.maximum[*channel]));
                *largest = maxima.fold(*largest, f64::max);
            }
        }
        return Ok(largest);
    }
    slices::mean_over_makers(model, group, |member| {
        let activity = activity(member)?;
        let value = |channel: &usize| match criterion {
            Criterion::Apoz => 1.0 - activity.zeros[*channel],
            _ => activity.mean[*channel],
        };
        Ok(member.channels.iter().map(|c| c.iter().map(value).sum::<f64>() / c.len() as f64).collect())
    })
}
