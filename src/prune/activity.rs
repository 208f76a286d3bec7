//! What the units of layers do on real images.

use std::collections::{BTreeMap, BTreeSet};

use super::Watched;
use super::criteria::evidence::BATCH;
use crate::data;
use crate::error::{Error, Kind, Result};
use crate::network::{Executor, Mode};
use crate::tensor::{Backend, NoneTape};

/// One number a unit. The activation is what comes out of the normalisation and ReLU that directly follow the layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// max_x |a_j(x)|; for a channel also over positions.
    pub maximum: Vec<f32>,
    /// mean_x |a_j(x)|.
    pub mean: Vec<f64>,
    /// The share of activations that are zero (APoZ, Hu 2016).
    pub zeros: Vec<f64>,
}

/// Watches `layer` in evaluation mode. Ends early, with what it has, when `stop` says so.
///
/// # Errors
/// When there is no such layer, and when the device fails.
pub fn observe<B: Backend>(
    network: &Executor<B>,
    layer: &str,
    watched: &Watched,
    device: &B,
    stop: &dyn Fn() -> bool,
) -> Result<Activity> {
    let missing = || Error::new(Kind::Stage, format!("the network has no layer `{layer}`"));
    let end = network.graph().activation_of(layer).ok_or_else(missing)?;
    let mut counting = Counting::new(network.shape(end).channels());
    watch(network, &[end], watched, data::EVALUATION_BATCH, device, stop, |_, values| counting.add(values))?;
    counting.finish(layer)
}

/// Watches the layers with the indices `layers` in evaluation mode, all in one pass over the images.
///
/// # Errors
/// As [`observe`].
pub(super) fn observe_all<B: Backend>(
    network: &Executor<B>,
    layers: &BTreeSet<usize>,
    watched: &Watched,
    device: &B,
    stop: &dyn Fn() -> bool,
) -> Result<BTreeMap<usize, Activity>> {
    let graph = network.graph();
    if let [layer] = layers.iter().copied().collect::<Vec<_>>()[..] {
        return Ok([(layer, observe(network, &graph.layers[layer].name, watched, device, stop)?)].into());
    }
    let end = |layer: &usize| graph.activation_of(&graph.layers[*layer].name).unwrap_or(*layer);
    // Layers may share the activation behind them; it is kept once.
    let ends: Vec<usize> = layers.iter().map(end).collect::<BTreeSet<_>>().into_iter().collect();
    let mut countings: Vec<Counting> = ends.iter().map(|end| Counting::new(network.shape(*end).channels())).collect();
    watch(network, &ends, watched, BATCH, device, stop, |place, values| countings[place].add(values))?;
    let counted = ends.iter().zip(countings).map(|(end, counting)| {
        let activity = counting.finish(&graph.layers[*end].name)?;
        Ok((*end, activity))
    });
    let counted = counted.collect::<Result<BTreeMap<usize, Activity>>>()?;
    Ok(layers.iter().map(|layer| (*layer, counted[&end(layer)].clone())).collect())
}

/// Runs the network in evaluation mode and hands every batch's outputs of the layers `ends` to `each`: the place in
/// `ends`, and the values (batch, positions, channels). One pass over the images for all layers. Ends early when `stop`
/// says so.
///
/// # Errors
/// When the device fails.
pub(super) fn watch<B: Backend>(
    network: &Executor<B>,
    ends: &[usize],
    watched: &Watched,
    batch: usize,
    device: &B,
    stop: &dyn Fn() -> bool,
    mut each: impl FnMut(usize, &[f32]),
) -> Result<()> {
    for indices in watched.indices.chunks(batch) {
        if stop() {
            break;
        }
        let batch = data::batch(watched.images, indices, watched.normalization, None);
        let pixels = device.upload(&batch.pixels)?;
        let forward = network.forward(pixels, batch.size, Mode::Evaluate, ends, &mut NoneTape)?;
        for (place, (_, value)) in forward.kept.iter().enumerate() {
            each(place, &B::download(value));
        }
    }
    Ok(())
}

/// The sums behind an [`Activity`].
pub(super) struct Counting {
    maximum: Vec<f32>,
    sum: Vec<f64>,
    zeros: Vec<u64>,
    count: u64,
    is_finite: bool,
}

impl Counting {
    pub(super) fn new(units: usize) -> Self {
        Self { maximum: vec![0.0; units], sum: vec![0.0; units], zeros: vec![0; units], count: 0, is_finite: true }
    }

    /// Adds values (anything, channels), in their order.
    pub(super) fn add(&mut self, values: &[f32]) {
        for row in values.chunks(self.maximum.len()) {
            self.count += 1;
            for (unit, activation) in row.iter().enumerate() {
                self.maximum[unit] = self.maximum[unit].max(activation.abs());
                self.sum[unit] += activation.abs() as f64;
                self.zeros[unit] += (*activation == 0.0) as u64;
                // A maximum passes over what is not a number.
                self.is_finite &= activation.is_finite();
            }
        }
    }

    /// What was counted of `layer`.
    ///
    /// # Errors
    /// Kind `Diverged` if a value was not finite: what such a unit is worth cannot be said.
    pub(super) fn finish(self, layer: &str) -> Result<Activity> {
        if !self.is_finite {
            let message = format!("activations of `{layer}` are not finite on the training images");
            return Err(Error::new(Kind::Diverged, message).hint("its weights are finite, but too large to be of use"));
        }
        let count = self.count.max(1) as f64;
        Ok(Activity {
            maximum: self.maximum,
            mean: self.sum.iter().map(|sum| sum / count).collect(),
            zeros: self.zeros.iter().map(|zeros| *zeros as f64 / count).collect(),
        })
    }
}
