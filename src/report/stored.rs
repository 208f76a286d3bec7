//! The results of a store as a list: when each was made, how large it is, what it is worth, and which settings tell it apart
//! from others with its label.

use std::collections::{BTreeMap, BTreeSet};

use super::bytes;
use super::table::{aligned, empty, percent};
use super::times::moment;
use crate::stage::evaluate::Metrics;
use crate::store::{Digest, Record, Store};
use crate::train::History;

/// How many settings of a result are shown.
const SETTINGS: usize = 4;

/// How many networks of an evaluation are shown.
const MODELS: usize = 4;

/// The finished stages of a store, the oldest first.
pub fn list(store: &Store) -> String {
    let mut records: Vec<Record> = store.records().filter(|record| record.kind == "stage").collect();
    records.sort_by(|a, b| (a.created, &a.label, a.key).cmp(&(b.created, &b.label, b.key)));
    if records.is_empty() {
        return String::new();
    }
    let mut by_label: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in &records {
        by_label.entry(&record.label).or_default().push(record);
    }
    let mut table = empty();
    table.set_header([
        "key",
        "made (UTC)",
        "size",
        "stage",
        "accuracy",
        "settings that tell it from others of its name",
    ]);
    for record in &records {
        let size: u64 = record.outputs.values().map(|output| output.size).sum();
        table.add_row([
            record.key.short(),
            moment(record.created),
            bytes(size),
            record.label.clone(),
            worth(record, store).unwrap_or_default(),
            apart(record, &by_label[record.label.as_str()]),
        ]);
    }
    aligned(table, 6)
}

/// What a result is worth: of an evaluation the accuracy of its networks, of a stage that trains that of the epoch it took.
fn worth(record: &Record, store: &Store) -> Option<String> {
    let content = |digest: &Digest| store.get(digest).ok().flatten();
    if let Some(output) = record.outputs.get("metrics") {
        let metrics: Metrics = serde_json::from_slice(&content(&output.digest)?).ok()?;
        let mut told: Vec<String> = metrics.models.iter().take(MODELS).map(|model| percent(model.top1)).collect();
        if metrics.models.len() > MODELS {
            told.push(format!("{} more", metrics.models.len() - MODELS));
        }
        return Some(told.join(", "));
    }
    let history: History = serde_json::from_slice(&content(&record.outputs.get("history")?.digest)?).ok()?;
    let selected = history.selected.and_then(|epoch| history.epochs.iter().find(|entry| entry.epoch == epoch));
    let entry = selected.or(history.epochs.last())?;
    Some(match entry.validation_accuracy {
        Some(accuracy) => format!("{} validation", percent(accuracy)),
        None => format!("{} training", percent(entry.accuracy)),
    })
}

/// The settings whose value another result of the same name has not; what it takes from others counts where nothing else does.
fn apart(record: &Record, same: &[&Record]) -> String {
    let others: Vec<&&Record> = same.iter().filter(|other| other.key != record.key).collect();
    if others.is_empty() {
        return String::new();
    }
    let of_others: Vec<BTreeSet<(&str, &str)>> =
        others.iter().map(|other| other.fields.iter().map(|(name, value)| (&**name, &**value)).collect()).collect();
    let differs =
        |(name, value): &&(String, String)| of_others.iter().any(|other| !other.contains(&(&**name, &**value)));
    let is_content = |name: &str| name.starts_with("inputs.") || name.ends_with("digest");
    let settings: Vec<&(String, String)> =
        record.fields.iter().filter(differs).filter(|(name, _)| !is_content(name)).collect();
    let mut told: Vec<String> = settings.iter().take(SETTINGS).map(|(name, value)| format!("{name}={value}")).collect();
    match settings.len() {
        0 => "other inputs".to_owned(),
        all => {
            if all > SETTINGS {
                told.push(format!("{} more", all - SETTINGS));
            }
            told.join(", ")
        }
    }
}
