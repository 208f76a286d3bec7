//! What the units of a layer do on real images.

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
    let units = network.shape(end).channels();
    let (mut maximum, mut sum, mut zeros) = (vec![0.0f32; units], vec![0.0f64; units], vec![0u64; units]);
    let mut count = 0u64;
    for indices in watched.indices.chunks(data::EVALUATION_BATCH) {
        if stop() {
            break;
        }
        let batch = data::batch(watched.images, indices, watched.normalization, None);
        let pixels = device.upload(&batch.pixels)?;
        let forward = network.forward(pixels, batch.size, Mode::Evaluate, &[end], &mut NoneTape)?;
        for row in B::download(&forward.kept[0].1).chunks(units) {
            count += 1;
            for (unit, activation) in row.iter().enumerate() {
                maximum[unit] = maximum[unit].max(activation.abs());
                sum[unit] += activation.abs() as f64;
                zeros[unit] += (*activation == 0.0) as u64;
            }
        }
    }
    let count = count.max(1) as f64;
    Ok(Activity {
        maximum,
        mean: sum.iter().map(|sum| sum / count).collect(),
        zeros: zeros.iter().map(|zeros| *zeros as f64 / count).collect(),
    })
}
