//! What `[expect]` says held against the results that are there.
//!
//! A line holds for every setting of its networks by itself: seeds are taken together, other axes are not. Where some
//! evaluation looks at the test split, only those do that look at it. Under a search, only what it found is looked at.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use super::count;
use super::groups::{Group, counts, groups, possible};
use super::results::{Evaluation, axes_of};
use super::statistics::{Interval, Summary};
use super::table::{aligned, empty, label};
use super::times::TIMES;
use crate::error::{Error, Kind};
use crate::manifest::expectation::{Bound, Expectation};
use crate::manifest::matrix::{Coordinate, template_of};
use crate::manifest::{Manifest, Stage};
use crate::plan::search::Decision;
use crate::stage::evaluate::OF_REFERENCE;
use crate::stage::{Parameters, Split};

/// What came of an expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is as expected.
    Pass,
    /// It is not.
    Fail,
    /// Nothing says which: results are missing, or the confidence interval has the limit inside.
    Undecided,
    /// No evaluation of these networks was asked for.
    NotAsked,
}

impl Verdict {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Undecided => "undecided",
            Verdict::NotAsked => "not asked",
        }
    }
}

/// An expectation of the networks of one setting.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Checked {
    /// What came of it.
    pub verdict: Verdict,
    /// The section that made the networks.
    pub model: String,
    /// The axes that tell settings apart, with their values.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub axes: IndexMap<String, Value>,
    /// The section that evaluated them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<String>,
    /// The data set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The part of it that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<&'static str>,
    /// What is measured.
    pub measure: String,
    /// What is expected, as it is written.
    pub expected: String,
    /// The limit; per cent as a share.
    pub limit: f64,
    /// How many independent networks were measured.
    pub n: usize,
    /// The mean.
    pub value: Option<f64>,
    /// Where the interval begins, if a level is given.
    pub low: Option<f64>,
    /// Where it ends.
    pub high: Option<f64>,
    /// Why it is not a pass, where the numbers do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Whether the limit is written in per cent.
    #[serde(skip)]
    in_percent: bool,
}

/// The networks of one setting that a section evaluates: what tells it apart, and each network with its data set.
struct Cell<'a> {
    evaluation: &'a str,
    split: &'static str,
    axes: IndexMap<String, Value>,
    /// Coordinates of one of the networks.
    coordinates: &'a [Coordinate],
    networks: BTreeSet<(&'a str, &'a str)>,
}

/// Holds every line of `[expect]` against the evaluations. `asked` are the stages of the run or report, and `decision` is
/// what the manifest's search has come to.
pub fn check(
    manifest: &Manifest,
    evaluations: &[Evaluation],
    asked: &[usize],
    decision: Option<&Decision>,
) -> Vec<Checked> {
    if manifest.expectations.is_empty() {
        return Vec::new();
    }
    let groups = groups(evaluations, manifest);
    let mut by_cell: IndexMap<String, Vec<&Group>> = IndexMap::new();
    for group in &groups {
        by_cell.entry(place(&group.evaluation, group.split, &group.name, &group.axes)).or_default().push(group);
    }
    let measured: BTreeSet<(&str, &str)> = evaluations
        .iter()
        .flat_map(|evaluation| evaluation.models.iter().map(|row| (row.model.as_str(), evaluation.data.as_str())))
        .collect();
    let mut all = Vec::new();
    for expectation in &manifest.expectations {
        let before = all.len();
        for cell in cells(manifest, expectation, asked) {
            let blank = Checked {
                axes: cell.axes.clone(),
                evaluation: Some(cell.evaluation.to_owned()),
                split: Some(cell.split),
                ..Checked::of(expectation)
            };
            if !is_chosen(manifest, &cell, decision) {
                continue;
            }
            let missing = cell.networks.iter().filter(|network| !measured.contains(*network)).count();
            let missing = (missing > 0).then(|| format!("{missing} of {} results are missing", cell.networks.len()));
            match by_cell.get(&place(cell.evaluation, cell.split, &expectation.section, &cell.axes)) {
                Some(groups) => {
                    all.extend(groups.iter().map(|group| blank.clone().measured(group, expectation, &missing)))
                }
                None => all.push(blank.undecided(missing)),
            }
        }
        all.extend(without_choice(manifest, expectation, decision));
        if all.len() == before {
            all.push(Checked { verdict: Verdict::NotAsked, ..Checked::of(expectation) });
        }
    }
    all
}

