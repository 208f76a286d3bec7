//! Making networks smaller.
//!
//! - `method`: what a manifest says about it;
//! - `activity`: what the units of a layer do on real images; `inactive`: which of them go (KDDP);
//! - `coupling`: which channels can only go together; [`groups`]: those with the layers that they are in;
//! - [`criteria`]: the scores by which weights and channels are ranked;
//! - `channels`: which channels go by a criterion; `allocation`: from scores to a choice, by ratio or by `cost`;
//! - [`shrink`]: removing units for real;
//! - [`weights`]: masking single weights;
//! - `ties`: the order of scores, equals shared out over layers;
//! - `widths`: numbers of channels that programs which run networks compute slowly;
//! - `proof`: that the smaller network computes what the masked one computes.

mod activity;
pub mod allocation;
mod channels;
pub mod cost;
pub mod coupling;
pub mod criteria;
mod criterion;
pub mod groups;
mod inactive;
mod method;
mod proof;
pub mod shrink;
#[cfg(test)]
mod tests;
mod ties;
pub mod weights;
mod widths;

pub use activity::Activity;
pub use channels::NO_CHANNELS;
pub use criterion::Criterion;
pub use method::{ChannelScope, Measure, Method, WeightScope};

use std::collections::BTreeMap;

use crate::data::{Images, Normalization};
use crate::error::{Error, Kind, Result};
use crate::network::{Executor, Graph, HostTensor, Model};
use crate::tensor::Backend;
use allocation::Rounding;
use coupling::Coupling;
use shrink::{Keep, Selection};

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

/// Where pruning happens.
pub struct Surroundings<'a, B: Backend> {
    /// Training images, if there are any.
    pub watched: Option<Watched<'a>>,
    /// For criteria that draw.
    pub seed: u64,
    /// The device.
    pub device: &'a B,
    /// Whether to stop.
    pub stop: &'a dyn Fn() -> bool,
}

/// What pruning took away.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Removed {
    /// How many units went; `None` when units are not what was pruned.
    pub units: Option<u64>,
    /// What did not come out as asked.
    pub notes: Vec<String>,
    selection: Option<Selection>,
}

impl Removed {
    /// Takes the same rows and columns out of an optimizer's state, whose tensors are called `SLOT/PARAMETER`.
    ///
    /// # Errors
    /// When the state does not fit the network from before.
    pub fn remove_from_state(&self, state: &mut BTreeMap<String, HostTensor>) -> Result<()> {
        self.selection.as_ref().map_or(Ok(()), |selection| selection.remove_from(state))
    }
}

/// Which units stay of a network.
struct Choice {
    coupling: Coupling,
    keep: Keep,
    notes: Vec<String>,
}

/// Prunes `model` by `method`, and proves that what is left computes what the masked network computes.
///
/// `before` is the graph as it was before any pruning by this method, and `share` in (0, 1] how much of the way from there
/// to go. Ends early when `stop` says so; then nothing is pruned.
///
/// # Errors
/// When the method does not fit the network, and when the device fails.
pub fn prune<B: Backend>(
    method: &Method,
    model: &mut Model,
    before: &Graph,
    share: f64,
    surroundings: &Surroundings<B>,
) -> Result<Removed> {
    let choice = match method {
        Method::Inactive { .. } => inactive::choose(method, model, surroundings)?,
        Method::Channels { .. } => channels::choose(method, model, before, share, surroundings)?,
        Method::Weights { criterion, images, .. } => {
            let target = weights::Target { share, ..method.target().expect("it masks weights") };
            let notes = weights::mask(model, &target, |model| weight_scores(*criterion, *images, model, surroundings))?;
            return Ok(Removed { notes, ..Removed::default() });
        }
        Method::Surgery { .. } | Method::Rigl { .. } => {
            let message = "this method changes masks step by step, and cannot prune at once";
            return Err(Error::new(Kind::Internal, message));
        }
    };
    let Some(Choice { coupling, keep, mut notes }) = choice else { return Ok(Removed::default()) };
    let selection = Selection::new(&model.graph, &coupling, &keep)?;
    let units = keep.iter().flatten().filter(|kept| !**kept).count() as u64;
    if units > 0 {
        let original = model.clone();
        selection.shrink(model)?;
        proof::prove(&original, model, &selection, surroundings.watched.as_ref(), surroundings.device)?;
    }
    if let Method::Channels { round_to, .. } = method {
        notes.extend(widths::sums(&model.graph, Rounding::of(*round_to)));
    }
    notes.extend(widths::slow(&model.graph));
    Ok(Removed { units: Some(units), notes, selection: Some(selection) })
}

/// The scores of weights in the network as it is now; `None` when it was stopped.
fn weight_scores<B: Backend>(
    criterion: Criterion,
    images: Option<u64>,
    model: &Model,
    surroundings: &Surroundings<B>,
) -> Result<Option<weights::Scores>> {
    let Surroundings { watched, seed, device, stop } = surroundings;
    let evidence = if criterion.needs_data() {
        let network = Executor::new(model, *device)?;
        criteria::observe(criterion, model, &network, watched.as_ref(), images, *seed, *device, *stop)?
    } else {
        criteria::Evidence::default()
    };
    if stop() {
        return Ok(None);
    }
    criteria::weight_scores(criterion, model, &evidence, *seed).map(Some)
}
