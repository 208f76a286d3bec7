//! Proof that a network from which units were removed computes what it computed with these units silenced.

use super::{Removed, Watched, units};
use crate::data::{self, EVALUATION_BATCH};
use crate::error::{Error, Kind, Result};
use crate::network::{Executor, Mode, Model};
use crate::tensor::{Backend, NoneTape};

/// The largest difference, as a share of the largest logit.
const TOLERANCE: f64 = 1e-4;

/// Compares the logits of `shrunk` with those of `original` with the removed units silenced, on the first of the
/// `watched` images. Masked weights need no proof: their network is the masked one.
///
/// # Errors
/// [`Kind::Stage`] when they differ, and when the device fails.
pub fn prove<B: Backend>(
    original: &Model,
    shrunk: &Model,
    removed: &Removed,
    watched: &Watched,
    device: &B,
) -> Result<()> {
    let Removed::Units { layer, keep, .. } = removed else { return Ok(()) };
    let mut masked = original.clone();
    units::silence(&mut masked, layer, keep)?;
    let indices = &watched.indices[..watched.indices.len().min(EVALUATION_BATCH)];
    let batch = data::batch(watched.images, indices, watched.normalization, None);
    let logits = |model: &Model| -> Result<Vec<f32>> {
        let network = Executor::new(model, device)?;
        let pixels = device.upload(&batch.pixels)?;
        let forward = network.forward(pixels, batch.size, Mode::Evaluate, &[], &mut NoneTape)?;
        Ok(B::download(&forward.logits))
    };
    let (masked, shrunk) = (logits(&masked)?, logits(shrunk)?);
    let largest = masked.iter().fold(f64::MIN_POSITIVE, |largest, z| largest.max(z.abs() as f64));
    let worst = masked.iter().zip(&shrunk).fold(0.0f64, |worst, (a, b)| worst.max((a - b).abs() as f64));
    if worst / largest <= TOLERANCE {
        return Ok(());
    }
    let off = worst / largest;
    let message = format!("the pruned network computes something else than the masked one (off by {off:.1e})");
    Err(Error::new(Kind::Stage, message).hint("this is a defect of pleach; please report it"))
}