/// What is equal for a cell and its groups.
fn place(evaluation: &str, split: &str, name: &str, axes: &IndexMap<String, Value>) -> String {
    let axes = axes.iter().map(|(axis, value)| format!("{axis}={value}"));
    let key: Vec<String> = [evaluation, split, name].map(str::to_owned).into_iter().chain(axes).collect();
    key.join("\n")
}

/// The settings that an expectation is of, as far as they were asked for.
fn cells<'a>(manifest: &'a Manifest, expectation: &'a Expectation, asked: &[usize]) -> Vec<Cell<'a>> {
    let all: BTreeSet<usize> = (0..manifest.stages.len()).collect();
    let on_test = models(manifest, expectation, &all).any(|(_, split, _)| split == Split::Test);
    let asked: BTreeSet<usize> = asked.iter().copied().collect();
    let mut cells: IndexMap<String, Cell> = IndexMap::new();
    for (evaluation, split, (name, stage)) in models(manifest, expectation, &asked) {
        let has_part = expectation.part.iter().all(|coordinate| stage.coordinates.contains(coordinate));
        if !has_part || (on_test && split != Split::Test) {
            continue;
        }
        let mut axes = axes_of(manifest, stage);
        axes.retain(|axis, _| counts(axis, manifest));
        let cell = cells.entry(place(&evaluation.template, split.name(), &stage.template, &axes));
        let cell = cell.or_insert_with(|| Cell {
            evaluation: &evaluation.template,
            split: split.name(),
            axes,
            coordinates: &stage.coordinates,
            networks: BTreeSet::new(),
        });
        cell.networks.insert((name, evaluation.data.as_deref().unwrap_or_default()));
    }
    cells.into_values().collect()
}

/// A network of a section with a stage that evaluates it.
type Model<'a> = (&'a Stage, Split, (&'a str, &'a Stage));

/// The networks of the section that some of `asked` evaluate; where a reference is needed, with another one as reference.
fn models<'a, 'b>(
    manifest: &'a Manifest,
    expectation: &'a Expectation,
    asked: &'b BTreeSet<usize>,
) -> impl Iterator<Item = Model<'a>> + use<'a, 'b> {
    let needs_reference = OF_REFERENCE.contains(&expectation.measure.as_str());
    let evaluation = move |place: &usize| {
        let stage = &manifest.stages[*place];
        let Parameters::Evaluate { split, reference } = stage.parameters else { return None };
        let reference = reference.and_then(|place| stage.inputs.get_index(usize::try_from(place).ok()?));
        let other = reference.is_some_and(|(_, of)| template_of(&of.stage) != expectation.section);
        (other || !needs_reference).then_some((stage, split))
    };
    asked.iter().filter_map(evaluation).flat_map(move |(evaluation, split)| {
        let of = evaluation.inputs.values().filter(|reference| template_of(&reference.stage) == expectation.section);
        of.filter_map(move |reference| {
            let (name, stage) = manifest.stages.get_key_value(&reference.stage)?;
            Some((evaluation, split, (name.as_str(), stage)))
        })
    })
}

/// Whether a search found these networks, or decides nothing about them.
fn is_chosen(manifest: &Manifest, cell: &Cell, decision: Option<&Decision>) -> bool {
    let (Some(search), Some(decision)) = (&manifest.search, decision) else { return true };
    let searched = search.axes();
    if !cell.coordinates.iter().any(|(axis, _)| searched.contains(axis)) {
        return true;
    }
    decision.settings.iter().any(|setting| setting.leads_to(cell.coordinates))
}

