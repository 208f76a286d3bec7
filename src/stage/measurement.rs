//! What one network is worth as an action of its own in the store: evaluations that have a network in common, as all of a
//! sweep have their teacher, measure it once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{SystemTime, UNIX_EPOCH};

use super::evaluate::ModelMetrics;
use super::timing::Timing;
use super::{Context, Failure};
use crate::store::{Digest, Record};

/// The kind of record; `pleach cache status` counts them.
const KIND: &str = "measurement";

/// The name of the output.
const METRICS: &str = "metrics";

/// What is kept under `key`, or what `measure` finds, which is then kept: under the lock of the key, so that of several
/// evaluations at once one measures and the others wait.
pub fn known(
    key: &Digest,
    context: &Context,
    measure: impl FnOnce() -> Result<(ModelMetrics, Timing), Failure>,
) -> Result<(ModelMetrics, Timing), Failure> {
    let store = context.store;
    let mut wait =
        |_| if context.check_cancelled().is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let Some(_lock) = store.lock(key, &mut wait)? else { return Err(Failure::Cancelled) };
    if context.resume
        && let Some(found) = load(key, context)?
    {
        return Ok(found);
    }
    let (metrics, timing) = measure()?;
    let bytes = serde_json::to_vec_pretty(&metrics).expect("metrics are plain data");
    let record = Record {
        key: *key,
        kind: KIND.to_owned(),
        label: String::new(),
        family: *key,
        fields: Vec::new(),
        outputs: BTreeMap::new(),
        provenance: serde_json::to_value(&timing).expect("a timing is plain data"),
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
    };
    // What was there could not be used.
    store.put_and_commit(record, &BTreeMap::from([(METRICS.to_owned(), bytes)]), true)?;
    Ok((metrics, timing))
}

/// What is kept under `key`; `None` when it is not there whole.
fn load(key: &Digest, context: &Context) -> Result<Option<(ModelMetrics, Timing)>, Failure> {
    let Some(record) = context.store.recall(key)? else { return Ok(None) };
    let Some(output) = record.outputs.get(METRICS) else { return Ok(None) };
    let Some(bytes) = context.store.get(&output.digest)? else { return Ok(None) };
    let metrics = serde_json::from_slice(&bytes).ok();
    Ok(metrics.zip(serde_json::from_value(record.provenance).ok()))
}
