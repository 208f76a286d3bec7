//! An epoch as an action of its own in the store: weights, optimizer state and history under a key that is chained from
//! the epoch before it. The key holds everything that decided the epochs so far and nothing about those to come, so that
//! a run that was killed, one that is longer, and one whose later learning rates differ all go on from the longest
//! prefix they have in common with what is there.
//!
//! A checkpoint is one object, whose first part is its key: no other record names the same, so it can go with its record,
//! and nobody has to look who else needs it. `kept` says which go when a later one is durable.
//!
//! - `parts`: what a checkpoint holds, in one file
//! - `kept`: which checkpoints are kept beside the last
//! - `reach`: how far a run would come with what is in the store

pub mod kept;
mod parts;
mod reach;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub use reach::{Chains, Reach};

use super::losses::connectors;
use super::optimizer::{self, Tensors};
use super::parameters::Training;
use super::peer;
use super::penalties;
use super::sparsity::Sparsity;
use super::{History, Task, schedule};
use crate::error::Result;
use crate::network::{Model, ParameterSpec, weights};
use crate::store::{Digest, Record, Store};

/// The kind of record that a checkpoint is.
pub const KIND: &str = "epoch";

/// The key of the epoch that follows `previous` with these learning rates, one a step.
pub fn next_key(previous: &Digest, learning_rates: &[f64]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("pleach 2026 epoch key");
    hasher.update(previous.as_bytes());
    for rate in learning_rates {
        hasher.update(&rate.to_bits().to_le_bytes());
    }
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

/// The key of every epoch of a run whose epochs have so many steps; `None` as soon as `stop` says so.
pub fn keys(training: &Training, chain: &Digest, steps: u64, stop: &dyn Fn() -> bool) -> Option<Vec<Digest>> {
    let mut keys: Vec<Digest> = Vec::new();
    for epoch in 0..training.epochs {
        if stop() {
            return None;
        }
        let mut decisive = schedule::rates(&training.schedule, training.optimizer.lr(), training.epochs, steps, epoch);
        decisive.extend(Sparsity::foresight(training, steps, epoch));
        keys.push(next_key(keys.last().unwrap_or(chain), &decisive));
    }
    Some(keys)
}

/// Where a training run stands after an epoch.
pub struct Checkpoint {
    /// The network.
    pub model: Model,
    /// The optimizer's tensors.
    pub optimizer: Tensors,
    /// Weights that are kept beside the network's masked ones, if the stage masks by surgery.
    pub dense: Option<Tensors>,
    /// Steps the optimizer has done.
    pub steps: u64,
    /// What penalties have come to; mostly nothing.
    pub penalties: Tensors,
    /// The connectors of losses on features, with the optimizer's tensors of them; mostly nothing.
    pub connectors: Tensors,
    /// The network that learns beside it, with the optimizer's tensors of it.
    pub peer: Option<(Model, Tensors)>,
    /// All epochs so far.
    pub history: History,
    /// The network after the best epoch so far, if there is a validation split.
    pub best: Option<Model>,
}

/// The name of a checkpoint's only output.
const OUTPUT: &str = "checkpoint";

/// Commits a checkpoint of `task` under `key`, in place of what is there, and drops those of the chain (`keys`, one an
/// epoch) that are not to be kept beside it.
///
/// # Errors
/// When the store cannot be written.
pub fn commit(task: &Task, keys: &[Digest], steps: u64, checkpoint: &Checkpoint) -> Result<()> {
    let epoch = checkpoint.history.epochs.len();
    let key = keys[epoch - 1];
    let outputs = BTreeMap::from([(OUTPUT.to_owned(), encode(&key, checkpoint)?)]);
    let field = |name: &str, value: String| (name.to_owned(), value);
    let record = Record {
        key,
        kind: KIND.to_owned(),
        label: task.label.to_owned(),
        family: task.stage,
        fields: vec![
            field("chain", task.chain.to_string()),
            field("epoch", epoch.to_string()),
            field("steps", steps.to_string()),
        ],
        outputs: BTreeMap::new(),
        provenance: json!({ "lr": reach::runs(checkpoint.history.epochs.iter().map(|entry| entry.lr)) }),
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
    };
    task.store.put_and_commit(record, &outputs, true)?;
    discard(task, keys, kept::superseded(epoch as u64));
    Ok(())
}

/// Drops what a run that ended between a commit and its drops has left before epoch `last`, whose checkpoint is there.
pub fn sweep(task: &Task, keys: &[Digest], last: u64) {
    discard(task, keys, (1..last).filter(|epoch| !kept::is_kept(*epoch, last)));
}

fn discard(task: &Task, keys: &[Digest], epochs: impl Iterator<Item = u64>) {
    for key in epochs.map(|epoch| &keys[epoch as usize - 1]) {
        // Others may name the objects of a checkpoint that an earlier version made.
        let is_ours = |record: &Record| record.outputs.keys().eq([OUTPUT]);
        // One that cannot be dropped costs room, and nothing else; a collection comes to it.
        let _ = task.store.discard(key, is_ours);
    }
}

fn encode(key: &Digest, checkpoint: &Checkpoint) -> Result<Vec<u8>> {
    let mut parts = parts::Writer::default();
    parts.add("key", key.as_bytes());
    let history = json!({ "steps": checkpoint.steps, "history": checkpoint.history });
    parts.add("history", history.to_string().as_bytes());
    parts.add("optimizer", &weights::encode(&checkpoint.optimizer)?);
    if let Some(dense) = &checkpoint.dense {
        parts.add("dense", &weights::encode(dense)?);
    }
    if !checkpoint.penalties.is_empty() {
        parts.add("penalties", &weights::encode(&checkpoint.penalties)?);
    }
    if !checkpoint.connectors.is_empty() {
        parts.add("connectors", &weights::encode(&checkpoint.connectors)?);
    }
    if let Some((_, tensors)) = &checkpoint.peer {
        parts.add("peer-optimizer", &weights::encode(tensors)?);
    }
    let peer = checkpoint.peer.as_ref().map(|(model, _)| model);
    // After an epoch that is the best so far, the best network is the network.
    let best = checkpoint.best.as_ref().filter(|_| !checkpoint.history.last_is_best());
    for (prefix, model) in [("", Some(&checkpoint.model)), ("best-", best), ("peer-", peer)] {
        let Some(model) = model else { continue };
        parts.add(format!("{prefix}network"), &model.description()?);
        parts.add(format!("{prefix}weights"), &model.weights()?);
    }
    parts.finish()
}

/// Reads the checkpoint under `key`; `None` when it is not there whole, or holds what no checkpoint can hold. It is then
/// made again. `connectors` are the parameters of those of the stage.
///
/// # Errors
/// When the store cannot be read.
pub fn load(
    store: &Store,
    key: &Digest,
    training: &Training,
    connectors: &[ParameterSpec],
) -> Result<Option<Checkpoint>> {
    let Some(record) = store.recall(key)? else { return Ok(None) };
    let mut objects = BTreeMap::new();
    for (name, output) in &record.outputs {
        match store.get(&output.digest)? {
            Some(bytes) => objects.insert(name.clone(), bytes),
            None => return Ok(None),
        };
    }
    let parts = match objects.get(OUTPUT) {
        Some(bytes) => parts::read(bytes).filter(|parts| parts.get("key") == Some(&&key.as_bytes()[..])),
        // Earlier versions made an object of each part.
        None => Some(objects.iter().map(|(name, bytes)| (name.clone(), &bytes[..])).collect()),
    };
    Ok(parts.and_then(|parts| decode(&parts, training, connectors)))
}

/// The epochs up to that of a checkpoint's record; `None` when it is not there whole.
///
/// # Errors
/// When the store cannot be read.
pub fn history(store: &Store, record: &Record) -> Result<Option<History>> {
    let name = if record.outputs.contains_key(OUTPUT) { OUTPUT } else { "history" };
    let bytes = match record.outputs.get(name) {
        Some(output) => store.get(&output.digest)?,
        None => None,
    };
    let of_parts = |bytes: &[u8]| -> Option<History> {
        let mut told: Value = match name {
            OUTPUT => serde_json::from_slice(parts::read(bytes)?.get("history")?).ok()?,
            _ => serde_json::from_slice(bytes).ok()?,
        };
        serde_json::from_value(told["history"].take()).ok()
    };
    Ok(bytes.and_then(|bytes| of_parts(&bytes)))
}

fn decode(parts: &BTreeMap<String, &[u8]>, training: &Training, connectors: &[ParameterSpec]) -> Option<Checkpoint> {
    let model = |prefix: &str| {
        let part = |name: &str| parts.get(&format!("{prefix}{name}")).copied();
        Model::from_parts(part("network")?, part("weights")?, None).ok()
    };
    let now = model("")?;
    let history: Value = serde_json::from_slice(parts.get("history")?).ok()?;
    let steps = history["steps"].as_u64()?;
    let history: History = serde_json::from_value(history["history"].clone()).ok()?;
    let best = match history.best() {
        Some(_) if history.last_is_best() => Some(now.clone()),
        Some(_) => Some(model("best-")?),
        None => None,
    };
    let of_penalties = penalties::specs(&training.penalties, &now.graph);
    let penalties = match parts.get("penalties") {
        Some(bytes) => weights::decode(bytes, &of_penalties).ok()?,
        None if of_penalties.is_empty() => Tensors::new(),
        None => return None,
    };
    let state = |part: &str, model: &Model| {
        let specs = optimizer::specs(&training.optimizer, &model.graph.parameters());
        weights::decode(parts.get(part)?, &specs).ok()
    };
    let peer = match peer::is_wanted(training) {
        true => Some(model("peer-")?),
        false => None,
    };
    let connectors = match connectors.is_empty() {
        true => Tensors::new(),
        false => {
            let specs = connectors::saved_specs(connectors, &training.optimizer);
            weights::decode(parts.get("connectors")?, &specs).ok()?
        }
    };
    let dense = match Sparsity::kept_beside(training, &now.graph) {
        Some(specs) => Some(weights::decode(parts.get("dense")?, &specs).ok()?),
        None => None,
    };
    Some(Checkpoint {
        optimizer: state("optimizer", &now)?,
        model: now,
        connectors,
        peer: match peer {
            Some(peer) => Some((peer.clone(), state("peer-optimizer", &peer)?)),
            None => None,
        },
        dense,
        steps,
        penalties,
        history,
        best,
    })
}
