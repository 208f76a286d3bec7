//! What a key is made of.
//!
//! | fields | why |
//! |---|---|
//! | `key-version` | the rules below |
//! | `kind`, `implementation` | the code that makes the result |
//! | every parameter after defaults, by its name in the manifest (`optimizer.lr`) | decides the result |
//! | `seed` | weights, order, augmentation; of stages that draw nothing ([`Parameters::draws`](super::Parameters::draws)) it is left out |
//! | `data.source`, `.validation`, `.limit`, `.seed`, `.digest` | the images as they were read, and their split |
//! | `import.digest`, `.shape`, `.classes` | the file with weights, and what images its network takes |
//! | `inputs.ROLE.network`, `.weights`, `.masks`, `.signature` | content, not names: an input that came out the same changes nothing |
//!
//! Not in it: names of stages, networks and data sets, paths, times, hosts, thread counts, devices.
//!
//! The fields come out of the description's serialisation, so a parameter cannot be forgotten: one that is not to count
//! must be named in `IGNORED`.

use serde_json::Value;

use super::Description;
use super::parameters::INFERENCE;
use crate::store::{Digest, Record};

/// Raised when the rules of this file change.
const KEY_VERSION: u32 = 1;

/// Fields of a description that decide nothing.
const IGNORED: &[&str] = &["data.path", "import.path"];

/// Fields of a training stage that say nothing about the epochs it has in common with a run that is longer, stops
/// elsewhere, or chooses another epoch. What the schedule does to an epoch is part of that epoch's key instead.
const NOT_OF_AN_EPOCH: &[&str] = &["epochs", "schedule", "select", "early-stop"];

/// What a key is made of: names and values, in the order of the description.
pub type Fields = Vec<(String, String)>;

/// The fields of a stage.
pub fn fields(description: &Description) -> Fields {
    let mut fields: Fields = vec![
        ("key-version".into(), KEY_VERSION.to_string()),
        ("kind".into(), format!("\"{}\"", description.parameters.kind())),
        ("implementation".into(), description.parameters.implementation().to_string()),
    ];
    let value = serde_json::to_value(description).expect("a description is plain data");
    flatten("", &value, &mut fields);
    if !description.parameters.draws() {
        fields.retain(|(name, _)| name != "seed");
    }
    fields
}

fn flatten(path: &str, value: &Value, fields: &mut Fields) {
    if IGNORED.contains(&path) {
        return;
    }
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                if join(key) != "kind" {
                    flatten(&join(key), value, fields);
                }
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object()) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&join(&index.to_string()), item, fields);
            }
        }
        // Absent options are left out, so that a new one with `None` as its default changes no key.
        Value::Null => {}
        Value::Object(_) => {}
        Value::Array(items) if items.is_empty() => {}
        other => fields.push((path.to_owned(), other.to_string())),
    }
}

/// The key of fields: a hash of all of them, whatever their order.
pub fn key(fields: &Fields) -> Digest {
    digest("pleach 2026 stage key", fields.iter())
}

/// What a result is made of apart from its inputs' content: equal for results that differ in nothing else.
/// `roles` are those of all its inputs, known or not.
pub fn family<'a>(fields: &Fields, roles: impl IntoIterator<Item = &'a String>) -> Digest {
    let own = fields.iter().filter(|(name, _)| !name.starts_with("inputs."));
    let roles: Vec<(String, String)> =
        roles.into_iter().map(|role| (format!("inputs.{role}"), String::new())).collect();
    digest("pleach 2026 stage family", own.chain(&roles))
}

/// The first link of the chain of a training stage's epochs; [`crate::train::checkpoint::next_key`] makes the others.
pub fn chain(fields: &Fields) -> Digest {
    let counts = |name: &str| {
        !NOT_OF_AN_EPOCH.iter().any(|n| name == *n || name.strip_prefix(n).is_some_and(|rest| rest.starts_with('.')))
    };
    digest("pleach 2026 epoch chain", fields.iter().filter(|(name, _)| counts(name)))
}

/// The key of the logits of a training stage's teacher on its training split, as they are without augmentation: of the
/// teacher's content, the images, their split and normalisation, and the code. Nothing else about the stage is in it, so
/// that every student of one teacher finds them.
pub fn teacher_logits(fields: &Fields) -> Digest {
    let version = [("implementation".to_owned(), INFERENCE.to_string())];
    let decides =
        |name: &str| name == "key-version" || name.starts_with("data.") || name.starts_with("inputs.teacher.");
    let counts = fields.iter().filter(|(name, _)| decides(name));
    digest("pleach 2026 teacher logits", counts.chain(&version))
}

/// The key of what a network is worth that an evaluation takes as `role`: of its content, the images, their split and
/// normalisation, and the code. Nothing else about the stage is in it, so that every evaluation of one network finds it.
pub fn measurement(fields: &Fields, role: &str) -> Digest {
    let input = format!("inputs.{role}.");
    let decides = |(name, value): &(String, String)| {
        let of_model = name.strip_prefix(&input).map(|part| format!("model.{part}"));
        let other = matches!(name.as_str(), "key-version" | "implementation" | "split") || name.starts_with("data.");
        of_model.or_else(|| other.then(|| name.clone())).map(|name| (name, value.clone()))
    };
    let counts: Fields = fields.iter().filter_map(decides).collect();
    digest("pleach 2026 measurement", counts.iter())
}

/// The objects that a result was made from: the weights of its inputs, or the layer graph of one that gives no more. Many
/// networks have one graph.
pub fn made_from(record: &Record) -> Vec<Digest> {
    let of = |part: &str, other: &str| {
        let with = |role: &str| record.fields.iter().any(|(name, _)| name.strip_prefix(role) == Some(other));
        let values = record.fields.iter().filter(|(name, _)| {
            name.starts_with("inputs.") && name.strip_suffix(part).is_some_and(|role| other.is_empty() || !with(role))
        });
        values.filter_map(|(_, value)| value.trim_matches('"').parse().ok()).collect::<Vec<Digest>>()
    };
    [of(".weights", ""), of(".network", ".weights")].concat()
}

/// The key under which it is kept that the stage with this key diverged.
pub fn divergence(stage: &Digest) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("pleach 2026 divergence");
    hasher.update(stage.as_bytes());
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

fn digest<'a>(context: &str, fields: impl Iterator<Item = &'a (String, String)>) -> Digest {
    let mut sorted: Vec<&(String, String)> = fields.collect();
    sorted.sort();
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for (name, value) in sorted {
        for part in [name, value] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests;
