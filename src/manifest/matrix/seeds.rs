//! Which axes are seeds, so that results are averaged over their values: the axis `seed`, and every axis that goes into the
//! `seed` of stages and into nothing else, whatever it is called.
//!
//! Where several are, networks that have one of them in common have initial weights or a parent in common, and are no
//! independent samples. So an axis counts beside those before it (`seed` first) only where its values and theirs come
//! together one to one, as under `zip`; otherwise it tells results apart like any other axis.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::combinations::AxisSet;
use super::{Axis, Coordinate, variables};
use crate::manifest::Stage;
use crate::manifest::value::{Content, Table};

/// Fills in [`Axis::seeds`]. `data`, `networks` and `stages` are the sections as they are written.
pub fn find(axes: &mut [Axis], [data, networks, stages]: [&Table; 3], instances: &IndexMap<String, Stage>) {
    let named = variables::seed(axes);
    let into_seeds = only_in_seeds(axes, [data, networks, stages]);
    let others = (0..axes.len()).filter(|axis| into_seeds & (1 << axis) != 0 && Some(*axis) != named);
    let mut next = 0;
    for axis in named.into_iter().chain(others).collect::<Vec<usize>>() {
        let together: BTreeSet<(usize, usize)> =
            instances.values().flat_map(|stage| met(axes, axis, &stage.coordinates)).collect();
        let values: BTreeSet<usize> = together.iter().map(|(value, _)| *value).collect();
        let seeds: BTreeSet<usize> = together.iter().map(|(_, seed)| *seed).collect();
        if together.len() > values.len().min(seeds.len()) {
            continue;
        }
        let number = |value: usize| {
            let known = together.iter().find(|(other, _)| *other == value).map(|(_, seed)| *seed);
            known.unwrap_or_else(|| {
                next += 1;
                next
            })
        };
        axes[axis].seeds = Some((0..axes[axis].values.len()).map(number).collect());
    }
}

/// The axes that the `seed` of a stage mentions, and nothing but seeds does.
fn only_in_seeds(axes: &[Axis], [data, networks, stages]: [&Table; 3]) -> AxisSet {
    let (mut in_seeds, mut elsewhere): (AxisSet, AxisSet) = (0, 0);
    for (section, draws) in [(data, false), (networks, false), (stages, true)] {
        for (_, template) in section.values() {
            let Content::Table(table) = &template.content else { continue };
            for (key, (_, value)) in table {
                let mentioned = variables::ever_mentioned(axes, value);
                match key.as_str() {
                    "seed" if draws => in_seeds |= mentioned,
                    "seed" => {}
                    _ => elsewhere |= mentioned,
                }
            }
        }
    }
    in_seeds & !elsewhere
}

/// A value of an axis with each seed that it stands beside in one instance.
fn met(axes: &[Axis], axis: usize, coordinates: &[Coordinate]) -> Vec<(usize, usize)> {
    let Some((_, value)) = coordinates.iter().find(|(other, _)| *other == axis) else { return Vec::new() };
    let seed = |(other, of_other): &Coordinate| Some((*value, axes[*other].seeds.as_ref()?[*of_other]));
    coordinates.iter().filter_map(seed).collect()
}
