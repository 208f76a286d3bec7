//! Results that differ only in their seed taken together.
//!
//! What is counted is what is independent: a seed, and of seeds that made the same networks only one. Where `group-by` leaves
//! out more than the seed, what one seed made is averaged before anything is counted.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;
use serde_json::Value;

use super::compared;
use super::results::{Evaluation, Placed, Row, rows};
use super::statistics::{Difference, Interval, Summary, adjust, mean};
use super::times::{TIMES, conditions};
use crate::manifest::Manifest;
use crate::manifest::matrix::template_of;
use crate::stage::evaluate::{ANSWERS, MEASURES, ModelMetrics, SHARES};
use crate::stage::timing::are_alike;
use crate::store::Digest;

/// Results of one section's models that differ in no axis that counts.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Group {
    /// The section that evaluated them.
    pub evaluation: String,
    /// The section that made them.
    pub name: String,
    /// The data set, with the axes that make it another one.
    pub data: String,
    /// The part of it that was looked at.
    pub split: &'static str,
    /// How many images that is.
    pub images: u64,
    /// The axes that count, with their values.
    pub axes: IndexMap<String, Value>,
    /// The seeds that were taken together.
    pub seeds: Vec<Value>,
    /// How many of them are independent: seeds that made the same networks count once.
    pub n: usize,
    /// How many different networks there are.
    pub networks: usize,
    /// Whether the others are compared with these.
    pub reference: bool,
    /// How many of the networks have collapsed.
    pub collapsed: usize,
    /// How many of those have logits that are not finite. They are in no value, share or difference and not in `n`, unless
    /// all of them are: then what does not depend on answers is shown.
    pub diverged: usize,
    /// The conditions under which times were measured. Where those of its networks are unlike, there are no means of them.
    pub times: IndexSet<String>,
    /// Every measure.
    pub values: IndexMap<String, Summary>,
    /// Parameters, those that are not zero, and MACs as shares of the reference's.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub shares: IndexMap<String, f64>,
    /// The accuracy against the reference's, seed by seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versus: Option<Versus>,
    /// The rank among the methods that `[report] compare` holds against each other, in this setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<f64>,
    /// The reference, and whether its logits are finite; `None` without one.
    #[serde(skip)]
    pub against: Option<(String, bool)>,
    /// How many classes there are.
    #[serde(skip)]
    pub classes: usize,
    /// Whether the classes have different numbers of images.
    #[serde(skip)]
    pub uneven: bool,
}

/// A difference of accuracy, seed by seed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Versus {
    /// What it is against.
    pub name: String,
    /// The share of right answers, minus the other's.
    pub top1: Difference,
}

type Size = fn(&ModelMetrics) -> u64;

/// Sizes that are shown as shares of the reference's.
const SIZES: [(&str, Size); 3] = [
    ("parameters", |metrics| metrics.parameters),
    ("nonzeros", |metrics| metrics.nonzeros),
    ("macs", |metrics| metrics.macs),
];

/// The rows of one group.
pub struct Members<'a> {
    /// The data set, with the axes that make it another one.
    pub data: String,
    /// The axes that count, with their values.
    pub axes: IndexMap<&'a str, &'a Value>,
    /// The rows, at least one.
    pub rows: Vec<Placed<'a>>,
}

impl Members<'_> {
    /// The section that evaluated them.
    pub fn evaluation(&self) -> &str {
        &self.rows[0].0.template
    }

    /// The section that made them.
    pub fn name(&self) -> &str {
        &self.rows[0].1.template
    }
}

/// Whether axes reach what was evaluated.
pub fn is_swept(evaluations: &[Evaluation]) -> bool {
    evaluations.iter().any(|evaluation| evaluation.models.iter().any(|row| !row.axes.is_empty()))
}

/// Whether an axis tells groups apart: of seeds only one that the manifest asks for.
pub fn counts(axis: &str, manifest: &Manifest) -> bool {
    let place = manifest.axes.iter().position(|other| other.name == axis);
    place.map_or(manifest.report.group_by.is_none(), |place| manifest.tells_apart(place))
}

fn is_seed(axis: &str, manifest: &Manifest) -> bool {
    manifest.axes.iter().any(|other| other.name == axis && other.is_seed())
}

/// Whether an axis holds seeds that groups are taken together over.
pub fn is_averaged(axis: &str, manifest: &Manifest) -> bool {
    is_seed(axis, manifest) && !counts(axis, manifest)
}

