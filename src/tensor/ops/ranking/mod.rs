//! The place of the right class among the logits of an image. Not differentiable.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;

/// The place of the right class in a row of logits, from 0. A class with the same logit counts as ahead if its number is
/// lower; one whose logit is not a number counts as ahead.
pub fn rank(row: &[f32], label: usize) -> usize {
    let own = row[label];
    row.iter()
        .enumerate()
        .filter(|(class, logit)| **logit > own || (**logit == own && *class < label) || logit.is_nan())
        .count()
}
