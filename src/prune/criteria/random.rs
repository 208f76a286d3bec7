//! Uniform random numbers in [0, 1): the control that every other criterion has to beat. They depend on the stage's seed
//! and on the tensor's or layer's name, so that a pruning that is repeated comes out the same.

use rand::RngExt;

use super::slices;
use crate::network::Graph;
use crate::prune::groups::Group;
use crate::random::generator;

/// One number for each weight of a tensor.
pub(super) fn weights(name: &str, count: usize, seed: u64) -> Vec<f64> {
    let mut generator = generator(seed, &format!("prune {name}"), 0, 0);
    (0..count).map(|_| f64::from(generator.random::<f32>())).collect()
}

/// One number for each unit, by the group's first layer and the first channel in it: a layer can be in several groups.
pub(super) fn channels(graph: &Graph, group: &Group, seed: u64) -> Vec<f64> {
    let first = group.members.first().and_then(|member| member.channels.first()?.first()).copied().unwrap_or(0);
    let mut generator = generator(seed, &format!("prune channels of {}", slices::name(graph, group)), 0, first as u64);
    (0..group.units).map(|_| f64::from(generator.random::<f32>())).collect()
}
