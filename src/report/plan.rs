//! A plan as text and as JSON.

use serde_json::{Value, json};

use crate::manifest::Manifest;
use crate::plan::{Change, Origin, Plan, Reason, State};

/// How many differences of a stage are shown; the rest are counted.
const SHOWN: usize = 8;

/// A plan as text: one line a stage, and under it what changed.
pub fn text(plan: &Plan, manifest: &Manifest) -> String {
    let name = |stage: usize| manifest.stages.get_index(stage).expect("in range").0.as_str();
    let width = plan.stages.iter().map(|s| name(s.stage).chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for planned in &plan.stages {
        let (word, why) = match &planned.state {
            State::Cached(record) => ("cached", record.key.short()),
            State::Maybe(after) => {
                let names: Vec<String> = after.iter().map(|stage| format!("`{}`", name(*stage))).collect();
                ("maybe", format!("depends on what {} will make", names.join(", ")))
            }
            State::Run(Reason::New) => ("run", "nothing like it is in the store".to_owned()),
            State::Run(Reason::Gone) => ("run", "its result is not in the store any more".to_owned()),
            State::Run(Reason::Refresh) => ("run", "asked for with --refresh".to_owned()),
            State::Run(Reason::Changed(changes)) => ("run", summary(changes)),
        };
        out.push_str(&format!("{:width$}  {word:6}  {why}\n", name(planned.stage)));
        if let State::Run(Reason::Changed(changes)) = &planned.state {
            for change in changes.iter().take(SHOWN) {
                out.push_str(&format!("{:width$}            {}\n", "", line(change)));
            }
            if changes.len() > SHOWN {
                out.push_str(&format!("{:width$}            … and {} more\n", "", changes.len() - SHOWN));
            }
        }
    }
    let (cached, run, maybe) = plan.counts();
    out.push_str(&format!("{cached} cached, {run} to run, {maybe} maybe\n"));
    out
}

fn summary(changes: &[Change]) -> String {
    match changes {
        [one] => format!("{} changed", one.field),
        many => format!("{} values changed", many.len()),
    }
}

/// One difference: `losses.0.temperature  4.0 → 2.0  pipelines/kddp.toml:31:44`.
pub fn line(change: &Change) -> String {
    let value = |value: &Option<String>| value.as_deref().map_or("nothing".to_owned(), short);
    // Where nothing is, nothing stands.
    let origin = change.new.as_ref().map_or(String::new(), |_| origin(&change.origin));
    format!("{}  {} → {}  {origin}", change.field, value(&change.old), value(&change.new)).trim_end().to_owned()
}

/// Where a value comes from: a place in the manifest, `(default)`, or nothing.
pub fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Written(place) => place.to_string(),
        Origin::Default => "(default)".to_owned(),
        Origin::Found => String::new(),
    }
}

/// Hashes are cut to what tells them apart.
pub fn short(value: &str) -> String {
    let hex = value.trim_matches('"');
    if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) { hex[..12].to_owned() } else { value.to_owned() }
}

/// A plan as one JSON object.
pub fn json(plan: &Plan, manifest: &Manifest) -> Value {
    let name = |stage: usize| manifest.stages.get_index(stage).expect("in range").0.clone();
    let stages: Vec<Value> = plan
        .stages
        .iter()
        .map(|planned| match &planned.state {
            State::Cached(record) => {
                json!({ "stage": name(planned.stage), "state": "cached", "key": record.key.to_string() })
            }
            State::Maybe(after) => {
                let after: Vec<String> = after.iter().map(|stage| name(*stage)).collect();
                json!({ "stage": name(planned.stage), "state": "maybe", "after": after })
            }
            State::Run(reason) => {
                let (word, changes) = match reason {
                    Reason::New => ("new", &[][..]),
                    Reason::Gone => ("gone", &[][..]),
                    Reason::Refresh => ("refresh", &[][..]),
                    Reason::Changed(changes) => ("changed", &changes[..]),
                };
                let changes: Vec<Value> = changes
                    .iter()
                    .map(|c| {
                        let place = match &c.origin {
                            Origin::Written(place) if c.new.is_some() => Some(place.to_string()),
                            _ => None,
                        };
                        json!({ "field": c.field, "old": c.old, "new": c.new, "place": place })
                    })
                    .collect();
                json!({ "stage": name(planned.stage), "state": "run", "reason": word, "changes": changes })
            }
        })
        .collect();
    let (cached, run, maybe) = plan.counts();
    json!({ "pipeline": manifest.pipeline.name, "cached": cached, "run": run, "maybe": maybe, "stages": stages })
}
