//! Scores of how the loss, the cross entropy of training images in evaluation mode (batch normalizations frozen), feels a
//! weight. `g` is the mean gradient over the images.
//!
//! - `taylor`: (w g)², and of a channel (Σ w g)² over all of its own parameters: the first-order change of the loss when
//!   they become zero, squared (Molchanov et al. 2019, "Importance estimation for neural network pruning");
//! - `snip`: |w g|, and of a channel Σ |w g| (Lee et al. 2019, "SNIP"; there at initialisation);
//! - `obd`: ½ F_ii w² with F_ii = E\[g_i²\] over single images, the diagonal of the empirical Fisher matrix in the place
//!   of the Hessian (LeCun et al. 1989, "Optimal brain damage"), and of a channel the sum.
//!
//! A channel's own parameters are its rows in the weights of every layer that makes it, its biases there, and its scale
//! and shift in the normalizations. What reads the channel is not counted.

use std::collections::BTreeMap;

use super::evidence::{BATCH, Evidence, seen};
use super::slices;
use crate::data;
use crate::error::Result;
use crate::network::{Executor, Mode, Model};
use crate::prune::groups::{Group, Side};
use crate::prune::{Criterion, Watched};
use crate::tensor::{self, Backend};

/// The mean gradient of every trainable parameter.
pub(super) fn mean_gradients<B: Backend>(
    network: &Executor<B>,
    watched: &Watched,
    device: &B,
    stop: &dyn Fn() -> bool,
) -> Result<BTreeMap<String, Vec<f64>>> {
    // The gradient of a batch is the mean over its images.
    over_images(network, watched, BATCH, device, stop, |gradient, images| f64::from(gradient) * images)
}

/// The mean over images of the squared gradient of every trainable parameter.
pub(super) fn mean_squares<B: Backend>(
    network: &Executor<B>,
    watched: &Watched,
    device: &B,
    stop: &dyn Fn() -> bool,
) -> Result<BTreeMap<String, Vec<f64>>> {
    over_images(network, watched, 1, device, stop, |gradient, _| f64::from(gradient).powi(2))
}

/// Σ value(gradient of a batch, images in it) / images, batch after batch.
fn over_images<B: Backend>(
    network: &Executor<B>,
    watched: &Watched,
    batch: usize,
    device: &B,
    stop: &dyn Fn() -> bool,
    value: impl Fn(f32, f64) -> f64,
) -> Result<BTreeMap<String, Vec<f64>>> {
    let mut sums: Vec<Vec<f64>> = network.trainable().map(|p| vec![0.0; p.dims.iter().product()]).collect();
    let mut gradients = network.alloc_gradients()?;
    let mut count = 0.0;
    for indices in watched.indices.chunks(batch) {
        if stop() {
            break;
        }
        let batch = data::batch(watched.images, indices, watched.normalization, None);
        let pixels = device.upload(&batch.pixels)?;
        network.zero_gradients(&mut gradients)?;
        let mut tape = tensor::tape(device, gradients)?;
        let forward = network.forward(pixels, batch.size, Mode::Evaluate, &[], &mut tape)?;
        let loss = B::cross_entropy(&forward.logits, &batch.labels, 0.0, &mut tape)?;
        gradients = tensor::backward(device.weighted_sum(&[(1.0, loss)], tape)?)?;
        let images = batch.size as f64;
        count += images;
        for (sum, parameter) in sums.iter_mut().zip(network.trainable()) {
            let gradient = B::gradient(&gradients, &parameter.tensor);
            sum.iter_mut().zip(gradient).for_each(|(sum, gradient)| *sum += value(gradient, images));
        }
    }
    sums.iter_mut().flatten().for_each(|sum| *sum /= f64::max(count, 1.0));
    Ok(network.trainable().map(|parameter| parameter.name.clone()).zip(sums).collect())
}

/// Of every value of a tensor by itself.
pub(super) fn of_values(criterion: Criterion, evidence: &Evidence, name: &str, values: &[f32]) -> Result<Vec<f64>> {
    let seen = seen(&evidence.gradients, name, values.len(), Vec::len)?;
    let score = |(weight, seen): (&f32, &f64)| {
        let weight = f64::from(*weight);
        match criterion {
            Criterion::Taylor => (weight * seen).powi(2),
            Criterion::Snip => (weight * seen).abs(),
            _ => 0.5 * seen * weight.powi(2),
        }
    };
    Ok(values.iter().zip(seen).map(score).collect())
}

pub(super) fn channels(criterion: Criterion, model: &Model, group: &Group, evidence: &Evidence) -> Result<Vec<f64>> {
    let mut sums = vec![0.0; group.units];
    for member in group.members.iter().filter(|member| member.side == Side::Outputs) {
        let layer = &model.graph.layers[member.layer];
        for (tensor, dims, role) in layer.op.parameters() {
            if !role.trainable() {
                continue;
            }
            let name = format!("{}.{tensor}", layer.name);
            let values = &slices::tensor(model, &name)?.data;
            let terms = match criterion {
                // Summed with its sign, and squared when all is summed.
                Criterion::Taylor => {
                    let gradients = seen(&evidence.gradients, &name, values.len(), Vec::len)?;
                    values.iter().zip(gradients).map(|(w, g)| f64::from(*w) * g).collect()
                }
                _ => of_values(criterion, evidence, &name, values)?,
            };
            for (sum, channels) in sums.iter_mut().zip(&member.channels) {
                *sum += slices::rows(&terms, dims[0], channels).sum::<f64>();
            }
        }
    }
    if criterion == Criterion::Taylor {
        sums.iter_mut().for_each(|sum| *sum *= *sum);
    }
    Ok(sums)
}
