//! That a stage diverged, as a record of its own in the store: a plan, a search and a report know it from there. It is no
//! result, and keeps no stage from being tried again.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::key::{self, Fields};
use crate::error::{Error, Result};
use crate::store::{Digest, Record, Store};

/// The kind of record.
const KIND: &str = "divergence";

/// Keeps that the stage with this key, label and fields diverged, and how.
///
/// # Errors
/// When the store cannot be written.
pub fn remember(store: &Store, key: &Digest, label: &str, fields: &Fields, error: &Error) -> Result<()> {
    let record = Record {
        key: key::divergence(key),
        kind: KIND.to_owned(),
        label: label.to_owned(),
        family: *key,
        fields: fields.clone(),
        outputs: BTreeMap::new(),
        provenance: json!({ "pleach": env!("CARGO_PKG_VERSION"), "message": error.to_string() }),
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
    };
    store.commit(record, true).map(|_| ())
}

/// What was said of the stage with this key when it diverged; `None` when it is not known to have.
///
/// # Errors
/// When the store cannot be read.
pub fn known(store: &Store, key: &Digest) -> Result<Option<String>> {
    let record = store.lookup(&key::divergence(key))?.filter(|record| record.kind == KIND);
    Ok(record.map(|record| record.provenance["message"].as_str().unwrap_or_default().to_owned()))
}
