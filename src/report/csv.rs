//! Results as comma-separated values, for other programs. No two columns of a file have one name: an axis or a measure of
//! the manifest whose name is taken is written `matrix.NAME` or `metrics.NAME`. A stage that diverged has no evaluation: its
//! line says so and nothing else.

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use super::against::Held;
use super::document::{Diverged, Epochs};
use super::expect::Checked;
use super::groups::{Group, counts};
use super::results::{Evaluation, Row, rows};
use super::table::label;
use super::times::conditions;
use crate::manifest::Manifest;
use crate::stage::evaluate::MEASURES;

/// A group without a result: the name of its stages, and their axes with their values.
type Lost<'a> = (&'a str, Vec<(&'a str, &'a Value)>);

/// The groups: every measure with its mean, deviation and interval.
pub fn settings(groups: &[Group], diverged: &[Diverged], manifest: &Manifest) -> String {
    let mut lost: IndexMap<Lost, usize> = IndexMap::new();
    for stage in diverged {
        let axes = stage.axes.iter().filter(|(axis, _)| counts(axis, manifest));
        *lost.entry((&stage.name, axes.map(|(axis, value)| (&**axis, value)).collect())).or_default() += 1;
    }
    let of_groups = groups.iter().flat_map(|group| group.axes.keys().map(String::as_str));
    let axes: IndexSet<&str> =
        of_groups.chain(lost.keys().flat_map(|(_, axes)| axes.iter().map(|(axis, _)| *axis))).collect();
    let measures: IndexSet<&str> = groups.iter().flat_map(|group| group.values.keys().map(String::as_str)).collect();
    let mut columns =
        Columns::of(&["evaluation", "model", "data", "split", "images", "n", "networks", "collapsed", "diverged"]);
    columns.reserve(&["difference", "difference-low", "difference-high", "p", "p-holm", "rank", "times"]);
    columns.measures(&measures, &["", "-sd", "-low", "-high"]);
    columns.axes(&axes);
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let record = |group: &Group| {
        let mut record = vec![group.evaluation.clone(), group.name.clone(), group.data.clone(), group.split.to_owned()];
        record.extend(
            [group.images, group.n as u64, group.networks as u64, group.collapsed as u64, group.diverged as u64]
                .map(|n| n.to_string()),
        );
        record.extend(axes.iter().map(|axis| group.axes.get(*axis).map_or(String::new(), label)));
        for name in &measures {
            let summary = group.values.get(*name);
            let interval = summary.and_then(|summary| summary.interval);
            let of = [
                summary.map(|summary| summary.mean),
                summary.and_then(|summary| summary.sd),
                interval.map(|interval| interval.low),
                interval.map(|interval| interval.high),
            ];
            record.extend(of.map(number));
        }
        let versus = group.versus.as_ref().map(|versus| &versus.top1);
        let interval = versus.and_then(|versus| versus.interval);
        let of = [
            versus.map(|versus| versus.difference),
            interval.map(|interval| interval.low),
            interval.map(|interval| interval.high),
            versus.and_then(|versus| versus.p),
            versus.and_then(|versus| versus.p_holm),
            group.rank,
        ];
        record.extend(of.map(number));
        record.push(group.times.iter().map(String::as_str).collect::<Vec<_>>().join("; "));
        record
    };
    let without_result = |((name, of), stages): (&Lost, &usize)| {
        let known = [("n", 0), ("networks", *stages), ("diverged", *stages)].map(|(column, n)| (column, n.to_string()));
        let value =
            |axis: &&str| of.iter().find(|(other, _)| other == axis).map_or(String::new(), |(_, value)| label(value));
        columns.without_result(name, &known, axes.iter().map(value))
    };
    let records: Vec<Vec<String>> = groups.iter().map(record).chain(lost.iter().map(without_result)).collect();
    written(columns.names(), records.into_iter())
}

/// What was measured of a network, each measure once: `accuracy` is another name of `top1`, for expressions.
fn values(row: &Row) -> IndexMap<&str, f64> {
    row.values().into_iter().filter(|(name, _)| *name != "accuracy").collect()
}

