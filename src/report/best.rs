//! The best networks of a sweep, with the commands that export them.
//!
//! Two are named for each table: the most accurate, and the smallest that keeps the reference's accuracy within a point.
//! They are chosen on the validation split where something is evaluated on it. Networks that collapsed, diverged or fail
//! what `[expect]` says of them are none. Of the networks of a group, which differ in their seed, the most accurate is
//! the one to export.

use super::expect::{Checked, Verdict};
use super::groups::{Group, Members, groups, is_swept, members};
use super::results::Evaluation;
use super::table::{accuracy, label};
use crate::manifest::Manifest;
use crate::stage::Split;

/// How much of the reference's accuracy the smallest may lose.
const TOLERANCE: f64 = 0.01;

/// How many tables it is said for.
const TABLES: usize = 4;

/// A network that is the best in some way.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// In which way.
    pub why: String,
    /// The networks that were taken together, as they are named without their seeds.
    pub group: String,
    /// Their accuracy as it is shown.
    pub accuracy: String,
    /// The stage to export.
    pub stage: String,
    /// The section that made it.
    pub template: String,
    /// The section that evaluated it, and the part of the data that it looked at.
    pub evaluation: (String, &'static str),
}

/// The best networks, table by table; none without a sweep.
pub fn best(evaluations: &[Evaluation], manifest: &Manifest, checked: &[Checked]) -> Vec<Best> {
    if !is_swept(evaluations) {
        return Vec::new();
    }
    let groups = groups(evaluations, manifest);
    let members = members(evaluations, manifest);
    let all: Vec<(&Group, &Members)> = groups.iter().zip(&members).collect();
    let mut tables: Vec<Vec<(&Group, &Members)>> = Vec::new();
    for one in all.into_iter().filter(|(group, _)| is_candidate(group, checked)) {
        let is_of = |(other, _): &(&Group, &Members)| {
            (&other.evaluation, &other.data, other.split) == (&one.0.evaluation, &one.0.data, one.0.split)
        };
        match tables.iter_mut().find(|table| is_of(&table[0])) {
            Some(table) => table.push(one),
            None => tables.push(vec![one]),
        }
    }
    let on_validation = |table: &Vec<(&Group, &Members)>| table[0].0.split == Split::Validation.name();
    if tables.iter().any(on_validation) {
        tables.retain(on_validation);
    }
    tables.retain(|table| table.len() > 1);
    tables.iter().take(TABLES).flat_map(|table| of_table(table, &groups)).collect()
}

fn is_candidate(group: &Group, checked: &[Checked]) -> bool {
    let fails = |checked: &Checked| {
        checked.verdict == Verdict::Fail && checked.model == group.name && checked.axes == group.axes
    };
    let is_sound = group.collapsed == 0 && group.diverged == 0 && group.values.contains_key("top1");
    is_sound && !group.reference && !group.axes.is_empty() && !checked.iter().any(fails)
}

fn of_table(table: &[(&Group, &Members)], groups: &[Group]) -> Vec<Best> {
    let mean = |group: &Group, name: &str| group.values.get(name).map_or(f64::NAN, |summary| summary.mean);
    let size = |group: &Group| mean(group, "bytes");
    // Of equals the smaller, then the first.
    let better = |a: &&(&Group, &Members), b: &&(&Group, &Members)| {
        let by_accuracy = mean(a.0, "top1").total_cmp(&mean(b.0, "top1"));
        by_accuracy.then(size(b.0).total_cmp(&size(a.0))).then(std::cmp::Ordering::Greater)
    };
    let mut found: Vec<Best> = Vec::new();
    found.extend(table.iter().max_by(better).map(|one| named("most accurate".to_owned(), one)));
    let first = table[0].0;
    let reference = groups.iter().find(|group| {
        group.reference
            && (&group.evaluation, &group.data, group.split) == (&first.evaluation, &first.data, first.split)
    });
    if let Some(reference) = reference {
        let keeps = |group: &Group| match &group.versus {
            Some(versus) => versus.top1.difference >= -TOLERANCE - 1e-12 && size(group) < size(reference),
            None => false,
        };
        let smaller = |a: &&(&Group, &Members), b: &&(&Group, &Members)| {
            size(a.0).total_cmp(&size(b.0)).then(mean(b.0, "top1").total_cmp(&mean(a.0, "top1")))
        };
        let smallest = table.iter().filter(|(group, _)| keeps(group)).min_by(smaller);
        let why = format!("smallest within a point of {}", reference.name);
        found.extend(smallest.map(|one| named(why, one)));
    }
    found
}

fn named(why: String, (group, members): &(&Group, &Members)) -> Best {
    let rows = || members.rows.iter().rev();
    let best = rows().max_by(|a, b| a.0.accuracy(a.1).total_cmp(&b.0.accuracy(b.1)));
    let axes: Vec<String> = group.axes.iter().map(|(axis, value)| format!("{axis}={}", label(value))).collect();
    Best {
        why,
        group: format!("{}[{}]", group.name, axes.join(",")),
        accuracy: accuracy(group),
        stage: best.map_or(String::new(), |(_, row, _)| row.model.clone()),
        template: group.name.clone(),
        evaluation: (group.evaluation.clone(), group.split),
    }
}

/// The command that exports a stage's network.
pub fn command(path: &str, stage: &str, template: &str) -> String {
    format!("pleach export {} {} -o {template}.safetensors", quoted(path), quoted(stage))
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The best networks as text; `path` is the manifest's.
pub fn text(all: &[Best], path: &str) -> String {
    let mut out = String::new();
    let mut before = None;
    for best in all {
        if before != Some(&best.evaluation) {
            let (evaluation, split) = &best.evaluation;
            let chosen =
                if *split == Split::Test.name() { ", which the choice makes look better than they are" } else { "" };
            out.push_str(&format!("best networks of {evaluation}, by their accuracy on {split} images{chosen}\n"));
            before = Some(&best.evaluation);
        }
        out.push_str(&format!("  {}: {}, {}\n", best.why, best.group, best.accuracy));
        out.push_str(&format!("    {}\n", command(path, &best.stage, &best.template)));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}
