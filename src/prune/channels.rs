//! Which channels go by a criterion, in the whole network.

use super::allocation::{Amount, Request, Rounding, allocate};
use super::cost::Measure;
use super::coupling::Coupling;
use super::{Choice, Criterion, Method, Surroundings, criteria};
use crate::error::{Error, Kind, Result};
use crate::network::{Executor, Graph, Model};
use crate::tensor::Backend;

/// What to do with a network of which no channel can be removed.
pub const NO_CHANNELS: &str =
    "channels that are tied to the image or the output have to stay; choose `kind = \"weights\"`";

/// What [`Method::Channels`] leaves of `model`, `share` of the way from `before`; `None` when it was stopped.
///
/// # Errors
/// When no channel of the network can be removed, when the criterion needs images and there are none, and when the
/// device fails.
pub(super) fn choose<B: Backend>(
    method: &Method,
    model: &Model,
    before: &Graph,
    share: f64,
    surroundings: &Surroundings<B>,
) -> Result<Option<Choice>> {
    let Method::Channels {
        criterion, ratio, macs, parameters, scope, round_to, minimum, ignore, layers, images, ..
    } = method
    else {
        return Err(Error::new(Kind::Internal, "a method that removes no channels"));
    };
    let Surroundings { watched, seed, device, stop } = surroundings;
    let coupling = Coupling::of(&model.graph)?;
    if coupling.groups.is_empty() {
        // A manifest whose network is known says so before it runs.
        let error = Error::new(Kind::Stage, "no channel of the network that is to be pruned can be removed");
        return Err(error.hint(NO_CHANNELS));
    }
    let evidence = if criterion.needs_data() {
        let network = Executor::new(model, *device)?;
        criteria::observe(*criterion, model, &network, watched.as_ref(), *images, *seed, *device, *stop)?
    } else {
        criteria::Evidence::default()
    };
    if stop() {
        return Ok(None);
    }
    let scores = criteria::channel_scores(*criterion, model, &coupling.groups, &evidence, *seed)?;
    let amount = match (ratio, macs, parameters) {
        (_, Some(macs), _) => Amount::Cost(Measure::Macs, *macs),
        (_, _, Some(parameters)) => Amount::Cost(Measure::Parameters, *parameters),
        (ratio, None, None) => Amount::Ratio(ratio.unwrap_or(0.0)),
    };
    let request = Request {
        amount,
        scope: *scope,
        rounding: Rounding::of(*round_to),
        minimum: *minimum,
        ignore,
        layers,
        comparable: criterion.comparable(),
        normalized_only: *criterion == Criterion::BnScale,
        share,
    };
    let allocation = allocate(&request, &model.graph, &coupling.groups, &scores, before)?;
    Ok(Some(Choice { coupling, keep: allocation.keep, notes: allocation.notes }))
}
