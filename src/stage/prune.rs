//! The work of a prune stage: a smaller network, proven to compute what the masked one computes.

use indexmap::IndexMap;
use serde::Serialize;

use super::outputs::Outputs;
use super::{Context, Description, Failure, fit, inputs};
use crate::network::{Graph, Model, Op};
use crate::prune::coupling::Coupling;
use crate::prune::{self, Method, Surroundings, Watched};
use crate::tensor::Backend;
use crate::train::Progress;

/// What pruning did, as the output `report`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    before: Size,
    after: Size,
    /// Units of the pruned layer before and after, when those of one layer were pruned.
    units: Option<[usize; 2]>,
    /// Channels of every layer before and after, when channels were pruned.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    channels: IndexMap<String, [usize; 2]>,
    /// What did not come out as asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
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
pub fn prune<B: Backend>(
    description: &Description,
    method: &Method,
    context: &Context,
    device: &B,
) -> Result<Outputs, Failure> {
    let original = inputs::network(description, "from", context)?;
    let data = description.data.as_ref().map(|data| inputs::data(data, context)).transpose()?;
    let signature = inputs::signature(description, "from", context)?;
    let met = data.as_ref().map(|data| Ok((data, fit::fit(description, "from", data, context)?))).transpose();
    let met: Option<(&inputs::Prepared, fit::Fit)> = met.map_err(|failure: Failure| failure)?;
    let images = met.as_ref().map(|(data, fit)| fit.relabelled(&data.set.train));
    let watched = met.as_ref().zip(images.as_deref()).map(|((data, fit), images)| Watched {
        images,
        indices: &data.train,
        normalization: fit.normalization(),
    });
    let stop = || context.check_cancelled().is_err();
    let surroundings = Surroundings { watched, seed: description.seed, device, stop: &stop };
    let mut model = original.clone();
    let mut notes = Vec::new();
    for step in 1..=method.steps() {
        let share = step as f64 / method.steps() as f64;
        let removed = prune::prune(method, &mut model, &original.graph, share, &surroundings)?;
        context.check_cancelled()?;
        // Only what holds at the end is worth telling.
        notes = removed.notes;
    }
    let mut report =
        Report { before: Size::of(&original), after: Size::of(&model), units: None, channels: IndexMap::new(), notes };
    let channels = channels(&original.graph, &model.graph);
    match method {
        Method::Inactive { layer, minimum, .. } => {
            let [before, kept] = channels.get(layer).copied().unwrap_or_default();
            report.units = Some([before, kept]);
            let mut message = format!("{layer}: {before} → {kept} units");
            if kept == *minimum as usize && before > kept {
                message.push_str(", the least it may keep: the layer has collapsed");
            }
            (context.progress)(Progress::Note(message));
        }
        Method::Channels { .. } => {
            // The network's output is made of classes, not of channels.
            let coupling = Coupling::of(&original.graph)?;
            let is_channel = |layer: &&String| !coupling.is_output(&original.graph, layer);
            let counted = channels.keys().filter(is_channel).map(|layer| channels[layer]);
            let [before, kept] = counted.fold([0, 0], |[a, b], [before, kept]| [a + before, b + kept]);
            let share = |kept: u64, before: u64| 100.0 * kept as f64 / before.max(1) as f64;
            let message = format!(
                "{before} → {kept} channels; {:.1} % of the parameters and {:.1} % of the MACs stay",
                share(report.after.parameters, report.before.parameters),
                share(report.after.macs, report.before.macs),
            );
            (context.progress)(Progress::Note(message));
            report.channels = channels;
        }
        Method::Weights { .. } | Method::Surgery { .. } | Method::Rigl { .. } => {}
    }
    report.notes.iter().for_each(|note| (context.progress)(Progress::Note(note.clone())));
    Ok(Outputs::network(&model)?.signature(signature.as_ref()).json("report", &report))
}

/// What every convolution and linear layer makes before and after.
fn channels(before: &Graph, after: &Graph) -> IndexMap<String, [usize; 2]> {
    let width = |op: &Op| match op {
        Op::Convolution { out_channels, .. } => Some(*out_channels),
        Op::Linear { out_features, .. } => Some(*out_features),
        _ => None,
    };
    let pairs = before.layers.iter().zip(&after.layers);
    pairs.filter_map(|(old, new)| Some((old.name.clone(), [width(&old.op)?, width(&new.op)?]))).collect()
}
