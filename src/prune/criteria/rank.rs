//! The mean rank of a channel's map over images, taken as a matrix (height, width) (Lin et al. 2020, "HRank"), of the
//! activation behind the layer. A feature of a vector is a map of 1x1: rank 1 where it is not zero. Where several layers
//! make the channel, the mean over them.
//!
//! The rank is the number of pivots above `max(height, width) ε |largest pivot|` in Gaussian elimination with full
//! pivoting, ε that of `f32`; this is `torch.linalg.matrix_rank`'s tolerance with pivots in the place of singular values,
//! which full pivoting follows closely, at a fraction of their cost.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::activations::watched_layers;
use super::evidence::{BATCH, Evidence, seen};
use super::slices;
use crate::error::Result;
use crate::network::{Executor, Model, Shape};
use crate::prune::Watched;
use crate::prune::activity::watch;
use crate::prune::groups::Group;
use crate::tensor::Backend;

/// The mean rank of every channel of every layer, in one pass.
pub(super) fn observe<B: Backend>(
    network: &Executor<B>,
    watched: &Watched,
    device: &B,
    stop: &dyn Fn() -> bool,
) -> Result<BTreeMap<String, Vec<f64>>> {
    let (names, ends) = watched_layers(network);
    let shapes: Vec<Shape> = ends.iter().map(|end| network.shape(*end)).collect();
    let mut sums: Vec<Vec<u64>> = shapes.iter().map(|shape| vec![0; shape.channels()]).collect();
    let mut images = vec![0u64; ends.len()];
    watch(network, &ends, watched, BATCH, device, stop, |place, values| {
        let (shape, sums) = (shapes[place], &mut sums[place]);
        images[place] += (values.len() / shape.size()) as u64;
        for ranks in values.par_chunks(shape.size()).map(|image| ranks(image, shape)).collect::<Vec<_>>() {
            sums.iter_mut().zip(ranks).for_each(|(sum, rank)| *sum += rank as u64);
        }
    })?;
    let mean = |(sums, images): (Vec<u64>, u64)| {
        sums.into_iter().map(|sum| sum as f64 / images.max(1) as f64).collect::<Vec<f64>>()
    };
    Ok(names.into_iter().zip(sums.into_iter().zip(images).map(mean)).collect())
}

/// The rank of every channel of one image (height, width, channels).
fn ranks(image: &[f32], shape: Shape) -> Vec<usize> {
    let channels = shape.channels();
    let width = if let Shape::Map { width, .. } = shape { width } else { 1 };
    (0..channels)
        .map(|channel| rank(image.iter().skip(channel).step_by(channels).map(|v| (*v).into()).collect(), width))
        .collect()
}

/// The rank of a matrix of rows of `width` values.
fn rank(mut matrix: Vec<f64>, width: usize) -> usize {
    let height = matrix.len() / width;
    let tolerance = height.max(width) as f64 * f64::from(f32::EPSILON);
    let mut largest_pivot = 0.0;
    for step in 0..height.min(width) {
        let (mut row, mut column, mut pivot) = (step, step, 0.0);
        for i in step..height {
            for j in step..width {
                if matrix[i * width + j].abs() > pivot {
                    (row, column, pivot) = (i, j, matrix[i * width + j].abs());
                }
            }
        }
        if step == 0 {
            largest_pivot = pivot;
        }
        if pivot <= tolerance * largest_pivot {
            return step;
        }
        for j in 0..width {
            matrix.swap(step * width + j, row * width + j);
        }
        for i in 0..height {
            matrix.swap(i * width + step, i * width + column);
        }
        for i in step + 1..height {
            let factor = matrix[i * width + step] / matrix[step * width + step];
            for j in step..width {
                matrix[i * width + j] -= factor * matrix[step * width + j];
            }
        }
    }
    height.min(width)
}

pub(super) fn channels(model: &Model, group: &Group, evidence: &Evidence) -> Result<Vec<f64>> {
    slices::mean_over_makers(model, group, |member| {
        let units = slices::weight(model, member)?.dims[0];
        let ranks = seen(&evidence.ranks, &model.graph.layers[member.layer].name, units, Vec::len)?;
        let mean = |channels: &Vec<usize>| channels.iter().map(|c| ranks[*c]).sum::<f64>() / channels.len() as f64;
        Ok(member.channels.iter().map(mean).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_by_hand() {
        assert_eq!(rank(vec![0.0; 9], 3), 0);
        assert_eq!(rank(vec![1.0; 6], 3), 1);
        // The third row is the first plus the second.
        assert_eq!(rank(vec![1.0, 2.0, 3.0, 0.0, 1.0, -1.0, 1.0, 3.0, 2.0], 3), 2);
        assert_eq!(rank(vec![0.0, 1.0, 0.0, 0.0, 0.0, 2.0, 3.0, 0.0, 0.0], 3), 3);
        // Wide and tall.
        assert_eq!(rank(vec![1.0, 0.0, 5.0, 0.0, 1.0, 7.0], 3), 2);
        assert_eq!(rank(vec![1.0, 2.0, 3.0], 1), 1);
        // What is 1e-8 of the rest is rounding, what is 1e-5 is not.
        assert_eq!(rank(vec![1.0, 0.0, 0.0, 1e-8], 2), 1);
        assert_eq!(rank(vec![1.0, 0.0, 0.0, 1e-5], 2), 2);
    }

    #[test]
    fn channels_lie_beside_each_other() {
        // Channel 0 is the identity, channel 1 is constant, channel 2 is zero.
        let image = [1.0, 4.0, 0.0, 0.0, 4.0, 0.0, 0.0, 4.0, 0.0, 1.0, 4.0, 0.0];
        assert_eq!(ranks(&image, Shape::Map { height: 2, width: 2, channels: 3 }), [2, 1, 0]);
        assert_eq!(ranks(&[0.5, 0.0], Shape::Vector { features: 2 }), [1, 0]);
    }
}
