//! How far stages are that have begun and have no result yet, by the checkpoints in the store.

use std::collections::HashMap;

use super::{Plan, State};
use crate::error::Result;
use crate::store::{Digest, Record, Store};
use crate::train::{History, checkpoint};

/// How often checkpoints are looked for, of stages whose checkpoints a live run has replaced meanwhile.
const ATTEMPTS: u32 = 3;

/// The epochs of the stages that would run and have some in the store, by the index of the stage. Only epochs that were
/// trained for the stage as it is count: what a longer or changed one takes over from another is found when it runs.
///
/// # Errors
/// When the store cannot be read.
pub fn begun(plan: &Plan, store: &Store) -> Result<HashMap<usize, History>> {
    let open = plan.stages.iter().filter(|planned| !matches!(planned.state, State::Cached(_)));
    let keys: HashMap<Digest, usize> = open.filter_map(|planned| Some((planned.key?, planned.stage))).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let mut histories = HashMap::new();
    for _ in 0..ATTEMPTS {
        let mut found: HashMap<usize, Vec<Record>> = HashMap::new();
        for record in store.records().filter(|record| record.kind == checkpoint::KIND) {
            if let Some(stage) = keys.get(&record.family).filter(|stage| !histories.contains_key(*stage)) {
                found.entry(*stage).or_default().push(record);
            }
        }
        let mut complete = true;
        for (stage, mut records) in found {
            records.sort_by_key(|record| std::cmp::Reverse(place(record)));
            for record in &records {
                if let Some(history) = checkpoint::history(store, record)? {
                    histories.insert(stage, history);
                    break;
                }
            }
            complete &= histories.contains_key(&stage);
        }
        if complete {
            break;
        }
    }
    Ok(histories)
}

/// The epoch of a checkpoint. Those of earlier versions do not say, but have a history that grows with every epoch.
fn place(record: &Record) -> (u64, u64) {
    let epoch = record.fields.iter().find(|(name, _)| name == "epoch").and_then(|(_, epoch)| epoch.parse().ok());
    (epoch.unwrap_or(0), record.outputs.get("history").map_or(0, |output| output.size))
}
