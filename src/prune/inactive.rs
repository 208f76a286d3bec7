//! Which units of a layer are inactive (Şener & Akbaş 2022, in our reading).

use std::collections::{BTreeMap, BTreeSet};

use super::coupling::{Coupling, Unit};
use super::{Activity, Choice, Measure, Method, Surroundings, activity};
use crate::error::{Error, Kind, Result};
use crate::network::{Executor, Graph, Model, Op};
use crate::tensor::Backend;

/// What [`Method::Inactive`] leaves of `model`; `None` when it was stopped.
///
/// A unit that several layers make together, by an addition or a depthwise convolution, is as active as it is in the one
/// in which it is most active: what is inactive contributes nothing anywhere.
///
/// # Errors
/// When units of the layer cannot be removed, when there are no images, and when the device fails.
pub(super) fn choose<B: Backend>(
    method: &Method,
    model: &Model,
    surroundings: &Surroundings<B>,
) -> Result<Option<Choice>> {
    let Method::Inactive { layer, measure, threshold, minimum } = method else {
        return Err(Error::new(Kind::Internal, "a method that does not look for inactive units"));
    };
    let Surroundings { watched, device, stop, .. } = surroundings;
    let graph = &model.graph;
    let coupling = Coupling::of(graph)?;
    if let Some(reason) = coupling.refusal(graph, layer) {
        return Err(Error::new(Kind::Stage, format!("units of `{layer}` cannot be removed: {reason}")));
    }
    let missing = || Error::new(Kind::Stage, "what is inactive shows on training images, and there are none");
    let watched = watched.as_ref().ok_or_else(missing)?;
    let units = units_of(&coupling, graph.index(layer).unwrap_or_default());
    let network = Executor::new(model, *device)?;
    let makers = units.iter().flat_map(|unit| coupling.groups[unit.group].makers(graph)).map(|maker| maker.layer);
    let makers: BTreeSet<usize> = makers.collect();
    let seen = activity::observe_all(&network, &makers, watched, *device, *stop)?;
    let mut activity = Activity { maximum: Vec::new(), mean: Vec::new(), zeros: Vec::new() };
    for Unit { group, unit } in &units {
        let (mut maximum, mut mean, mut zeros) = (0.0f32, 0.0f64, 1.0f64);
        for maker in coupling.groups[*group].makers(graph) {
            let seen = &seen[&maker.layer];
            for channel in &maker.channels[*unit] {
                maximum = maximum.max(seen.maximum[*channel]);
                mean = mean.max(seen.mean[*channel]);
                zeros = zeros.min(seen.zeros[*channel]);
            }
        }
        activity.maximum.push(maximum);
        activity.mean.push(mean);
        activity.zeros.push(zeros);
    }
    if stop() {
        return Ok(None);
    }
    let stays = keep(&activity, *measure, *threshold, *minimum as usize);
    let mut keep: Vec<Vec<bool>> = coupling.groups.iter().map(|group| vec![true; group.units]).collect();
    for (number, Unit { group, unit }) in units.iter().enumerate() {
        keep[*group][*unit] = stays.binary_search(&number).is_ok();
    }
    let notes = spare(graph, &coupling, &units, &activity, *measure, &mut keep);
    Ok(Some(Choice { coupling, keep, notes }))
}

/// Puts the most active unit back into every layer that would lose all it makes, because it makes only some of the units
/// of the layer that is pruned.
fn spare(
    graph: &Graph,
    coupling: &Coupling,
    units: &[Unit],
    activity: &Activity,
    measure: Measure,
    keep: &mut [Vec<bool>],
) -> Vec<String> {
    let numbers: BTreeMap<(usize, usize), usize> =
        units.iter().enumerate().map(|(number, unit)| ((unit.group, unit.unit), number)).collect();
    let mut notes = Vec::new();
    for (layer, outputs) in graph.layers.iter().zip(&coupling.outputs) {
        let made: Option<Vec<Unit>> = outputs.iter().copied().collect();
        let makes = matches!(layer.op, Op::Convolution { .. } | Op::Linear { .. });
        let Some(made) = made.filter(|made| makes && made.iter().all(|unit| !keep[unit.group][unit.unit])) else {
            continue;
        };
        let strength = |unit: &Unit| {
            numbers.get(&(unit.group, unit.unit)).map_or(0.0, |number| strength(activity, measure, *number))
        };
        // The first of equals.
        if let Some(best) = made.iter().rev().max_by(|a, b| strength(a).total_cmp(&strength(b))) {
            keep[best.group][best.unit] = true;
            notes.push(format!("`{}` would have lost all its units; its most active one stays", layer.name));
        }
    }
    notes
}

