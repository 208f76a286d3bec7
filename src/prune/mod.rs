//! Making networks smaller.
//!
//! - `method`: what a manifest says about it;
//! - `activity`: what the units of a layer do on real images, for criteria that ask;
//! - `inactive`: which units go, by their activity (KDDP);
//! - `units`: removing units for real, from the layer, what normalises it, and what reads it;
//! - [`weights`]: masking single weights;
//! - `proof`: that the smaller network computes what the masked one computes.

mod activity;
mod criterion;
pub mod groups;
mod inactive;
mod method;
mod proof;
#[cfg(test)]
mod tests;
pub mod units;
pub mod weights;

pub use activity::Activity;
pub use criterion::Criterion;
pub use method::{ChannelScope, Measure, Method, WeightScope};
pub use proof::prove;

use std::collections::BTreeMap;

use crate::data::{Images, Normalization};
use crate::error::Result;
use crate::network::{Executor, Graph, HostTensor, Model};
use crate::tensor::Backend;

/// The images on which a network is watched.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// The set.
    pub images: &'a Images,
    /// Those of its training split.
    pub indices: &'a [u32],
    /// Of the training split.
    pub normalization: &'a Normalization,
}

/// What pruning took away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// Units of one layer.
    Units {
        /// The layer.
        layer: String,
        /// The units that stay, ascending.
        keep: Vec<usize>,
        /// How many there were.
        before: usize,
    },
    /// Single weights; the shapes are what they were.
    Weights,
}

impl Removed {
    /// How many units went; `None` when units are not what was pruned.
    pub fn units(&self) -> Option<u64> {
        match self {
            Removed::Units { keep, before, .. } => Some((before - keep.len()) as u64),
            Removed::Weights => None,
        }
    }

    /// Takes the same rows and columns out of an optimizer's state, whose tensors are called `SLOT/PARAMETER`. `graph` is
    /// the layer graph from before.
    ///
    /// # Errors
    /// When the state does not fit the graph.
    pub fn remove_from_state(&self, graph: &Graph, state: &mut BTreeMap<String, HostTensor>) -> Result<()> {
        let Removed::Units { layer, keep, .. } = self else { return Ok(()) };
        units::remove_from_tensors(graph, layer, keep, state)
    }
}

/// What `method` has to know about the network's behaviour on the training split; `None` when weights are enough.
///
/// Ends early, with what it has, when `stop` says so.
///
/// # Errors
/// When the device fails.
pub fn activity<B: Backend>(
    method: &Method,
    network: &Executor<B>,
    watched: &Watched,
    device: &B,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Activity>> {
    match method {
        Method::Inactive { layer, .. } => activity::observe(network, layer, watched, device, stop).map(Some),
        _ => Ok(None),
    }
}

/// Prunes `model` by `method`.
///
/// # Errors
/// When the method does not fit the network.
pub fn apply(
    method: &Method,
    model: &mut Model,
    activity: Option<&Activity>,
    seed: u64,
    share: f64,
) -> Result<Removed> {
    match method {
        Method::Inactive { layer, measure, threshold, minimum } => {
            let activity = activity.expect("asked for by this method");
            let keep = inactive::keep(activity, *measure, *threshold, *minimum as usize);
            units::remove(model, layer, &keep)?;
            Ok(Removed::Units { layer: layer.clone(), keep, before: activity.maximum.len() })
        }
        Method::Weights { criterion, .. } => {
            let target = weights::Target { share, ..method.target().expect("it masks weights") };
            weights::mask(model, &target, |model| Ok(weights::simple_scores(*criterion, model, seed)))?;
            Ok(Removed::Weights)
        }
        Method::Channels { .. } | Method::Surgery { .. } | Method::Rigl { .. } => {
            Err(crate::error::Error::new(crate::error::Kind::Internal, "being written"))
        }
    }
}
