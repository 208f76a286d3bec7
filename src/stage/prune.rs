//! The work of a prune stage: a smaller network, proven to compute what the masked one computes.

use serde::Serialize;

use super::outputs::Outputs;
use super::{Context, Description, Failure, inputs};
use crate::network::{Executor, Model};
use crate::prune::{self, Method, Removed, Watched};
use crate::tensor::Cpu;
use crate::train::Progress;

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
/// [`crate::error::Kind::Stage`] when the smaller network computes something else than the masked one; see [`Failure`].
pub fn prune(description: &Description, method: &Method, context: &Context) -> Result<Outputs, Failure> {
    let original = inputs::network(description, "from", context)?;
    let device = Cpu::default();
    let data = description.data.as_ref().map(|data| inputs::data(data, context)).transpose()?;
    let watched = data.as_ref().map(|data| Watched {
        images: &data.set.train,
        indices: &data.train,
        normalization: &data.normalization,
    });
    let activity = match &watched {
        Some(watched) => {
            let network = Executor::new(&original, &device)?;
            prune::activity(method, &network, watched, &device, &|| context.check_cancelled().is_err())?
        }
        None => None,
    };
    context.check_cancelled()?;
    let mut model = original.clone();
    let removed = prune::apply(method, &mut model, activity.as_ref(), description.seed, 1.0)?;
    if let Some(watched) = &watched {
        prune::prove(&original, &model, &removed, watched, &device)?;
    }
    let mut kept_of = None;
    if let Removed::Units { layer, keep, before } = &removed {
        kept_of = Some([*before, keep.len()]);
        let least = match method {
            Method::Inactive { minimum, .. } => *minimum as usize,
            _ => 0,
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
