//! An epoch as an action of its own in the store: weights, optimizer state and history under a key that is chained from
//! the epoch before it. The key holds everything that decided the epochs so far and nothing about those to come, so that
//! a run that was killed, one that is longer, and one whose later learning rates differ all go on from the longest
//! prefix they have in common with what is there.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::History;
use super::losses::connectors;
use super::optimizer::{self, Tensors};
use super::parameters::Training;
use super::peer;
use super::penalties;
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

/// Where a training run stands after an epoch.
pub struct Checkpoint {
    /// The network.
    pub model: Model,
    /// The optimizer's tensors.
    pub optimizer: Tensors,
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

/// Commits a checkpoint under `key`. `stage` is the key of the stage that trains; once that is done, a collection may
/// drop the checkpoint.
///
/// # Errors
/// When the store cannot be written.
pub fn commit(store: &Store, key: Digest, stage: Digest, checkpoint: &Checkpoint, refresh: bool) -> Result<()> {
    let mut outputs = BTreeMap::new();
    let mut put = |name: &str, bytes: Vec<u8>| outputs.insert(name.to_owned(), bytes);
    let history = serde_json::json!({ "steps": checkpoint.steps, "history": checkpoint.history });
    put("history", history.to_string().into_bytes());
    put("optimizer", weights::encode(&checkpoint.optimizer)?);
    if !checkpoint.penalties.is_empty() {
        put("penalties", weights::encode(&checkpoint.penalties)?);
    }
    if !checkpoint.connectors.is_empty() {
        put("connectors", weights::encode(&checkpoint.connectors)?);
    }
    if let Some((_, tensors)) = &checkpoint.peer {
        put("peer-optimizer", weights::encode(tensors)?);
    }
    let peer = checkpoint.peer.as_ref().map(|(model, _)| model);
    for (prefix, model) in [("", Some(&checkpoint.model)), ("best-", checkpoint.best.as_ref()), ("peer-", peer)] {
        let Some(model) = model else { continue };
        put(&format!("{prefix}network"), model.description()?);
        put(&format!("{prefix}weights"), model.weights()?);
    }
    let record = Record {
        key,
        kind: KIND.to_owned(),
        label: String::new(),
        family: stage,
        fields: Vec::new(),
        outputs: BTreeMap::new(),
        provenance: Value::Null,
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
    };
    store.put_and_commit(record, &outputs, refresh).map(|_| ())
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
    let Some(record) = store.lookup(key)? else { return Ok(None) };
    let mut objects = BTreeMap::new();
    for (name, output) in &record.outputs {
        match store.get(&output.digest)? {
            Some(bytes) => objects.insert(name.as_str(), bytes),
            None => return Ok(None),
        };
    }
    Ok(decode(&objects, training, connectors))
}

fn decode(objects: &BTreeMap<&str, Vec<u8>>, training: &Training, connectors: &[ParameterSpec]) -> Option<Checkpoint> {
    let model = |prefix: &str| {
        let object = |name: &str| objects.get(format!("{prefix}{name}").as_str()).map(Vec::as_slice);
        Model::from_parts(object("network")?, object("weights")?, object("masks")).ok()
    };
    let now = model("")?;
    let best = if objects.contains_key("best-weights") { Some(model("best-")?) } else { None };
    let of_penalties = penalties::specs(&training.penalties, &now.graph);
    let penalties = match objects.get("penalties") {
        Some(bytes) => weights::decode(bytes, &of_penalties).ok()?,
        None if of_penalties.is_empty() => Tensors::new(),
        None => return None,
    };
    let state = |object: &str, model: &Model| {
        let specs = optimizer::specs(&training.optimizer, &model.graph.parameters());
        weights::decode(objects.get(object)?, &specs).ok()
    };
    let peer = match peer::is_wanted(training) {
        true => Some(model("peer-")?),
        false => None,
    };
    let connectors = match connectors.is_empty() {
        true => Tensors::new(),
        false => {
            let specs = connectors::saved_specs(connectors, &training.optimizer);
            weights::decode(objects.get("connectors")?, &specs).ok()?
        }
    };
    let history: Value = serde_json::from_slice(objects.get("history")?).ok()?;
    Some(Checkpoint {
        optimizer: state("optimizer", &now)?,
        model: now,
        connectors,
        peer: match peer {
            Some(peer) => Some((peer.clone(), state("peer-optimizer", &peer)?)),
            None => None,
        },
        steps: history["steps"].as_u64()?,
        penalties,
        history: serde_json::from_value(history["history"].clone()).ok()?,
        best,
    })
}
