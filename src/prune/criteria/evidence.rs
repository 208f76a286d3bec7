//! What a criterion has to see on training images.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;

use super::{activations, rank, sensitivity};
use crate::error::{Error, Kind, Result};
use crate::network::{Executor, Model};
use crate::prune::{Activity, Criterion, Watched};
use crate::random::generator;
use crate::tensor::Backend;

/// Images of one pass in which many layers are kept, or that is recorded for gradients. Small, because all of their values
/// are in memory at once; a constant, so that scores depend on nobody's batch size.
pub(in crate::prune) const BATCH: usize = 25;

/// How many images are looked at when nothing says how many, by criteria that are slow.
const FEW: u64 = 500;

/// What was seen on training images. The default is nothing, which is enough for a criterion without
/// [`Criterion::needs_data`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// Of the activation behind a convolution or linear layer, by the layer's name.
    pub(super) activities: BTreeMap<String, Activity>,
    /// The mean rank of every channel's map, likewise.
    pub(super) ranks: BTreeMap<String, Vec<f64>>,
    /// The mean gradient of the loss, or the mean of its square, by the parameter's name.
    pub(super) gradients: BTreeMap<String, Vec<f64>>,
}

impl Criterion {
    /// How many of the training images are looked at when the manifest does not say: all (None), or 500 for `obd`, which
    /// needs the gradient of every image by itself, and `hrank`, whose scores hardly change with more (Lin 2020).
    pub fn default_images(self) -> Option<u64> {
        matches!(self, Criterion::Obd | Criterion::Hrank).then_some(FEW)
    }

    /// Whether its scores depend on a seed when it looks at `images` training images: those are drawn, unless it looks at
    /// all. That there are no more than `images` is not known before they are read.
    pub fn draws(self, images: Option<u64>) -> bool {
        self == Criterion::Random || (self.needs_data() && images.or(self.default_images()).is_some())
    }
}

/// Gathers what `criterion` needs, nothing if it needs no data. `network` is `model` on `device`. It looks at `images` of
/// the watched images, chosen at random by `seed` ([`Criterion::default_images`] when absent; all when there are no more).
/// Ends early, with what it has, when `stop` says so.
///
/// # Errors
/// [`Kind::Stage`] when there is no image to look at; [`Kind::Internal`] when `network` is not `model`; otherwise when the
/// device fails.
#[expect(clippy::too_many_arguments, reason = "each is a different thing")]
pub fn observe<B: Backend>(
    criterion: Criterion,
    model: &Model,
    network: &Executor<B>,
    watched: Option<&Watched>,
    images: Option<u64>,
    seed: u64,
    device: &B,
    stop: &dyn Fn() -> bool,
) -> Result<Evidence> {
    if !criterion.needs_data() {
        return Ok(Evidence::default());
    }
    if network.graph() != &model.graph {
        return Err(Error::new(Kind::Internal, "the network that is looked at is not the model"));
    }
    let nothing = || {
        let message = format!("criterion `{}` looks at training images, and there are none", criterion.name());
        Error::new(Kind::Stage, message)
            .hint("give the stage data, or choose a criterion that needs none, such as `l1`")
    };
    let watched = watched.ok_or_else(nothing)?;
    let indices = chosen(watched.indices, images.or(criterion.default_images()), seed);
    if indices.is_empty() {
        return Err(nothing());
    }
    let watched = Watched { indices: &indices, ..*watched };
    let mut evidence = Evidence::default();
    match criterion {
        Criterion::Hrank => evidence.ranks = rank::observe(network, &watched, device, stop)?,
        Criterion::Taylor | Criterion::Snip => {
            evidence.gradients = sensitivity::mean_gradients(network, &watched, device, stop)?;
        }
        Criterion::Obd => evidence.gradients = sensitivity::mean_squares(network, &watched, device, stop)?,
        _ => evidence.activities = activations::observe(network, &watched, device, stop)?,
    }
    Ok(evidence)
}

/// At most `images` of `indices`, ascending. Drawn, not the first ones: a set may be sorted by class.
fn chosen(indices: &[u32], images: Option<u64>, seed: u64) -> Vec<u32> {
    let mut chosen = indices.to_vec();
    if let Some(images) = images.filter(|images| *images < indices.len() as u64) {
        chosen.shuffle(&mut generator(seed, "images that a criterion looks at", 0, 0));
        chosen.truncate(images as usize);
        chosen.sort_unstable();
    }
    chosen
}

/// What was seen of `name`, with `units` values.
pub(super) fn seen<'a, T>(
    seen: &'a BTreeMap<String, T>,
    name: &str,
    units: usize,
    length: impl Fn(&T) -> usize,
) -> Result<&'a T> {
    seen.get(name).filter(|found| length(found) == units).ok_or_else(|| {
        Error::new(Kind::Internal, format!("`{name}` was not looked at, or had not {units} values when it was"))
    })
}
