//! Relational distillation on CUDA.

use dfdx::tensor::Cuda;

use super::RelationWeights;
use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{Pointer, THREADS, blocks, launch};
use crate::tensor::cuda::recording::{device, expect_length};
use crate::tensor::cuda::sums::{Doubles, row_blocks};
use crate::tensor::ops::gram::cuda::{gram, record_gradient};
use crate::tensor::{Flat, Tape};

pub(crate) fn relations<T: Tape<f32, Cuda>>(
    student: &Flat<Cuda>,
    teacher: &Flat<Cuda>,
    batch: usize,
    weights: &RelationWeights,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    expect_length("the student's feature", student, &[batch, length(student) / batch.max(1)])?;
    expect_length("the teacher's feature", teacher, &[batch, length(teacher) / batch.max(1)])?;
    let (device, pairs, n) = (device(student), batch * batch, batch as i64);
    let (own, others) = (Points::new(student, batch)?, Points::new(teacher, batch)?);
    let of_angle = weights.angle / (batch * batch * batch) as f64;
    let of_distance = weights.distance / pairs as f64;
    let matrix = || Doubles::new(&device, pairs);
    let (losses, of_mean, slopes, products, dgram) = (matrix()?, matrix()?, matrix()?, matrix()?, matrix()?);
    let ([gram, distances, mean], [other_gram, other_distances, other_mean]) = (own.pointers()?, others.pointers()?);
    let (to_losses, to_mean, to_slopes, to_products) =
        (losses.pointer()?, of_mean.pointer()?, slopes.pointer()?, products.pointer()?);
    launch!(
        "relations_pairs",
        blocks(pairs),
        THREADS,
        gram,
        distances,
        mean,
        other_gram,
        other_distances,
        other_mean,
        n,
        of_distance,
        of_angle,
        to_losses,
        to_mean,
        to_slopes,
        to_products
    )?;
    let loss = losses.sum(1.0)?;
    if !T::OWNS_TAPE {
        return Ok(loss);
    }
    let of_mean = of_mean.precise_sum(1.0)?;
    launch!(
        "relations_gradient",
        row_blocks(batch),
        THREADS,
        gram,
        distances,
        mean,
        other_gram,
        other_distances,
        n,
        of_angle,
        of_mean.pointer()?,
        to_slopes,
        to_products,
        dgram.pointer()?
    )?;
    record_gradient(student, &dgram, batch, &loss, tape)?;
    Ok(loss)
}

/// The points of a batch by their products and distances, both (B, B).
struct Points {
    gram: Doubles,
    distances: Doubles,
    /// How many distances are above 0, and their mean.
    mean: Doubles,
}

impl Points {
    fn new(feature: &Flat<Cuda>, count: usize) -> Result<Self> {
        let (device, pairs) = (device(feature), count * count);
        let (gram, distances, mean) = (gram(feature, count)?, Doubles::new(&device, pairs)?, Doubles::new(&device, 2)?);
        let (from, to) = (gram.pointer()?, distances.pointer()?);
        launch!("relations_distances", blocks(pairs), THREADS, from, count as i64, to)?;
        launch!("relations_mean", 1_u32, THREADS, to, pairs as i64, mean.pointer()?)?;
        Ok(Self { gram, distances, mean })
    }

    fn pointers(&self) -> Result<[Pointer; 3]> {
        Ok([self.gram.pointer()?, self.distances.pointer()?, self.mean.pointer()?])
    }
}