/// The rows, group by group, in the order of the manifest.
pub fn members<'a>(evaluations: &'a [Evaluation], manifest: &Manifest) -> Vec<Members<'a>> {
    let data = sets(evaluations, manifest);
    let mut all: IndexMap<String, Members> = IndexMap::new();
    for placed in rows(evaluations) {
        let (evaluation, row, _) = &placed;
        let data = &data[&(&*evaluation.template, evaluation.split, label(&evaluation.data, manifest))];
        let axes: IndexMap<&str, &Value> =
            row.axes.iter().filter(|(axis, _)| counts(axis, manifest)).map(|(axis, value)| (&**axis, value)).collect();
        let mut key =
            vec![evaluation.template.clone(), evaluation.split.to_owned(), data.clone(), row.template.clone()];
        key.extend(axes.iter().map(|(axis, value)| format!("{axis}={value}")));
        let members = all.entry(key.join("\n"));
        members.or_insert_with(|| Members { data: data.clone(), axes, rows: Vec::new() }).rows.push(placed);
    }
    all.into_values().collect()
}

/// The name of a data set with only those of its axes that tell groups apart: `digits[share=0.1]`.
fn label(data: &str, manifest: &Manifest) -> String {
    let template = template_of(data);
    let inside = data[template.len()..].trim_start_matches('[').trim_end_matches(']').split(',');
    let kept = inside.filter(|pair| pair.split_once('=').is_some_and(|(axis, _)| counts(axis, manifest)));
    match &kept.collect::<Vec<&str>>()[..] {
        [] => template.to_owned(),
        kept => format!("{template}[{}]", kept.join(",")),
    }
}

/// What tables call the set that a section looks at a part of, by its label.
type Sets<'a> = BTreeMap<(&'a str, &'static str, String), String>;

/// Labels that stand for the same images are one set: its name, where all labels of a section do.
fn sets<'a>(evaluations: &'a [Evaluation], manifest: &Manifest) -> Sets<'a> {
    let mut images: IndexMap<(&str, &'static str), IndexMap<String, BTreeSet<&str>>> = IndexMap::new();
    for evaluation in evaluations {
        let labels = images.entry((&evaluation.template, evaluation.split)).or_default();
        labels.entry(label(&evaluation.data, manifest)).or_default().insert(&evaluation.set);
    }
    let mut sets = Sets::new();
    for ((section, split), labels) in images {
        let is_one = labels.values().all(|images| *images == labels[0]);
        for (label, images) in &labels {
            let first = labels.iter().find(|(_, others)| *others == images).map_or(label, |(first, _)| first);
            let name = if is_one { template_of(first) } else { first };
            sets.insert((section, split, label.clone()), name.to_owned());
        }
    }
    sets
}

/// The rows seed by seed; seeds that made the same networks are one. What no seed reaches belongs to each.
fn by_seed<'b, 'a>(rows: &'b [Placed<'a>]) -> Vec<Vec<&'b Placed<'a>>> {
    let mut seeds: IndexMap<usize, Vec<&Placed>> = IndexMap::new();
    let mut others: Vec<&Placed> = Vec::new();
    for placed in rows {
        match placed.1.seed {
            Some(seed) => seeds.entry(seed).or_default().push(placed),
            None => others.push(placed),
        }
    }
    if seeds.is_empty() {
        return vec![others];
    }
    let mut units: IndexMap<BTreeSet<Digest>, Vec<&Placed>> = IndexMap::new();
    for mut members in seeds.into_values() {
        members.extend(&others);
        units.entry(members.iter().map(|(_, row, _)| row.identity).collect()).or_default().extend(members);
    }
    units.into_values().collect()
}

/// The groups, in the order of the manifest.
pub fn groups(evaluations: &[Evaluation], manifest: &Manifest) -> Vec<Group> {
    let members = members(evaluations, manifest);
    let ranks = compared::ranks(&members, manifest);
    let mut groups: Vec<Group> =
        members.iter().zip(ranks).map(|(members, rank)| group(members, rank, manifest)).collect();
    let tables: BTreeSet<(String, String)> =
        groups.iter().map(|group| (group.evaluation.clone(), group.data.clone())).collect();
    for (evaluation, data) in tables {
        let of_table = groups.iter_mut().filter(|group| group.evaluation == evaluation && group.data == data);
        adjust(of_table.filter_map(|group| Some(&mut group.versus.as_mut()?.top1)));
    }
    groups
}

/// The groups table by table: those of one section that look at the same images.
pub fn tables(groups: &[Group]) -> Vec<Vec<&Group>> {
    let mut tables: IndexMap<(&str, &str, &str), Vec<&Group>> = IndexMap::new();
    for group in groups {
        tables.entry((&group.evaluation, &group.data, group.split)).or_default().push(group);
    }
    tables.into_values().collect()
}

