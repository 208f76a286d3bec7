//! Methods held against each other: the values of one axis over all settings of the others.
//!
//! A setting is one choice of all other axes that count, on one set of images. In a setting, methods are ranked by what they
//! did with the seeds that all of them have. Differences are taken with the same seed in the same setting and averaged over
//! the settings of that seed, because what one seed made has initial weights, order and parents in common: a seed is one
//! sample, however many settings there are.

use std::collections::BTreeSet;

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;
use serde_json::Value;

use super::groups::{Members, members};
use super::results::{Evaluation, Row};
use super::statistics::{Difference, adjust, mean, ranks as ranked};
use crate::manifest::Manifest;
use crate::store::Digest;

/// The values of one axis held against each other over all settings.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Compared {
    /// The section that evaluated them.
    pub evaluation: String,
    /// The section that made them.
    pub name: String,
    /// The axis.
    pub axis: String,
    /// The value that the others are held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// One a value of the axis, the best rank first.
    pub methods: Vec<Method>,
}

/// One value of the compared axis.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Method {
    /// The value as instances are named.
    pub label: String,
    /// In how many settings it was ranked: in those that have all methods, on the same images.
    pub settings: usize,
    /// The mean of its ranks by accuracy, from 1; absent where there is no such setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<f64>,
    /// In how many it alone was the best.
    pub wins: usize,
    /// Its accuracy minus that of `against`, seed by seed: `n` counts seeds, `pairs` pairs of networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versus: Option<Difference>,
}

/// One choice of everything but the method: for each method the place of its group, if it has one.
type Setting = Vec<Option<usize>>;

/// What tells rows of one group apart: the seed, and whatever else `group-by` leaves out.
type Replicate<'a> = Vec<(&'a str, &'a Value)>;

/// The settings of one section each: those of the groups that the axis reaches.
fn settings(all: &[Members], axis: &crate::manifest::Axis) -> IndexMap<(String, String), Vec<Setting>> {
    let mut settings: IndexMap<(String, String), IndexMap<String, Setting>> = IndexMap::new();
    for (place, members) in all.iter().enumerate() {
        let Some(value) = members.axes.get(&*axis.name) else { continue };
        let Some(method) = axis.values.iter().position(|other| other == *value) else { continue };
        let mut key = vec![members.data.clone(), members.rows[0].0.split.to_owned()];
        let others = members.axes.iter().filter(|(other, _)| **other != axis.name);
        key.extend(others.map(|(axis, value)| format!("{axis}={value}")));
        let section = settings.entry((members.evaluation().to_owned(), members.name().to_owned())).or_default();
        section.entry(key.join("\n")).or_insert_with(|| vec![None; axis.values.len()])[method] = Some(place);
    }
    settings.into_iter().map(|(section, settings)| (section, settings.into_values().collect())).collect()
}

fn replicate<'a>(members: &Members<'a>, row: &'a Row) -> Replicate<'a> {
    let left_out = row.axes.iter().filter(|(axis, _)| !members.axes.contains_key(axis.as_str()));
    left_out.map(|(axis, value)| (axis.as_str(), value)).collect()
}

/// The rows of the replicates that all of some groups have, one a group; rows that diverged are none. A row that an axis
/// does not reach stands in for all its values.
fn common<'a>(groups: &[&Members<'a>]) -> Vec<Vec<(&'a Evaluation, &'a Row)>> {
    let of_group = |members: &&Members<'a>| -> Vec<(Replicate<'a>, &'a Evaluation, &'a Row)> {
        let finite = members.rows.iter().filter(|(_, row, _)| !row.metrics.has_diverged());
        finite.map(|(evaluation, row, _)| (replicate(members, row), *evaluation, *row)).collect()
    };
    let groups: Vec<Vec<(Replicate, &Evaluation, &Row)>> = groups.iter().map(of_group).collect();
    let most = groups.iter().flatten().map(|(replicate, ..)| replicate.len()).max().unwrap_or(0);
    let targets: IndexSet<&Replicate> =
        groups.iter().flatten().map(|(replicate, ..)| replicate).filter(|replicate| replicate.len() == most).collect();
    let with_rows = |target: &Replicate<'a>| {
        let row = |group: &Vec<(Replicate<'a>, &'a Evaluation, &'a Row)>| {
            let fits = |(replicate, ..): &&(Replicate<'a>, &Evaluation, &Row)| {
                replicate.iter().all(|pair| target.contains(pair))
            };
            group.iter().find(fits).map(|(_, evaluation, row)| (*evaluation, *row))
        };
        groups.iter().map(row).collect::<Option<Vec<_>>>()
    };
    targets.into_iter().filter_map(with_rows).collect()
}

