//! A sweep in short: results that differ only in their seed taken together, and methods held against each other.

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;
use serde_json::Value;

use super::results::{Evaluation, Placed, Row, rows};
use super::statistics::{Difference, Summary, ranks};
use crate::manifest::Manifest;
use crate::manifest::matrix::SEED;
use crate::stage::evaluate::{ANSWERS, ModelMetrics};

/// Results of one section's models that differ in no axis that counts.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Group {
    /// The section that evaluated them.
    pub evaluation: String,
    /// The section that made them.
    pub name: String,
    /// The axes that count, with their values.
    pub axes: IndexMap<String, Value>,
    /// The seeds that were taken together.
    pub seeds: Vec<Value>,
    /// Whether the others are compared with these.
    pub reference: bool,
    /// How many of them answer no better than chance.
    pub collapsed: usize,
    /// How many of those have logits that are not finite. They are in no value, share or difference, unless all of them
    /// are: then what does not depend on answers is shown.
    pub diverged: usize,
    /// Every measure.
    pub values: IndexMap<String, Summary>,
    /// Parameters, those that are not zero, and MACs as shares of the reference's.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub shares: IndexMap<String, f64>,
    /// The accuracy against the reference's, pair by pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versus: Option<Versus>,
    /// The rank among the methods that `[report] compare` holds against each other, in this setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<f64>,
}

/// A difference of accuracy, pair by pair.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Versus {
    /// What it is against.
    pub name: String,
    /// The share of right answers, minus the other's.
    pub top1: Difference,
}

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
    /// In how many settings it was ranked: in those that have all methods.
    pub settings: usize,
    /// The mean of its ranks by accuracy, from 1; absent where there is no such setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<f64>,
    /// In how many it was the best.
    pub wins: usize,
    /// Its accuracy minus that of `against` with the same seed in the same setting, over all pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versus: Option<Difference>,
}

type Size = fn(&ModelMetrics) -> u64;

/// Sizes that are shown as shares of the reference's.
const SIZES: [(&str, Size); 3] = [
    ("parameters", |metrics| metrics.parameters),
    ("nonzeros", |metrics| metrics.nonzeros),
    ("macs", |metrics| metrics.macs),
];

/// Whether results need to be taken together: whether axes reach what was evaluated.
pub fn is_swept(evaluations: &[Evaluation]) -> bool {
    evaluations.iter().any(|evaluation| evaluation.models.iter().any(|row| !row.axes.is_empty()))
}

/// The groups, in the order of the manifest.
pub fn groups(evaluations: &[Evaluation], manifest: &Manifest) -> Vec<Group> {
    let counts = |axis: &str| match &manifest.report.group_by {
        Some(axes) => axes.iter().any(|place| manifest.axes[*place].name == axis),
        None => axis != SEED,
    };
    let mut members: IndexMap<String, Vec<Placed>> = IndexMap::new();
    for placed in rows(evaluations) {
        members.entry(key(placed.0, placed.1, &counts)).or_default().push(placed);
    }
    let group = |members: Vec<Placed>| {
        let (evaluation, first, references) = &members[0];
        let reference = references.first().copied();
        let mut measured: IndexMap<&str, Vec<f64>> = IndexMap::new();
        let diverged = members.iter().filter(|(_, row, _)| row.metrics.has_diverged()).count();
        let all_diverged = diverged == members.len();
        let compared = || members.iter().filter(|(_, row, _)| all_diverged || !row.metrics.has_diverged());
        for (name, value) in compared().flat_map(|(_, row, _)| row.values()) {
            if !(all_diverged && ANSWERS.contains(&name)) {
                measured.entry(name).or_default().push(value);
            }
        }
        let is_reference = reference.is_some_and(|reference| reference.template == first.template);
        let pairs: Vec<(&ModelMetrics, &ModelMetrics)> = compared()
            .flat_map(|(_, row, references)| references.iter().map(|reference| (&row.metrics, &reference.metrics)))
            .collect();
        let finite = pairs.iter().filter(|(own, reference)| !own.has_diverged() && !reference.has_diverged());
        let differences: Vec<f64> = finite.map(|(own, reference)| own.top1 - reference.top1).collect();
        let share = |(name, of): (&str, Size)| {
            let shares: Vec<f64> = pairs.iter().map(|(own, reference)| of(own) as f64 / of(reference) as f64).collect();
            Some((name.to_owned(), Summary::of(&shares)?.mean)).filter(|(_, share)| share.is_finite())
        };
        // One network held against several is one network: how others of its kind would do is not known.
        let known = |difference: Difference| match members.len() - diverged {
            1 => Difference { interval: None, p: None, ..difference },
            _ => difference,
        };
        let versus = reference.filter(|_| !is_reference).and_then(|reference| {
            Some(Versus { name: reference.template.clone(), top1: known(Difference::of(&differences)?) })
        });
        let summary = |(name, values): (&str, Vec<f64>)| Some((name.to_owned(), Summary::of(&values)?));
        Group {
            evaluation: evaluation.template.clone(),
            name: first.template.clone(),
            axes: first.axes.iter().filter(|(axis, _)| counts(axis)).map(|(a, v)| (a.clone(), v.clone())).collect(),
            seeds: members.iter().filter_map(|(_, row, _)| row.axes.get(SEED).cloned()).collect(),
            reference: is_reference,
            diverged,
            collapsed: members.iter().filter(|(_, row, _)| row.metrics.has_collapsed()).count(),
            values: measured.into_iter().filter_map(summary).collect(),
            shares: SIZES.into_iter().filter_map(share).collect(),
            versus,
            rank: None,
        }
    };
    let mut groups: Vec<Group> = members.into_values().map(group).collect();
    rank(&mut groups, manifest);
    groups
}

