//! Two reports held against each other: this one, and one that was written with `--format json` or is of another manifest.
//!
//! Networks are the same where the section that made them, the section that evaluated them, the part of the data and the
//! values of axes are; those that differ in their seed are taken together. Where both sides have a seed, accuracies are
//! compared seed by seed; otherwise only their means are, and the difference has no interval.

use std::path::Path;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::statistics::{Difference, adjust, mean};
use super::table::{aligned, difference, empty, label, percent, probability};
use super::{bytes, count};
use crate::error::{Error, Kind, Result};

/// What is read of a report.
#[derive(Debug, Clone, Deserialize)]
pub struct Report {
    /// The networks.
    rows: Vec<Network>,
    /// The axes.
    #[serde(default)]
    axes: Vec<Axis>,
}

#[derive(Debug, Clone, Deserialize)]
struct Axis {
    name: String,
    #[serde(default)]
    seed: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Network {
    evaluation: String,
    name: String,
    split: String,
    images: u64,
    #[serde(default)]
    axes: IndexMap<String, Value>,
    values: IndexMap<String, Option<f64>>,
    #[serde(default)]
    settings: Vec<(String, String)>,
    #[serde(default)]
    diverged: bool,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Against {
    /// The other report, or manifest, as it was named.
    pub report: String,
    /// The networks of each setting.
    pub networks: Vec<Held>,
}

/// Networks of one setting, on both sides.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Held {
    /// The section that evaluated them.
    pub evaluation: String,
    /// The section that made them.
    pub name: String,
    /// The part of the data that was looked at.
    pub split: String,
    /// The axes that tell settings apart, with their values.
    pub axes: IndexMap<String, Value>,
    /// The mean of each measure, before and now: those of the other report stand first.
    pub values: IndexMap<String, [Option<f64>; 2]>,
    /// The accuracy now minus that before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top1: Option<Difference>,
    /// What decides the networks and is not the same, before and now.
    pub changed: Vec<(String, Option<String>, Option<String>)>,
    /// Why there is no difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// The measures that are shown of both sides.
const SHOWN: [&str; 4] = ["top1", "parameters", "macs", "bytes"];

/// How large a report may be that is read.
const LARGEST: u64 = 256 << 20;

/// Reads what `pleach report --format json` wrote.
///
/// # Errors
/// [`Kind::Input`] when the file cannot be read, or is something else.
pub fn read(path: &Path) -> Result<Report> {
    let unreadable =
        |error: std::io::Error| Error::new(Kind::Input, format!("cannot read the report: {error}")).at(path);
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > LARGEST {
        return Err(
            Error::new(Kind::Input, format!("the report has {}, more than {}", bytes(length), bytes(LARGEST))).at(path)
        );
    }
    of_json(&std::fs::read(path).map_err(unreadable)?).map_err(|error| error.at(path))
}

/// Takes what is needed out of a document.
///
/// # Errors
/// [`Kind::Input`] when it is no report.
pub fn of_json(json: &[u8]) -> Result<Report> {
    serde_json::from_slice(json).map_err(|error| {
        Error::new(Kind::Input, format!("this is no report of pleach: {error}"))
            .hint("`pleach report MANIFEST --format json -o FILE.json` writes one; a manifest ends in `.toml`")
    })
}

/// What tells settings apart, and the networks of one by their seeds.
type Settings<'a> = IndexMap<String, Vec<(String, &'a Network)>>;

fn settings(report: &Report) -> Settings<'_> {
    let is_seed = |axis: &str| report.axes.iter().any(|other| other.name == axis && other.seed);
    let mut settings = Settings::new();
    for network in &report.rows {
        let words = |seeds: bool| {
            let mut words: Vec<String> = network
                .axes
                .iter()
                .filter(|(axis, _)| is_seed(axis) == seeds)
                .map(|(axis, value)| format!("{axis}={}", label(value)))
                .collect();
            words.sort();
            words.join(",")
        };
        let key = [&network.evaluation, &network.split, &network.name, &words(false)].map(String::as_str).join("\n");
        settings.entry(key).or_default().push((words(true), network));
    }
    settings
}

/// Holds `now` against `before`: the settings of both, then those of one side only.
pub fn hold(now: &Report, before: &Report) -> Vec<Held> {
    let (of_now, of_before) = (settings(now), settings(before));
    let is_seed = |axis: &str| now.axes.iter().chain(&before.axes).any(|other| other.name == axis && other.seed);
    let none = Vec::new();
    let mut all: Vec<Held> = Vec::new();
    for (key, networks) in &of_now {
        all.push(held(of_before.get(key).unwrap_or(&none), networks, &is_seed));
    }
    for (_, networks) in of_before.iter().filter(|(key, _)| !of_now.contains_key(*key)) {
        all.push(held(networks, &none, &is_seed));
    }
    adjust(all.iter_mut().filter_map(|held| held.top1.as_mut()));
    all
}

type Side<'a> = [(String, &'a Network)];