/// An expectation of what a search has not found, or not yet: one for each of its settings.
fn without_choice(manifest: &Manifest, expectation: &Expectation, decision: Option<&Decision>) -> Vec<Checked> {
    let (Some(search), Some(decision)) = (&manifest.search, decision) else { return Vec::new() };
    let searched = search.axes();
    let is_searched = manifest.stages.values().any(|stage| {
        stage.template == expectation.section && stage.coordinates.iter().any(|(axis, _)| searched.contains(axis))
    });
    let mut all = Vec::new();
    for setting in decision.settings.iter().filter(|_| is_searched) {
        let part = expectation.part.iter().filter(|(axis, _)| !searched.contains(axis));
        let agrees = part
            .clone()
            .all(|coordinate| setting.coordinates.iter().all(|other| other.0 != coordinate.0 || other == coordinate));
        let (verdict, because) = match &setting.found {
            _ if !agrees => continue,
            None => (Verdict::Undecided, "the search goes on"),
            Some(found) if found.coordinates.is_empty() => (Verdict::Fail, "the search found nothing"),
            Some(_) => continue,
        };
        let value = |(axis, value): &Coordinate| {
            let axis = &manifest.axes[*axis];
            (axis.name.clone(), axis.values[*value].clone())
        };
        let axes = setting.coordinates.iter().map(value).collect();
        all.push(Checked { verdict, axes, because: Some(because.to_owned()), ..Checked::of(expectation) });
    }
    all
}

impl Checked {
    /// One of which nothing is known.
    fn of(expectation: &Expectation) -> Self {
        let Expectation { section, measure, bound, .. } = expectation;
        Self {
            verdict: Verdict::Undecided,
            model: section.clone(),
            axes: IndexMap::new(),
            evaluation: None,
            data: None,
            split: None,
            measure: measure.clone(),
            expected: bound.text.clone(),
            limit: bound.limit,
            n: 0,
            value: None,
            low: None,
            high: None,
            because: None,
            in_percent: bound.in_percent,
        }
    }

    fn undecided(self, because: Option<String>) -> Self {
        Self { verdict: Verdict::Undecided, because, ..self }
    }

    /// With what was measured of a group. What diverged is never what is expected.
    fn measured(mut self, group: &Group, expectation: &Expectation, missing: &Option<String>) -> Self {
        self.data = Some(group.data.clone());
        self.n = group.n;
        let summary = summary(group, &expectation.measure);
        let bound = &expectation.bound;
        let interval = summary.and_then(|summary| summary.interval_at(bound.level?));
        let shown = if expectation.measure == "accuracy" { "top1" } else { &*expectation.measure };
        let interval = interval.map(|interval| possible(shown, interval));
        self.value = summary.map(|summary| summary.mean);
        (self.low, self.high) = (interval.map(|interval| interval.low), interval.map(|interval| interval.high));
        if group.diverged > 0 {
            let because = format!("{} of {} networks diverged", group.diverged, group.networks);
            return Self { verdict: Verdict::Fail, because: Some(because), ..self };
        }
        if missing.is_some() {
            return self.undecided(missing.clone());
        }
        let Some(summary) = summary else {
            let unlike = TIMES.contains(&expectation.measure.as_str()) && group.times.len() > 1;
            let because = if unlike { "times were measured under unlike conditions" } else { "it has no value" };
            return self.undecided(Some(because.to_owned()));
        };
        let (verdict, because) = decide(bound, &summary, interval);
        Self { verdict, because: because.map(str::to_owned), ..self }
    }
}

/// The values of a measure in a group.
fn summary(group: &Group, measure: &str) -> Option<Summary> {
    match measure {
        "accuracy" => group.values.get("top1").copied(),
        _ if measure == OF_REFERENCE[0] => group.versus.as_ref().map(|versus| versus.top1.reversed()),
        _ => group.values.get(measure).copied(),
    }
}