/// The networks, each by itself: one row a network and set of images.
pub fn networks(evaluations: &[Evaluation], diverged: &[Diverged]) -> String {
    let rows = rows(evaluations);
    let of_rows = rows.iter().flat_map(|(_, row, _)| row.axes.keys());
    let axes: IndexSet<&str> =
        of_rows.chain(diverged.iter().flat_map(|stage| stage.axes.keys())).map(String::as_str).collect();
    let values: Vec<IndexMap<&str, f64>> = rows.iter().map(|(_, row, _)| values(row)).collect();
    let measures: IndexSet<&str> = values.iter().flat_map(|values| values.keys().copied()).collect();
    let mut columns = Columns::of(&["evaluation", "model", "data", "split", "images", "collapsed", "diverged"]);
    columns.reserve(&["times"]);
    columns.measures(&measures, &[""]);
    columns.axes(&axes);
    let record = |((evaluation, row, _), values): (&(&Evaluation, &Row, _), &IndexMap<&str, f64>)| {
        let mut record = vec![evaluation.template.clone(), row.template.clone(), evaluation.data.clone()];
        record.extend([evaluation.split.to_owned(), evaluation.images.to_string(), row.collapsed.to_string()]);
        record.push(row.metrics.has_diverged().to_string());
        record.extend(axes.iter().map(|axis| row.axes.get(*axis).map_or(String::new(), label)));
        record.extend(measures.iter().map(|name| values.get(name).map_or(String::new(), f64::to_string)));
        record.push(conditions(&row.timing));
        record
    };
    let without_result = |stage: &Diverged| {
        let value = |axis: &&str| stage.axes.get(*axis).map_or(String::new(), label);
        columns.without_result(&stage.name, &[("diverged", true.to_string())], axes.iter().map(value))
    };
    let records: Vec<Vec<String>> =
        rows.iter().zip(&values).map(record).chain(diverged.iter().map(without_result)).collect();
    written(columns.names(), records.into_iter())
}

/// Accuracy class by class: one row a network, set of images, and class.
pub fn classes(evaluations: &[Evaluation]) -> String {
    let rows = rows(evaluations);
    let axes: IndexSet<&str> = rows.iter().flat_map(|(_, row, _)| row.axes.keys().map(String::as_str)).collect();
    let mut columns = Columns::of(&["evaluation", "model", "data", "split", "class", "images"]);
    columns.reserve(&["top1"]);
    columns.axes(&axes);
    let of_class = |evaluation: &Evaluation, row: &Row, class: usize, share: &Option<f64>| {
        let mut record = vec![evaluation.template.clone(), row.template.clone(), evaluation.data.clone()];
        let images = evaluation.class_images.get(class).map_or(String::new(), u64::to_string);
        record.extend([evaluation.split.to_owned(), evaluation.class(class), images]);
        record.extend(axes.iter().map(|axis| row.axes.get(*axis).map_or(String::new(), label)));
        record.push(share.map_or(String::new(), |share| share.to_string()));
        record
    };
    let records = rows.iter().flat_map(|(evaluation, row, _)| {
        let shares = row.metrics.per_class.iter().enumerate();
        shares.map(move |(class, share)| of_class(evaluation, row, class, share))
    });
    written(columns.names(), records)
}

/// The epochs of the stages that train: one row an epoch.
pub fn training(histories: &[Epochs]) -> String {
    let axes: IndexSet<&str> = histories.iter().flat_map(|stage| stage.axes.keys().map(String::as_str)).collect();
    let epochs = || histories.iter().flat_map(|stage| &stage.epochs);
    let measured: IndexSet<&str> =
        std::iter::once("epoch").chain(epochs().flat_map(|epoch| epoch.keys().map(String::as_str))).collect();
    let mut columns = Columns::of(&["stage"]);
    columns.reserve(&measured.iter().copied().collect::<Vec<&str>>());
    columns.axes(&axes);
    let cell = |value: Option<&Value>| value.filter(|value| !value.is_null()).map_or(String::new(), Value::to_string);
    let record = |(stage, epoch): (&Epochs, &serde_json::Map<String, Value>)| {
        let mut record = vec![stage.name.clone()];
        record.extend(axes.iter().map(|axis| stage.axes.get(*axis).map_or(String::new(), label)));
        record.extend(measured.iter().map(|name| cell(epoch.get(*name))));
        record
    };
    let epochs = histories.iter().flat_map(|stage| stage.epochs.iter().map(move |epoch| (stage, epoch)));
    written(columns.names(), epochs.map(record))
}

/// What `[expect]` says held against the results: one row a setting.
pub fn expectations(all: &[Checked]) -> String {
    let axes: IndexSet<&str> = all.iter().flat_map(|checked| checked.axes.keys().map(String::as_str)).collect();
    let mut columns = Columns::of(&["verdict", "model", "measure", "expected"]);
    columns.reserve(&["n", "value", "low", "high", "evaluation", "data", "split", "because"]);
    columns.axes(&axes);
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let record = |checked: &Checked| {
        let mut record = vec![checked.verdict.word().to_owned(), checked.model.clone()];
        record.extend([checked.measure.clone(), checked.expected.clone()]);
        record.extend(axes.iter().map(|axis| checked.axes.get(*axis).map_or(String::new(), label)));
        record.push(checked.n.to_string());
        record.extend([checked.value, checked.low, checked.high].map(number));
        let words = [checked.evaluation.as_deref(), checked.data.as_deref(), checked.split, checked.because.as_deref()];
        record.extend(words.map(|word| word.unwrap_or_default().to_owned()));
        record
    };
    written(columns.names(), all.iter().map(record))
}