fn group(members: &Members, rank: Option<f64>, manifest: &Manifest) -> Group {
    let (evaluation, first, references) = &members.rows[0];
    let finite: Vec<Placed> = members.rows.iter().filter(|(_, row, _)| !row.metrics.has_diverged()).cloned().collect();
    let all_diverged = finite.is_empty();
    let rows = if all_diverged { &members.rows } else { &finite };
    let reference = references.first().copied();
    let is_reference = reference.is_some_and(|reference| reference.template == first.template);
    let units = by_seed(rows);
    let distinct: IndexMap<Digest, &Row> = members.rows.iter().map(|(_, row, _)| (row.identity, *row)).collect();

    let alike = are_alike(rows.iter().map(|(_, row, _)| &row.timing));
    let mut measured: IndexMap<String, Vec<f64>> = IndexMap::new();
    for unit in &units {
        let mut of_unit: IndexMap<&str, Vec<f64>> = IndexMap::new();
        // In expressions only: it is another name of `top1`.
        let shown = |name: &str| name != "accuracy" && !(all_diverged && ANSWERS.contains(&name));
        let values = unit.iter().flat_map(|(_, row, _)| row.values()).filter(|(name, _)| shown(name));
        for (name, value) in values {
            of_unit.entry(name).or_default().push(value);
        }
        for (name, values) in of_unit {
            if alike || !TIMES.contains(&name) {
                measured.entry(name.to_owned()).or_default().push(mean(&values));
            }
        }
    }
    let summary = |(name, values): (String, Vec<f64>)| {
        let summary = Summary::of(&values)?;
        let interval = summary.interval.map(|interval| possible(&name, interval));
        Some((name, Summary { interval, ..summary }))
    };

    let against = |(evaluation, row, references): &&Placed| -> Option<f64> {
        let finite = references.iter().filter(|reference| !reference.metrics.has_diverged());
        let differences: Vec<f64> = finite.map(|reference| evaluation.difference(row, reference)).collect();
        (!differences.is_empty()).then(|| mean(&differences))
    };
    let differences: Vec<f64> = units
        .iter()
        .map(|unit| unit.iter().filter_map(against).collect::<Vec<f64>>())
        .filter(|differences| !differences.is_empty())
        .map(|differences| mean(&differences))
        .collect();
    let pairs: Vec<(&ModelMetrics, &ModelMetrics)> = rows
        .iter()
        .flat_map(|(_, row, references)| references.iter().map(|reference| (&row.metrics, &reference.metrics)))
        .collect();
    let versus = reference.filter(|_| !is_reference && !all_diverged).and_then(|reference| {
        Some(Versus { name: reference.template.clone(), top1: Difference::of(&differences, pairs.len())? })
    });
    let share = |(name, of): (&str, Size)| {
        let shares: Vec<f64> = pairs.iter().map(|(own, reference)| of(own) as f64 / of(reference) as f64).collect();
        Some((name.to_owned(), Summary::of(&shares)?.mean)).filter(|(_, share)| share.is_finite())
    };
    let owned = |(axis, value): (&&str, &&Value)| ((*axis).to_owned(), (*value).clone());
    let seed = |row: &Row| row.axes.iter().find(|(axis, _)| is_seed(axis, manifest)).map(|(_, seed)| seed.clone());
    let mut seeds: Vec<Value> = Vec::new();
    for seed in members.rows.iter().filter_map(|(_, row, _)| seed(row)) {
        if !seeds.contains(&seed) {
            seeds.push(seed);
        }
    }
    Group {
        evaluation: evaluation.template.clone(),
        name: first.template.clone(),
        data: members.data.clone(),
        split: evaluation.split,
        images: rows.iter().map(|(evaluation, ..)| evaluation.images).min().unwrap_or(0),
        axes: members.axes.iter().map(owned).collect(),
        seeds,
        n: if all_diverged { 0 } else { units.len() },
        networks: distinct.len(),
        reference: is_reference,
        collapsed: distinct.values().filter(|row| row.collapsed).count(),
        diverged: distinct.values().filter(|row| row.metrics.has_diverged()).count(),
        values: measured.into_iter().filter_map(summary).collect(),
        shares: SIZES.into_iter().filter_map(share).collect(),
        versus,
        times: rows.iter().map(|(_, row, _)| conditions(&row.timing)).collect(),
        rank,
        against: reference.map(|reference| (reference.template.clone(), !reference.metrics.has_diverged())),
        classes: first.metrics.per_class.len(),
        uneven: evaluation.is_uneven(),
    }
}

/// An interval without what a measure cannot be: none is negative, and no share is above 1.
pub fn possible(name: &str, interval: Interval) -> Interval {
    let low = if MEASURES.contains(&name) { interval.low.max(0.0) } else { interval.low };
    let high = if SHARES.contains(&name) { interval.high.min(1.0) } else { interval.high };
    Interval { low, high }
}
