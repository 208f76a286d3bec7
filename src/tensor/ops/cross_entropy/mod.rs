//! Cross entropy of logits z (B, K) with integer labels, averaged over the batch; label smoothing s (Szegedy 2016).
//!
//! ```text
//! q_k = (1 − s) [k = label] + s / K        L = − mean over rows of Σ_k q_k log p_k,  p = softmax(z)
//! dz = (p − q) / B
//! ```
//!
//! For images mixed of two (mixup, Zhang 2018; CutMix, Yun 2019), with share r of the second,
//! q_k = (1 − s) ((1 − r) [k = label] + r [k = second]) + s / K.
//!
//! Computed in `f64`, rows in order; the result is rounded once.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;

use crate::error::{Error, Kind, Result};

/// Fails unless all labels, and those of mixed images, are of the network's classes, as many as there are images.
fn check_targets(labels: &[u32], mixed: Option<(&[u32], &[f32])>, classes: usize) -> Result<()> {
    let Some((second, shares)) = mixed else { return check_labels(labels, classes) };
    let batch = labels.len();
    if second.len() != batch || shares.len() != batch {
        let message = format!("{} labels and {} shares for {batch} images", second.len(), shares.len());
        return Err(Error::new(Kind::Internal, message));
    }
    check_labels(labels, classes)?;
    check_labels(second, classes)
}

/// Fails unless all labels are of the network's classes.
pub(super) fn check_labels(labels: &[u32], classes: usize) -> Result<()> {
    match labels.iter().find(|label| **label as usize >= classes) {
        Some(label) => {
            let message = format!("label {label} in a data set for a network of {classes} classes");
            Err(Error::new(Kind::Input, message))
        }
        None => Ok(()),
    }
}