/// Settings held against those of another report: every measure before and now, and the difference of accuracy.
pub fn against(all: &[Held]) -> String {
    let axes: IndexSet<&str> = all.iter().flat_map(|held| held.axes.keys().map(String::as_str)).collect();
    let measures: IndexSet<&str> = all.iter().flat_map(|held| held.values.keys().map(String::as_str)).collect();
    let mut columns = Columns::of(&["evaluation", "model", "split"]);
    columns.reserve(&["n", "difference", "difference-low", "difference-high", "p", "p-holm", "changed", "because"]);
    columns.measures(&measures, &["-before", "-now"]);
    columns.axes(&axes);
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let record = |held: &Held| {
        let mut record = vec![held.evaluation.clone(), held.name.clone(), held.split.clone()];
        record.extend(axes.iter().map(|axis| held.axes.get(*axis).map_or(String::new(), label)));
        record.extend(measures.iter().flat_map(|name| held.values.get(*name).copied().unwrap_or_default().map(number)));
        let top1 = held.top1.as_ref();
        let interval = top1.and_then(|top1| top1.interval);
        record.push(top1.map_or(String::new(), |top1| top1.n.to_string()));
        let of = [
            top1.map(|top1| top1.difference),
            interval.map(|interval| interval.low),
            interval.map(|interval| interval.high),
            top1.and_then(|top1| top1.p),
            top1.and_then(|top1| top1.p_holm),
        ];
        record.extend(of.map(number));
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let changed = held.changed.iter().map(|(field, old, new)| format!("{field} {} → {}", value(old), value(new)));
        record.push(changed.collect::<Vec<_>>().join("; "));
        record.push(held.because.clone().unwrap_or_default());
        record
    };
    written(columns.names(), all.iter().map(record))
}

/// The names of columns: some that are always there, the axes, the measures, and some more at the end.
#[derive(Default)]
struct Columns {
    first: Vec<String>,
    axes: Vec<String>,
    measures: Vec<String>,
    last: Vec<String>,
}

impl Columns {
    fn of(first: &[&str]) -> Self {
        Self { first: first.iter().map(|name| (*name).to_owned()).collect(), ..Self::default() }
    }

    fn reserve(&mut self, last: &[&str]) {
        self.last.extend(last.iter().map(|name| (*name).to_owned()));
    }

    /// `parts` are what a measure has columns of, by what is added to its name.
    fn measures(&mut self, names: &IndexSet<&str>, parts: &[&str]) {
        let known = |name: &str| MEASURES.contains(&name) || name == "efficiency";
        let of = |name: &str| parts.iter().map(|part| format!("{name}{part}")).collect::<Vec<String>>();
        let known_names: Vec<String> = names.iter().filter(|name| known(name)).flat_map(|name| of(name)).collect();
        let taken = |column: &String| [&self.first, &self.last, &known_names].iter().any(|all| all.contains(column));
        let column = |name: &&str| match !known(name) && of(name).iter().any(taken) {
            true => of(&format!("metrics.{name}")),
            false => of(name),
        };
        self.measures = names.iter().flat_map(column).collect();
    }

    fn axes(&mut self, names: &IndexSet<&str>) {
        let taken =
            |name: &str| [&self.first, &self.measures, &self.last].iter().any(|all| all.iter().any(|n| n == name));
        let column = |name: &&str| if taken(name) { format!("matrix.{name}") } else { (*name).to_owned() };
        self.axes = names.iter().map(column).collect();
    }

    /// The line of a stage that diverged: the section that made it, what is known, its values of the axes, and nothing that
    /// was measured.
    fn without_result(&self, model: &str, known: &[(&str, String)], axes: impl Iterator<Item = String>) -> Vec<String> {
        let first = self.first.iter().map(|column| match known.iter().find(|(name, _)| name == column) {
            Some((_, value)) => value.clone(),
            None if column == "model" => model.to_owned(),
            None => String::new(),
        });
        let rest = self.measures.iter().chain(&self.last).map(|_| String::new());
        first.chain(axes).chain(rest).collect()
    }

    fn names(self) -> Vec<String> {
        [self.first, self.axes, self.measures, self.last].concat()
    }
}

fn written(head: Vec<String>, records: impl Iterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in std::iter::once(head).chain(records) {
        writer.write_record(&record).expect("memory takes every record of one length");
    }
    String::from_utf8(writer.into_inner().expect("memory takes everything")).expect("cells are text")
}
