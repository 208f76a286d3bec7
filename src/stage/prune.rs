//! The work of a prune stage: a smaller network, proven to compute what the masked one computes.

use serde::Serialize;

use super::outputs::Outputs;
use super::{Context, Description, Failure, inputs};
use crate::data::{self, EVALUATION_BATCH};
use crate::error::{Error, Kind, Result};
use crate::network::{Executor, Mode, Model};
use crate::prune::{self, Method, Removed, units};
use crate::tensor::{Backend, Cpu, NoneTape};
use crate::train::Progress;

/// The largest difference between the shrunk and the masked network, as a share of the largest logit.
const TOLERANCE: f64 = 1e-4;

/// What pruning did, as the output `report`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    before: Size,
    after: Size,
    /// Units of the pruned layer before and after, when units were pruned.
    units: Option<[usize; 2]>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Size {
    parameters: u64,
    nonzeros: u64,
    macs: u64,
}

impl Size {
    fn of(model: &Model) -> Self {
        Self { parameters: model.graph.parameter_count(), nonzeros: model.nonzero_count(), macs: model.graph.macs() }
    }
}

/// Prunes, and hands over `network`, `weights`, `masks` and `report`.
///
/// # Errors
/// [`Kind::Stage`] when the smaller network computes something else than the masked one; see [`Failure`].
pub fn prune(description: &Description, method: &Method, context: &Context) -> Result<Outputs, Failure> {
    let original = inputs::network(description, "from", context)?;
    let device = Cpu::default();
    let data = description.data.as_ref().map(|data| inputs::data(data, context)).transpose()?;
    let activity = match &data {
        Some(data) => {
            let network = Executor::new(&original, &device)?;
            prune::activity(method, &network, &data.set.train, &data.train, &data.normalization, &device)?
        }
        None => None,
    };
    context.check_cancelled()?;
    let mut model = original.clone();
    let removed = prune::apply(method, &mut model, activity.as_ref(), description.seed)?;
    let mut kept_of = None;
    if let Removed::Units { layer, keep, before } = &removed {
        let mut masked = original.clone();
        units::silence(&mut masked, layer, keep)?;
        if let Some(data) = &data {
            prove_equal(&masked, &model, data, &device)?;
        }
        kept_of = Some([*before, keep.len()]);
        let least = match method {
            Method::Inactive { minimum, .. } => *minimum as usize,
            Method::Weights { .. } => 0,
        };
        let mut message = format!("{layer}: {before} → {} units", keep.len());
        if keep.len() == least && *before > least {
            message.push_str(", the least it may keep: the layer has collapsed");
        }
        (context.progress)(Progress::Note(message));
    }
    let report = Report { before: Size::of(&original), after: Size::of(&model), units: kept_of };
    Ok(Outputs::network(&model)?.json("report", &report))
}

/// Compares the logits of both networks on real images.
fn prove_equal(masked: &Model, shrunk: &Model, data: &inputs::Prepared, device: &Cpu) -> Result<()> {
    let images = &data.train[..data.train.len().min(EVALUATION_BATCH)];
    let batch = data::batch(&data.set.train, images, &data.normalization, None);
    let logits = |model: &Model| -> Result<Vec<f32>> {
        let network = Executor::new(model, device)?;
        let pixels = device.upload(&batch.pixels)?;
        let forward = network.forward(pixels, batch.size, Mode::Evaluate, &[], &mut NoneTape)?;
        Ok(Cpu::download(&forward.logits))
    };
    let (masked, shrunk) = (logits(masked)?, logits(shrunk)?);
    let largest = masked.iter().fold(f64::MIN_POSITIVE, |largest, z| largest.max(z.abs() as f64));
    let difference = masked.iter().zip(&shrunk).fold(0.0f64, |worst, (a, b)| worst.max((a - b).abs() as f64));
    if difference / largest > TOLERANCE {
        let message = format!(
            "the pruned network computes something else than the masked one (off by {:.1e})",
            difference / largest
        );
        return Err(Error::new(Kind::Stage, message).hint("this is a defect of pleach; please report it"));
    }
    Ok(())
}
