//! Relational distillation on the processor.

use rayon::prelude::*;

use super::RelationWeights;
use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::ops::gram::cpu::{gradient, gram};
use crate::tensor::recording::{expect_length, loss, values};
use crate::tensor::{Cpu, Flat, Tape};

/// Into how many shares the vertices of angles are cut.
const SHARES: usize = 8;

pub(crate) fn relations<T: Tape<f32, Cpu>>(
    student: &Flat<Cpu>,
    teacher: &Flat<Cpu>,
    batch: usize,
    weights: &RelationWeights,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    expect_length("the student's feature", student, &[batch, length(student) / batch.max(1)])?;
    expect_length("the teacher's feature", teacher, &[batch, length(teacher) / batch.max(1)])?;
    let features = values(student);
    let (own, others) = (Points::new(&features, batch), Points::new(&values(teacher), batch));
    let mut slopes = Slopes { gram: vec![0.0; batch * batch], distances: vec![0.0; batch * batch] };
    let distance = distances(&own, &others, weights.distance, &mut slopes);
    let angle = angles(&own, &others, weights.angle, &mut slopes);
    let dgram = slopes.into_gram(&own);
    loss([student], distance + angle, [gradient(&features, &dgram, batch)], tape)
}

/// The points of a batch by their products and distances, both (B, B).
struct Points {
    count: usize,
    gram: Vec<f64>,
    distances: Vec<f64>,
}

impl Points {
    fn new(features: &[f32], count: usize) -> Self {
        let gram = gram(features, count);
        let distance = |index: usize| {
            let (i, j) = (index / count, index % count);
            (gram[i * count + i] + gram[j * count + j] - 2.0 * gram[index]).max(0.0).sqrt()
        };
        let distances = (0..count * count).map(distance).collect();
        Self { count, gram, distances }
    }

    /// How many distances are above 0, and their mean; 1 if there are none.
    fn mean_distance(&self) -> (f64, f64) {
        let above = self.distances.iter().filter(|distance| **distance > 0.0);
        let (count, sum) = above.fold((0.0, 0.0), |(count, sum), distance| (count + 1.0, sum + distance));
        if count > 0.0 { (count, sum / count) } else { (0.0, 1.0) }
    }

    /// The cosine at `i` between the ways to `j` and `k`; 0 if there is no way.
    fn cosine(&self, i: usize, j: usize, k: usize) -> f64 {
        let (n, g) = (self.count, &self.gram);
        let lengths = self.distances[i * n + j] * self.distances[i * n + k];
        if lengths > 0.0 { (g[j * n + k] - g[i * n + j] - g[i * n + k] + g[i * n + i]) / lengths } else { 0.0 }
    }
}

/// Gradients of products, and of distances as far as they are not yet traced back to products.
struct Slopes {
    gram: Vec<f64>,
    distances: Vec<f64>,
}

impl Slopes {
    fn into_gram(mut self, points: &Points) -> Vec<f64> {
        let n = points.count;
        for (index, (slope, distance)) in self.distances.iter().zip(&points.distances).enumerate() {
            if *distance > 0.0 {
                let square = slope / (2.0 * distance);
                let (i, j) = (index / n, index % n);
                self.gram[i * n + i] += square;
                self.gram[j * n + j] += square;
                self.gram[index] -= 2.0 * square;
            }
        }
        self.gram
    }
}

/// Huber's function and its slope.
fn huber(error: f64) -> (f64, f64) {
    if error.abs() < 1.0 { (0.5 * error * error, error) } else { (error.abs() - 0.5, error.signum()) }
}

fn distances(own: &Points, others: &Points, weight: f64, slopes: &mut Slopes) -> f64 {
    let ((above, mean), (_, other_mean)) = (own.mean_distance(), others.mean_distance());
    let factor = weight / (own.count * own.count) as f64;
    let (mut sum, mut of_mean) = (0.0, 0.0);
    for ((distance, other), slope) in own.distances.iter().zip(&others.distances).zip(&mut slopes.distances) {
        let (value, step) = huber(distance / mean - other / other_mean);
        sum += factor * value;
        *slope = factor * step / mean;
        of_mean -= factor * step * distance / (mean * mean);
    }
    if above > 0.0 {
        let of_each = of_mean / above;
        let positive = slopes.distances.iter_mut().zip(&own.distances).filter(|(_, distance)| **distance > 0.0);
        positive.for_each(|(slope, _)| *slope += of_each);
    }
    sum
}

fn angles(own: &Points, others: &Points, weight: f64, slopes: &mut Slopes) -> f64 {
    let n = own.count;
    let factor = weight / (n * n * n) as f64;
    let share = |share: usize| {
        let (mut sum, mut part) = (0.0, Slopes { gram: vec![0.0; n * n], distances: vec![0.0; n * n] });
        for i in (share..n).step_by(SHARES) {
            for j in 0..n {
                for k in 0..n {
                    let lengths = own.distances[i * n + j] * own.distances[i * n + k];
                    let cosine = own.cosine(i, j, k);
                    let (value, step) = huber(cosine - others.cosine(i, j, k));
                    sum += factor * value;
                    if lengths > 0.0 {
                        let (step, product) = (factor * step, factor * step / lengths);
                        part.gram[j * n + k] += product;
                        part.gram[i * n + j] -= product;
                        part.gram[i * n + k] -= product;
                        part.gram[i * n + i] += product;
                        part.distances[i * n + j] -= step * cosine / own.distances[i * n + j];
                        part.distances[i * n + k] -= step * cosine / own.distances[i * n + k];
                    }
                }
            }
        }
        (sum, part)
    };
    let shares: Vec<(f64, Slopes)> = (0..SHARES).into_par_iter().map(share).collect();
    let mut sum = 0.0;
    for (value, part) in shares {
        sum += value;
        slopes.gram.iter_mut().zip(part.gram).for_each(|(total, part)| *total += part);
        slopes.distances.iter_mut().zip(part.distances).for_each(|(total, part)| *total += part);
    }
    sum
}