/// The units of the layer with the index `layer` that can be removed, in the order of its channels.
fn units_of(coupling: &Coupling, layer: usize) -> Vec<Unit> {
    let mut seen = BTreeSet::new();
    let all = coupling.outputs[layer].iter().flatten().copied();
    all.filter(|unit| seen.insert((unit.group, unit.unit))).collect()
}

/// The units that stay, ascending: those that are active, but at least the `minimum` most active ones.
///
/// A unit is inactive when max_x |a_j(x)| ≤ τ ([`Measure::Maximum`]), mean_x |a_j(x)| ≤ τ ([`Measure::Mean`]), or its
/// share of zero activations is at least 1 − ε ([`Measure::Zeros`]); `threshold` is τ or ε.
fn keep(activity: &Activity, measure: Measure, threshold: f64, minimum: usize) -> Vec<usize> {
    let strength = |unit: usize| strength(activity, measure, unit);
    let active = |unit: usize| match measure {
        Measure::Maximum | Measure::Mean => strength(unit) > threshold,
        // Not `strength > threshold`: 1 − (1 − ε) is not ε in floating point.
        Measure::Zeros => activity.zeros[unit] < 1.0 - threshold,
    };
    let units = activity.maximum.len();
    let mut keep: Vec<usize> = (0..units).filter(|unit| active(*unit)).collect();
    if keep.len() < minimum.min(units) {
        let mut ranked: Vec<usize> = (0..units).collect();
        ranked.sort_by(|a, b| strength(*b).total_cmp(&strength(*a)).then(a.cmp(b)));
        keep = ranked[..minimum.min(units)].to_vec();
        keep.sort_unstable();
    }
    keep
}

/// How active a unit is: the higher, the more.
fn strength(activity: &Activity, measure: Measure, unit: usize) -> f64 {
    match measure {
        Measure::Maximum => activity.maximum[unit] as f64,
        Measure::Mean => activity.mean[unit],
        Measure::Zeros => 1.0 - activity.zeros[unit],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity() -> Activity {
        Activity {
            maximum: vec![0.0, 2.0, 0.1, 0.0],
            mean: vec![0.0, 0.5, 0.05, 0.0],
            zeros: vec![1.0, 0.25, 0.9, 1.0],
        }
    }

    #[test]
    fn units_go_by_what_is_measured() {
        let keep = |measure, threshold| keep(&activity(), measure, threshold, 1);
        assert_eq!(keep(Measure::Maximum, 0.0), [1, 2]);
        assert_eq!(keep(Measure::Maximum, 0.1f32 as f64), [1]);
        assert_eq!(keep(Measure::Mean, 0.04), [1, 2]);
        assert_eq!(keep(Measure::Mean, 0.05), [1]);
        assert_eq!(keep(Measure::Zeros, 0.0), [1, 2]);
        assert_eq!(keep(Measure::Zeros, 0.1), [1]);
    }

    #[test]
    fn a_layer_is_never_emptied() {
        assert_eq!(keep(&activity(), Measure::Maximum, 100.0, 1), [1]);
        assert_eq!(keep(&activity(), Measure::Maximum, 0.0, 3), [0, 1, 2]);
        assert_eq!(keep(&activity(), Measure::Maximum, 0.0, 99), [0, 1, 2, 3]);
    }
}