fn decide(bound: &Bound, summary: &Summary, interval: Option<Interval>) -> (Verdict, Option<&'static str>) {
    let of = |holds: bool| if holds { Verdict::Pass } else { Verdict::Fail };
    if bound.level.is_none() {
        return (of(bound.holds(summary.mean)), None);
    }
    match interval {
        None if summary.count < 2 => (Verdict::Undecided, Some("one network has no interval")),
        None => (Verdict::Undecided, Some("equal values have no interval")),
        Some(interval) => match (bound.holds(interval.low), bound.holds(interval.high)) {
            (low, high) if low == high => (of(low), None),
            _ => (Verdict::Undecided, Some("the limit is inside the interval")),
        },
    }
}

/// How many passed, failed and are undecided.
pub fn tally(all: &[Checked]) -> [usize; 3] {
    [Verdict::Pass, Verdict::Fail, Verdict::Undecided]
        .map(|verdict| all.iter().filter(|checked| checked.verdict == verdict).count())
}

/// The same in words: `2 passed, 1 failed, 1 undecided`.
pub fn tally_in_words(all: &[Checked]) -> String {
    let words = tally(all).into_iter().zip(["passed", "failed", "undecided"]);
    let told: Vec<String> = words.filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if told.is_empty() { "nothing was asked for".to_owned() } else { told.join(", ") }
}

/// The error of a command whose expectations did not all pass.
pub fn failure(all: &[Checked]) -> Option<Error> {
    let [_, failed, undecided] = tally(all);
    if failed + undecided == 0 {
        return None;
    }
    let error = Error::new(Kind::Expectation, format!("of what `[expect]` says, {}", tally_in_words(all)));
    let straddles = all.iter().any(|checked| checked.verdict == Verdict::Undecided && checked.low.is_some());
    let alone = all
        .iter()
        .any(|checked| checked.verdict == Verdict::Undecided && checked.value.is_some() && checked.low.is_none());
    Some(match (straddles, alone) {
        (true, _) => error.hint("more seeds make an interval narrower"),
        (_, true) => error.hint("an interval needs at least two seeds; without `at … %` the mean decides"),
        _ => error,
    })
}

/// Networks in words: `tuned`, or `tuned[sparsity=0.5]`.
pub fn name(checked: &Checked) -> String {
    let axes: Vec<String> = checked.axes.iter().map(|(axis, value)| format!("{axis}={}", label(value))).collect();
    if axes.is_empty() { checked.model.clone() } else { format!("{}[{}]", checked.model, axes.join(",")) }
}

/// What was measured, with its interval: `0.9806 (0.9644 to 0.9968)`.
pub fn found(checked: &Checked) -> String {
    let number = |value: f64| match checked.in_percent {
        true => format!("{:.2} %", 100.0 * value),
        false if value.fract() == 0.0 && value > 1.0 && value < 1e15 => count(value as u64),
        false => format!("{value:.4}"),
    };
    let interval = checked.low.zip(checked.high);
    let interval = interval.map_or(String::new(), |(low, high)| format!(" ({} to {})", number(low), number(high)));
    checked.value.map_or(String::new(), |value| format!("{}{interval}", number(value)))
}

/// The expectations as a table.
pub fn text(all: &[Checked]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut table = empty();
    table.set_header(["", "network", "measure", "expected", "is", "n", ""]);
    for checked in all {
        table.add_row([
            checked.verdict.word().to_owned(),
            name(checked),
            checked.measure.clone(),
            checked.expected.clone(),
            found(checked),
            if checked.value.is_some() { checked.n.to_string() } else { String::new() },
            checked.because.clone().unwrap_or_default(),
        ]);
    }
    format!("expect: {}\n{}\n", tally_in_words(all), aligned(table, 7))
}
