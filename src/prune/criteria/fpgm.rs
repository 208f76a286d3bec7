//! Filters that the others can stand in for: those near the geometric median (He et al. 2019, "Filter pruning via
//! geometric median"). The score is Σ_k ‖W_j − W_k‖₂, the distances themselves and not their squares: squares would find
//! the filters near the mean. Mean over the layers that make the channel.

use rayon::prelude::*;

use super::slices;
use crate::error::Result;
use crate::network::Model;
use crate::prune::groups::Group;
use crate::tensor::matrix::{Matrix, multiply};

/// Filters of one block of a product; a constant, so that the order of additions is.
const BLOCK: usize = 128;

/// Values of each filter that are multiplied at once.
const DEPTH: usize = 1024;

/// A squared distance below this share of the squared norms has lost too many digits to be their difference.
const CLOSE: f64 = 1e-6;

pub(super) fn channels(model: &Model, group: &Group) -> Result<Vec<f64>> {
    slices::mean_over_makers(model, group, |member| {
        let weight = slices::weight(model, member)?;
        let of_unit = |channels: &Vec<usize>| slices::rows(&weight.data, weight.dims[0], channels).copied().collect();
        Ok(distances(&member.channels.iter().map(of_unit).collect::<Vec<_>>()))
    })
}

/// For each filter the sum of its distances to all; a shorter one counts as filled up with zeros.
///
/// ‖a − b‖² is ‖a‖² + ‖b‖² − 2 a·b, so that a matrix product does most of the work: in double precision, and where filters
/// are near each other not at all, but from the differences.
fn distances(filters: &[Vec<f32>]) -> Vec<f64> {
    let norm = |filter: &Vec<f32>| filter.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
    let norms: Vec<f64> = filters.iter().map(norm).collect();
    let sums = |(number, block): (usize, &[Vec<f32>])| {
        let mut sums = vec![0.0; block.len()];
        for (other_number, others) in filters.chunks(BLOCK).enumerate() {
            let products = products(block, others);
            for (row, sum) in sums.iter_mut().enumerate() {
                let (filter, own) = (&block[row], norms[number * BLOCK + row]);
                for (column, other) in others.iter().enumerate() {
                    let together = own + norms[other_number * BLOCK + column];
                    let square = together - 2.0 * products[row * others.len() + column];
                    *sum += match square > CLOSE * together {
                        true => square.sqrt(),
                        false if together > 0.0 => distance(filter, other),
                        false => 0.0,
                    };
                }
            }
        }
        sums
    };
    filters.par_chunks(BLOCK).enumerate().flat_map_iter(sums).collect()
}

/// The inner products of `a` with `b`, (a's length, b's length).
fn products(a: &[Vec<f32>], b: &[Vec<f32>]) -> Vec<f64> {
    let mut products = vec![0.0; a.len() * b.len()];
    let longest = |filters: &[Vec<f32>]| filters.iter().map(Vec::len).max().unwrap_or(0);
    let common = longest(a).min(longest(b));
    for start in (0..common).step_by(DEPTH) {
        let depth = DEPTH.min(common - start);
        let part = |filters: &[Vec<f32>]| -> Vec<f64> {
            let padded = |filter: &Vec<f32>| {
                let part = filter.get(start..).unwrap_or_default();
                let part: Vec<f64> = part.iter().take(depth).map(|value| f64::from(*value)).collect();
                part.into_iter().chain(std::iter::repeat(0.0)).take(depth)
            };
            filters.iter().flat_map(padded).collect()
        };
        let (of_a, of_b) = (part(a), part(b));
        let (of_a, of_b) = (Matrix::new(&of_a, a.len(), depth), Matrix::new(&of_b, b.len(), depth));
        multiply(of_a, of_b.transposed(), &mut products, true);
    }
    products
}

/// ‖a − b‖₂.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let (a, b) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let (common, rest) = b.split_at(a.len());
    let differences = a.iter().zip(common).map(|(a, b)| f64::from(*a) - f64::from(*b));
    differences.chain(rest.iter().map(|b| f64::from(*b))).map(|difference| difference * difference).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_give_what_differences_give() {
        // Of odd lengths, more than a block of them, some equal, some all but equal, some zero, some huge.
        let filters: Vec<Vec<f32>> = (0..BLOCK + 9)
            .map(|filter| {
                let value = |i: usize| match filter % 5 {
                    0 => ((i * 7919 + filter * 131) % 997) as f32 / 500.0 - 1.0,
                    1 => 1.0,
                    2 => 1.0 + 1e-6 * (filter * (i % 3)) as f32,
                    3 => 0.0,
                    _ => 1e12 * ((i * 31 + filter) % 17) as f32,
                };
                (0..DEPTH - 3 + 4 * (filter % 3)).map(value).collect()
            })
            .collect();
        for (filter, found) in filters.iter().zip(distances(&filters)) {
            let expected: f64 = filters.iter().map(|other| distance(filter, other)).sum();
            assert!((found - expected).abs() <= 1e-8 * expected, "{found} {expected}");
        }
        assert_eq!(distances(&[vec![2.0, 1.0], vec![2.0, 1.0], vec![-1.0, -3.0]]), [5.0, 5.0, 10.0]);
    }
}