/// The rank of each group among those of its setting.
pub fn ranks(all: &[Members], manifest: &Manifest) -> Vec<Option<f64>> {
    let mut found = vec![None; all.len()];
    let Some(comparison) = manifest.report.compare else { return found };
    for setting in settings(all, &manifest.axes[comparison.axis]).into_values().flatten() {
        let Some(places) = setting.into_iter().collect::<Option<Vec<usize>>>() else { continue };
        let groups: Vec<&Members> = places.iter().map(|place| &all[*place]).collect();
        let replicates = common(&groups);
        if replicates.is_empty() {
            continue;
        }
        let accuracy = |method: usize| {
            let accuracies = replicates.iter().map(|rows| rows[method].0.accuracy(rows[method].1));
            mean(&accuracies.collect::<Vec<f64>>())
        };
        let accuracies: Vec<f64> = (0..places.len()).map(accuracy).collect();
        for (place, rank) in places.into_iter().zip(ranked(&accuracies)) {
            found[place] = Some(rank);
        }
    }
    found
}

/// What one seed made: the differences of its settings, and the networks of both sides.
#[derive(Default)]
struct OfSeed {
    differences: Vec<f64>,
    networks: [BTreeSet<Digest>; 2],
}

/// The accuracy of one method minus another's over all settings. Seeds that made the same networks on either side are one.
fn difference(all: &[Members], settings: &[Setting], method: usize, against: usize) -> Option<Difference> {
    let mut seeds: IndexMap<Option<usize>, OfSeed> = IndexMap::new();
    for setting in settings {
        let Some((own, other)) = setting[method].zip(setting[against]) else { continue };
        for rows in common(&[&all[own], &all[other]]) {
            let [(own, own_row), (other, other_row)] = rows[..] else { continue };
            let of_seed = seeds.entry(own_row.seed.or(other_row.seed)).or_default();
            // Counts of the same images, so that equal counts differ by nothing.
            of_seed.differences.push(match own.images == other.images {
                true => own.difference(own_row, other_row),
                false => own.accuracy(own_row) - other.accuracy(other_row),
            });
            of_seed.networks[0].insert(own_row.identity);
            of_seed.networks[1].insert(other_row.identity);
        }
    }
    let mut units: Vec<OfSeed> = Vec::new();
    for seed in seeds.into_values() {
        let same = |unit: &&mut OfSeed| (0..2).any(|side| unit.networks[side] == seed.networks[side]);
        match units.iter_mut().find(same) {
            Some(unit) => unit.differences.extend(seed.differences),
            None => units.push(seed),
        }
    }
    let pairs = units.iter().map(|unit| unit.differences.len()).sum();
    Difference::of(&units.iter().map(|unit| mean(&unit.differences)).collect::<Vec<f64>>(), pairs)
}

/// What `[report] compare` asks for, for each section whose models the axis reaches.
pub fn compared(evaluations: &[Evaluation], manifest: &Manifest) -> Vec<Compared> {
    let Some(comparison) = manifest.report.compare else { return Vec::new() };
    let axis = &manifest.axes[comparison.axis];
    let all = members(evaluations, manifest);
    let ranks = ranks(&all, manifest);
    let of_section = |((evaluation, name), settings): ((String, String), Vec<Setting>)| {
        let method = |(method, label): (usize, &String)| {
            let ranks: Vec<f64> = settings.iter().filter_map(|setting| ranks[setting[method]?]).collect();
            let against = comparison.against.filter(|against| *against != method);
            Method {
                label: label.clone(),
                settings: ranks.len(),
                rank: (!ranks.is_empty()).then(|| mean(&ranks)),
                wins: ranks.iter().filter(|rank| **rank < 1.5).count(),
                versus: against.and_then(|against| difference(&all, &settings, method, against)),
            }
        };
        let mut methods: Vec<Method> = axis.labels.iter().enumerate().map(method).collect();
        adjust(methods.iter_mut().filter_map(|method| method.versus.as_mut()));
        methods.sort_by(|a, b| a.rank.unwrap_or(f64::MAX).total_cmp(&b.rank.unwrap_or(f64::MAX)));
        let against = comparison.against.map(|value| axis.labels[value].clone());
        Compared { evaluation, name, axis: axis.name.clone(), against, methods }
    };
    settings(&all, axis).into_iter().map(of_section).collect()
}
