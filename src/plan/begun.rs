//! How far stages are that have begun and have no result yet, by the checkpoints in the store.

use std::collections::HashMap;

use super::{Plan, State};
use crate::error::Result;
use crate::store::{Digest, Record, Store};
use crate::train::{History, checkpoint};

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
    let mut last: HashMap<usize, Record> = HashMap::new();
    for record in store.records().filter(|record| record.kind == checkpoint::KIND) {
        let Some(stage) = keys.get(&record.family) else { continue };
        if last.get(stage).is_none_or(|known| place(known) < place(&record)) {
            last.insert(*stage, record);
        }
    }
    let mut histories = HashMap::new();
    for (stage, record) in last {
        histories.extend(checkpoint::history(store, &record)?.map(|history| (stage, history)));
    }
    Ok(histories)
}

/// The epoch of a checkpoint. Those of earlier versions do not say, but have a history that grows with every epoch.
fn place(record: &Record) -> (u64, u64) {
    let epoch = record.fields.iter().find(|(name, _)| name == "epoch").and_then(|(_, epoch)| epoch.parse().ok());
    (epoch.unwrap_or(0), record.outputs.get("history").map_or(0, |output| output.size))
}
