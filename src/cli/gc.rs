//! `pleach cache gc`.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime};

use super::arguments::{self, Gc};
use super::session::Session;
use super::{Failure, output};
use crate::error::{Error, Kind, Result};
use crate::manifest::matrix::template_of;
use crate::plan;
use crate::report::{bytes, count};
use crate::stage::key;
use crate::store::{Collected, Digest, GcPolicy, Gone, Record, Store, Why};

/// How long another collection is waited for without `--wait`.
const PATIENCE: Duration = Duration::from_secs(5);

/// Collects garbage, and says what went.
pub fn gc(arguments: &Gc, store: &Store) -> Result<(), Failure> {
    let days = |days: &u64| Duration::from_secs(days.saturating_mul(86_400));
    let policy = GcPolicy {
        wait: arguments.wait,
        keep_epochs: arguments.keep_epochs,
        older_than: arguments.older_than.as_ref().map(days),
        max_size: arguments.max_size,
        chosen: chosen(arguments, store)?,
        inputs: key::made_from,
        grace: Duration::from_secs(arguments.grace.saturating_mul(60)),
        dry_run: arguments.dry_run,
    };
    let mut holder = None;
    let mut told = false;
    let begun = Instant::now();
    let collected = store.gc_waiting(&policy, &mut |pid| {
        holder = pid;
        if policy.wait && !std::mem::replace(&mut told, true) {
            let who = pid.map_or(String::new(), |pid| format!(" (process {pid})"));
            output::stderr(&format!("waiting for what keeps the store from being collected{who}"));
        }
        let goes_on = policy.wait || begun.elapsed() < PATIENCE;
        if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let Some(collected) = collected else {
        let who = holder.map_or(String::new(), |pid| format!(" (process {pid})"));
        let message = format!("another collection, or a run that cannot say what it needs{who}, holds the store");
        let error = Error::new(Kind::LockTimeout, format!("{message}, so nothing was deleted"));
        return Err(error.at(store.root()).hint("wait for it to end, or use `--wait`").into());
    };
    tell(&collected, &policy);
    Ok(())
}

/// The keys of what `--stage`, `--in` and `--not-in` name; `None` when there are none of these.
fn chosen(arguments: &Gc, store: &Store) -> Result<Option<HashSet<Digest>>, Failure> {
    let Gc { stages, inside, outside, .. } = arguments;
    if stages.is_empty() && inside.is_empty() && outside.is_empty() {
        return Ok(None);
    }
    let of = |manifests: &[std::path::PathBuf]| -> Result<HashSet<Digest>, Failure> {
        let mut keys = HashSet::new();
        for path in manifests {
            keys.extend(keys_of(path, store)?);
        }
        Ok(keys)
    };
    let (inside_keys, outside_keys) = (of(inside)?, of(outside)?);
    let mut found = vec![false; stages.len()];
    let mut keys = HashSet::new();
    for record in store.records().filter(|record| matches!(&*record.kind, "stage" | "epoch" | "divergence")) {
        let belongs = |keys: &HashSet<Digest>| keys.contains(&record.key) || keys.contains(&record.family);
        let mut named = stages.is_empty();
        for (stage, found) in stages.iter().zip(&mut found) {
            if is_of(&record, stage) {
                (named, *found) = (true, true);
            }
        }
        if named && (inside.is_empty() || belongs(&inside_keys)) && (outside.is_empty() || !belongs(&outside_keys)) {
            keys.insert(record.key);
        }
    }
    if let Some((stage, _)) = stages.iter().zip(found).find(|(_, found)| !found) {
        let error = Error::new(Kind::Usage, format!("the store has no result of a stage `{stage}`")).at(store.root());
        return Err(error.hint("`pleach cache list` lists the results; name a stage, an instance or a section").into());
    }
    Ok(Some(keys))
}

/// Whether a record is of the stage `name`: `pipeline/stage` or `stage`, an instance or a whole section.
fn is_of(record: &Record, name: &str) -> bool {
    let stage = record.label.split_once('/').map_or("", |(_, stage)| stage);
    [&*record.label, stage].iter().any(|label| !label.is_empty() && (*label == name || template_of(label) == name))
}

/// The keys of a manifest's stages, as far as they are known.
fn keys_of(path: &std::path::Path, store: &Store) -> Result<Vec<Digest>, Failure> {
    let session = Session::open(&arguments::Manifest { path: path.to_owned(), sets: Vec::new() })?;
    let (manifest, graph) = (&session.manifest, &session.graph);
    let digests = plan::data_digests(manifest, graph.order())?;
    let plan = plan::plan(manifest, graph, graph.order(), store, &digests, &HashSet::new())?;
    Ok(plan.stages.iter().filter_map(|planned| planned.key).collect())
}

fn tell(collected: &Collected, policy: &GcPolicy) {
    let mut text = String::new();
    if policy.dry_run {
        let mut lines: Vec<String> = collected.gone.iter().map(line).collect();
        lines.sort();
        lines.into_iter().for_each(|line| text.push_str(&line));
    }
    let epochs = collected.epochs();
    text.push_str(&format!(
        "{} {} epochs, {} other records, {} objects ({}), {} files from quarantine, {} journals; {} are left\n",
        if policy.dry_run { "would delete" } else { "deleted" },
        count(epochs),
        count(collected.gone.len() as u64 - epochs + collected.corrupt),
        count(collected.objects),
        bytes(collected.bytes),
        count(collected.quarantined),
        count(collected.runs),
        bytes(collected.left),
    ));
    output::stdout(&text);
    if collected.beside_a_run {
        output::stderr("a run is going on: what it needs stays, and so does what is younger than the grace");
    }
    if policy.max_size.is_some_and(|limit| collected.left > limit) {
        output::warning("the store is still larger than `--max-size`: what is left is needed by a run, or young");
    }
}

/// What goes, what made it, and why.
fn line(gone: &Gone) -> String {
    let label = if gone.label.is_empty() { "-" } else { &gone.label };
    let what = if gone.kind == "epoch" { format!("epoch {}", gone.epoch) } else { gone.kind.clone() };
    let why = match gone.why {
        Why::Superseded => "a later epoch is kept",
        Why::Chosen => "named",
        Why::Unused => "not used for so long",
        Why::Size => "the store is too large",
    };
    format!("{label}  {what}  {}  used {}; {why}\n", bytes(gone.bytes), ago(gone.used))
}

fn ago(time: SystemTime) -> String {
    let seconds = SystemTime::now().duration_since(time).unwrap_or_default().as_secs();
    match seconds {
        0..=3599 => "within the hour".to_owned(),
        3600..=172_799 => format!("{} hours ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}
