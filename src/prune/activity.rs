//! What the units of layers do on real images.

use super::Watched;
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
    Ok(counting.finish())
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
}

impl Counting {
    pub(super) fn new(units: usize) -> Self {
        Self { maximum: vec![0.0; units], sum: vec![0.0; units], zeros: vec![0; units], count: 0 }
    }

    /// Adds values (anything, channels), in their order.
    pub(super) fn add(&mut self, values: &[f32]) {
        for row in values.chunks(self.maximum.len()) {
            self.count += 1;
            for (unit, activation) in row.iter().enumerate() {
                self.maximum[unit] = self.maximum[unit].max(activation.abs());
                self.sum[unit] += activation.abs() as f64;
                self.zeros[unit] += (*activation == 0.0) as u64;
            }
        }
    }

    pub(super) fn finish(self) -> Activity {
        let count = self.count.max(1) as f64;
        Activity {
            maximum: self.maximum,
            mean: self.sum.iter().map(|sum| sum / count).collect(),
            zeros: self.zeros.iter().map(|zeros| *zeros as f64 / count).collect(),
        }
    }
}
