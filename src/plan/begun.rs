//! How far stages are that have begun and have no result yet, by the checkpoints in the store.

use std::collections::HashMap;

use serde_json::Value;

use super::{Plan, State};
use crate::store::{Digest, Record, Store};
use crate::train::{History, checkpoint};

/// The epochs of the stages that would run and have some in the store, by the index of the stage. Only epochs under the
/// stage's own name in the store count: what a longer or changed stage takes over from another is found when it runs.
pub fn begun(plan: &Plan, store: &Store) -> HashMap<usize, History> {
    let open = plan.stages.iter().filter(|planned| !matches!(planned.state, State::Cached(_)));
    let keys: HashMap<Digest, usize> = open.filter_map(|planned| Some((planned.key?, planned.stage))).collect();
    let mut last: HashMap<usize, Record> = HashMap::new();
    if keys.is_empty() {
        return HashMap::new();
    }
    // A history grows with every epoch.
    let length = |record: &Record| record.outputs.get("history").map_or(0, |output| output.size);
    for record in store.records().filter(|record| record.kind == checkpoint::KIND) {
        let Some(stage) = keys.get(&record.family) else { continue };
        if last.get(stage).is_none_or(|known| length(known) < length(&record)) {
            last.insert(*stage, record);
        }
    }
    let history = |(stage, record): (usize, Record)| {
        let bytes = store.get(&record.outputs.get("history")?.digest).ok()??;
        let mut told: Value = serde_json::from_slice(&bytes).ok()?;
        Some((stage, serde_json::from_value(told["history"].take()).ok()?))
    };
    last.into_iter().filter_map(history).collect()
}