fn held(before: &Side, now: &Side, is_seed: &dyn Fn(&str) -> bool) -> Held {
    let first = now.first().or(before.first()).expect("a setting has networks").1;
    let mean_of = |side: &Side, name: &str| {
        let values: Vec<f64> = side.iter().filter_map(|(_, network)| *network.values.get(name)?).collect();
        (!values.is_empty()).then(|| mean(&values))
    };
    let mut values = IndexMap::new();
    for name in now.iter().chain(before).flat_map(|(_, network)| network.values.keys()) {
        if !values.contains_key(name) {
            values.insert(name.clone(), [mean_of(before, name), mean_of(now, name)]);
        }
    }
    let images = |side: &Side| side.first().map(|(_, network)| network.images);
    let is_bad = |side: &Side| side.iter().any(|(_, network)| network.diverged);
    let because = match (before, now) {
        ([], _) => Some("only here"),
        (_, []) => Some("only there"),
        _ if images(before) != images(now) => Some("on other images"),
        _ if is_bad(before) || is_bad(now) => Some("diverged"),
        _ => None,
    };
    let top1 = if because.is_none() { accuracy(before, now, &values) } else { None };
    let axes = first.axes.iter().filter(|(axis, _)| !is_seed(axis)).map(|(axis, value)| (axis.clone(), value.clone()));
    Held {
        evaluation: first.evaluation.clone(),
        name: first.name.clone(),
        split: first.split.clone(),
        axes: axes.collect(),
        top1,
        changed: changed(before, now),
        values,
        because: because.map(str::to_owned),
    }
}

/// The difference of accuracy: of counts of right answers, seed by seed where both sides have the same seeds.
fn accuracy(before: &Side, now: &Side, values: &IndexMap<String, [Option<f64>; 2]>) -> Option<Difference> {
    let of = |network: &Network| {
        let images = network.images as f64;
        Some(((*network.values.get("top1")?)? * images).round() / images)
    };
    let pair = |(seed, network): &(String, &Network)| {
        let (_, other) = before.iter().find(|(other, _)| other == seed)?;
        Some(of(network)? - of(other)?)
    };
    let pairs: Vec<f64> = now.iter().filter_map(pair).collect();
    if pairs.len() == now.len() && pairs.len() == before.len() {
        return Difference::of(&pairs, pairs.len());
    }
    let [before, now] = values.get("top1").copied()?;
    Difference::of(&[now? - before?], 1)
}

/// The settings that all networks of a side share, as far as they are not the same on both.
fn changed(before: &Side, now: &Side) -> Vec<(String, Option<String>, Option<String>)> {
    let shared = |side: &Side| -> IndexMap<String, String> {
        let Some((_, first)) = side.first() else { return IndexMap::new() };
        let same = |setting: &&(String, String)| side.iter().all(|(_, network)| network.settings.contains(setting));
        first.settings.iter().filter(same).cloned().collect()
    };
    if before.is_empty() || now.is_empty() {
        return Vec::new();
    }
    let (old, new) = (shared(before), shared(now));
    let mut all: Vec<_> = new
        .iter()
        .filter(|(field, value)| old.get(*field) != Some(value))
        .map(|(field, value)| (field.clone(), old.get(field).cloned(), Some(value.clone())))
        .collect();
    let gone = old.into_iter().filter(|(field, _)| !new.contains_key(field));
    all.extend(gone.map(|(field, value)| (field, Some(value), None)));
    all
}

/// Networks in words.
fn name(held: &Held) -> String {
    let axes: Vec<String> = held.axes.iter().map(|(axis, value)| format!("{axis}={}", label(value))).collect();
    if axes.is_empty() { held.name.clone() } else { format!("{}[{}]", held.name, axes.join(",")) }
}

/// The head and the rows of the table.
pub fn rows(all: &[Held]) -> (Vec<String>, Vec<Vec<String>>) {
    let head =
        ["evaluation", "network", "top-1", "Δ", "p", "parameters", "MACs", "bytes", "changed"].map(str::to_owned);
    let shown = |name: &str, value: f64| match name {
        "top1" => percent(value),
        "bytes" => bytes(value.round() as u64),
        _ => count(value.round() as u64),
    };
    let cell = |held: &Held, name: &str| match held.values.get(name) {
        Some([Some(before), Some(now)]) if before == now => shown(name, *now),
        Some([Some(before), Some(now)]) => format!("{} → {}", shown(name, *before), shown(name, *now)),
        Some([Some(one), None] | [None, Some(one)]) => shown(name, *one),
        _ => String::new(),
    };
    let row = |held: &Held| {
        let mut cells = vec![held.evaluation.clone(), name(held), cell(held, SHOWN[0])];
        cells.push(held.top1.as_ref().map_or(String::new(), difference));
        cells.push(held.top1.and_then(|top1| top1.p_holm).map_or(String::new(), probability));
        cells.extend(SHOWN[1..].iter().map(|name| cell(held, name)));
        cells.push(held.because.clone().unwrap_or_else(|| changes(&held.changed)));
        cells
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    // Columns that say nothing stay away.
    let is_used: Vec<bool> = (0..head.len()).map(|column| rows.iter().any(|row| !row[column].is_empty())).collect();
    let used = |row: &[String]| -> Vec<String> {
        row.iter().zip(&is_used).filter(|(_, used)| **used).map(|(cell, _)| cell.clone()).collect()
    };
    (used(&head), rows.iter().map(|row| used(row)).collect())
}

/// How many changed settings are shown of a network.
const CHANGES: usize = 3;

fn changes(changed: &[(String, Option<String>, Option<String>)]) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    let one = |(field, old, new): &(String, Option<String>, Option<String>)| {
        format!("{field} {} → {}", value(old), value(new))
    };
    let mut told: Vec<String> = changed.iter().take(CHANGES).map(one).collect();
    if changed.len() > CHANGES {
        told.push(format!("{} more", changed.len() - CHANGES));
    }
    told.join(", ")
}

/// What the table is of.
pub fn title(against: &Against) -> String {
    format!(
        "against {}: before → now; Δ is now minus before, seed by seed where both have the same seeds",
        against.report
    )
}

/// The same as text.
pub fn text(against: &Against) -> String {
    let (head, rows) = rows(&against.networks);
    let mut table = empty();
    let words = head.len();
    table.set_header(head).add_rows(rows);
    format!("{}\n{}\n", title(against), aligned(table, words))
}
