//! A teacher's logits on the training images as an action of their own in the store. Where nothing is augmented they are
//! the same in every epoch of every student, so whoever needs them first works them out, and everybody else reads them: a
//! run that goes on, and other students of the same teacher. A collection treats them as it does results.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{Stop, Task, Tutor, evaluation};
use crate::error::{Error, Kind, Result};
use crate::network::{Executor, HostTensor, ParameterSpec, Role, weights};
use crate::store::{Digest, Record, Store};
use crate::tensor::Backend;

/// The kind of record; `pleach cache status` counts them.
pub const KIND: &str = "answer";

/// The name of the output, and of the tensor in it.
const LOGITS: &str = "logits";

/// The logits of `teacher` on the training images of `task`, row by row: (images, classes), in the order of its own classes.
/// From the store, or worked out
/// and kept there under the lock of their key, so that of several students at once one works and the others wait.
///
/// # Errors
/// When the store or the device fails, or the run is to stop.
pub fn known<B: Backend>(task: &Task, teacher: &Tutor, device: &B) -> Result<Vec<f32>, Stop> {
    let (store, key) = (task.store, &task.teacher_logits);
    let dims = vec![task.train.len(), teacher.model.graph.classes()];
    let mut wait = |_| if task.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let Some(_lock) = store.lock(key, &mut wait)? else { return Err(Stop::Cancelled) };
    if task.resume
        && let Some(logits) = load(store, key, &dims)?
    {
        return Ok(logits);
    }
    let network = Executor::new(teacher.model, device)?;
    let stop = || task.is_cancelled();
    let logits = evaluation::logits(&network, task.images, task.train, teacher.normalization, device, &stop)?;
    // Then they may not be all.
    if task.is_cancelled() {
        return Err(Stop::Cancelled);
    }
    let tensor = HostTensor { dims, data: logits };
    let tensors = BTreeMap::from([(LOGITS.to_owned(), tensor)]);
    let outputs = BTreeMap::from([(LOGITS.to_owned(), weights::encode(&tensors)?)]);
    let record = Record {
        key: *key,
        kind: KIND.to_owned(),
        label: String::new(),
        family: *key,
        fields: Vec::new(),
        outputs: BTreeMap::new(),
        provenance: Value::Null,
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
    };
    // What was there could not be used.
    store.put_and_commit(record, &outputs, true)?;
    let kept = tensors.into_values().next().map(|tensor| tensor.data);
    Ok(kept.ok_or_else(|| Error::new(Kind::Internal, "the teacher has no logits"))?)
}

/// What is kept under `key`; `None` when it is not there whole, or is of another shape.
fn load(store: &Store, key: &Digest, dims: &[usize]) -> Result<Option<Vec<f32>>> {
    let Some(record) = store.recall(key)? else { return Ok(None) };
    let Some(output) = record.outputs.get(LOGITS) else { return Ok(None) };
    let Some(bytes) = store.get(&output.digest)? else { return Ok(None) };
    let spec = ParameterSpec { name: LOGITS.to_owned(), dims: dims.to_vec(), role: Role::Weight };
    Ok(weights::decode(&bytes, &[spec]).ok().and_then(|mut tensors| tensors.remove(LOGITS)).map(|tensor| tensor.data))
}