fn key(evaluation: &Evaluation, row: &Row, counts: &dyn Fn(&str) -> bool) -> String {
    let axes = row.axes.iter().filter(|(axis, _)| counts(axis)).map(|(axis, value)| format!("{axis}={value}"));
    let mut parts = vec![evaluation.template.clone(), row.template.clone()];
    parts.extend(axes);
    parts.join("\n")
}

/// The setting of a group: everything but the compared axis.
fn setting(group: &Group, axis: &str) -> String {
    let others = group.axes.iter().filter(|(other, _)| *other != axis).map(|(axis, value)| format!("{axis}={value}"));
    format!("{}\n{}\n{}", group.evaluation, group.name, others.collect::<Vec<_>>().join("\n"))
}

fn accuracy(group: &Group) -> f64 {
    group.values.get("top1").map_or(f64::NAN, |summary| summary.mean)
}

/// Notes the rank of each group among those of its setting.
fn rank(groups: &mut [Group], manifest: &Manifest) {
    let Some(comparison) = manifest.report.compare else { return };
    let axis = &manifest.axes[comparison.axis];
    let mut settings: IndexMap<String, Vec<usize>> = IndexMap::new();
    for (index, group) in groups.iter().enumerate().filter(|(_, group)| group.axes.contains_key(&axis.name)) {
        settings.entry(setting(group, &axis.name)).or_default().push(index);
    }
    for members in settings.into_values().filter(|members| members.len() == axis.labels.len()) {
        let accuracies: Vec<f64> = members.iter().map(|index| accuracy(&groups[*index])).collect();
        // A method of which nothing is finite has no rank, and the others none that would say the same as elsewhere.
        if accuracies.iter().any(|accuracy| accuracy.is_nan()) {
            continue;
        }
        for (index, rank) in members.into_iter().zip(ranks(&accuracies)) {
            groups[index].rank = Some(rank);
        }
    }
}

/// What `[report] compare` asks for, for each section whose models the axis reaches.
pub fn compared(evaluations: &[Evaluation], groups: &[Group], manifest: &Manifest) -> Vec<Compared> {
    let Some(comparison) = manifest.report.compare else { return Vec::new() };
    let axis = &manifest.axes[comparison.axis];
    let reached = groups.iter().filter(|group| group.axes.contains_key(&axis.name));
    let sections: IndexSet<(&str, &str)> =
        reached.clone().map(|group| (group.evaluation.as_str(), group.name.as_str())).collect();
    let against = comparison.against.map(|value| axis.labels[value].clone());
    let rows = rows(evaluations);
    let of_section = |(evaluation, name): (&str, &str)| {
        let is_in = |group: &&Group| group.evaluation == evaluation && group.name == name;
        let mut methods: Vec<Method> = Vec::new();
        for (label, value) in axis.labels.iter().zip(&axis.values) {
            let with_value = reached.clone().filter(is_in).filter(|group| group.axes[&axis.name] == *value);
            let ranks: Vec<f64> = with_value.filter_map(|group| group.rank).collect();
            let rank = Summary::of(&ranks).map(|summary| summary.mean);
            let wins = ranks.iter().filter(|rank| **rank < 1.5).count();
            methods.push(Method { label: label.clone(), settings: ranks.len(), rank, wins, versus: None });
        }
        if let Some(against) = comparison.against {
            // What two rows of one pair have in common: everything but the axis.
            let mut pairs: IndexMap<String, IndexMap<String, f64>> = IndexMap::new();
            let members = rows.iter().filter(|(e, row, _)| e.template == evaluation && row.template == name);
            let members = members.filter(|(_, row, _)| !row.metrics.has_diverged());
            for (_, row, _) in members {
                let Some(value) = row.axes.get(&axis.name) else { continue };
                let others = row.axes.iter().filter(|(other, _)| **other != axis.name);
                let others: Vec<String> = others.map(|(axis, value)| format!("{axis}={value}")).collect();
                pairs.entry(others.join("\n")).or_default().insert(value.to_string(), row.metrics.top1);
            }
            let of_value = |value: usize| axis.values[value].to_string();
            for (value, method) in methods.iter_mut().enumerate().filter(|(value, _)| *value != against) {
                let difference =
                    |pair: &IndexMap<String, f64>| Some(pair.get(&of_value(value))? - pair.get(&of_value(against))?);
                let differences: Vec<f64> = pairs.values().filter_map(difference).collect();
                method.versus = Difference::of(&differences);
            }
        }
        methods.sort_by(|a, b| a.rank.unwrap_or(f64::MAX).total_cmp(&b.rank.unwrap_or(f64::MAX)));
        let (evaluation, name) = (evaluation.to_owned(), name.to_owned());
        Compared { evaluation, name, axis: axis.name.clone(), against: against.clone(), methods }
    };
    sections.into_iter().map(of_section).collect()
}
