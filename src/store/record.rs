//! An action record: what was done, under which key, and which objects came of it.
//!
//! On disk it is one line of JSON whose last field, `check`, is the blake3 of every byte before that field. So a torn,
//! flipped or hand-edited record is told from a whole one without a look at anything else.

use super::Digest;
use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A record larger than this was not written by pleach; it also bounds the memory that a foreign file can take.
pub(super) const LARGEST: u64 = 16 << 20;

const CHECK: &[u8] = b",\"check\":\"";
const END: &[u8] = b"\"}\n";
const TAIL: usize = CHECK.len() + 64 + END.len();

/// One committed action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The action's key, which is also the name of its file. The store does not look into it.
    pub key: Digest,
    /// `"stage"` for a finished stage, `"epoch"` for a checkpoint on the way to one; others are kept as stages' are.
    pub kind: String,
    /// A name for people, such as the stage's. It decides nothing.
    pub label: String,
    /// What the record belongs to. Of an `"epoch"` record, the key of its stage: [`Store::gc`](super::Store::gc) takes it
    /// for a checkpoint of a *finished* stage when there is a usable `"stage"` record under that key, and keeps the one with
    /// the highest [`Record::epoch`]. Of a `"stage"`
    /// record, whatever its maker groups results by.
    pub family: Digest,
    /// What the key was made of, in order, for explanations.
    pub fields: Vec<(String, String)>,
    /// The objects that came of the action, by name.
    pub outputs: BTreeMap<String, Output>,
    /// How the result came about (device, versions, durations): for people, never for keys.
    pub provenance: serde_json::Value,
    /// When it was committed, in seconds since 1970.
    pub created: u64,
}

/// An object that a record names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The object.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Record {
    /// What to call it in messages: checkpoints have no label, and are called by their kind.
    pub(super) fn name(&self) -> &str {
        if self.label.is_empty() { &self.kind } else { &self.label }
    }

    /// Of an `"epoch"` record: its number, from 1. It is among the fields; 0 if it is not.
    pub fn epoch(&self) -> u64 {
        let number = self.fields.iter().find(|(name, _)| name == "epoch").and_then(|(_, value)| value.parse().ok());
        number.unwrap_or(0)
    }

    /// The bytes of the record's file. [`Kind::Internal`] when they could not be read back: then the record holds
    /// something that does not belong in one.
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let refuse = |why: String| Error::new(Kind::Internal, format!("the record of `{}` {why}", self.name()));
        let mut bytes = serde_json::to_vec(self).map_err(|error| refuse(format!("is not JSON: {error}")))?;
        bytes.pop(); // the closing brace
        let check = Digest::of(&bytes);
        bytes.extend_from_slice(CHECK);
        bytes.extend_from_slice(check.hex().as_bytes());
        bytes.extend_from_slice(END);
        if bytes.len() as u64 > LARGEST {
            return Err(refuse(format!("has {} bytes; at most {LARGEST} are allowed", bytes.len())));
        }
        Self::decode(&bytes).map_err(|why| refuse(format!("cannot be read back: {why}")))?;
        Ok(bytes)
    }

    /// The record in a file's bytes, or what is wrong with them.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let Some(split) = bytes.len().checked_sub(TAIL) else {
            return Err("it is cut short".into());
        };
        let (body, tail) = bytes.split_at(split);
        let check = tail.strip_prefix(CHECK).and_then(|rest| rest.strip_suffix(END));
        let Some(check) = check else {
            return Err("it does not end in a check sum".into());
        };
        if check != Digest::of(body).hex().as_bytes() {
            return Err("its check sum is wrong".into());
        }
        serde_json::from_slice(bytes).map_err(|error| format!("it is not a record: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Record {
        Record {
            key: Digest::of(b"key"),
            kind: "stage".into(),
            label: "teacher \"one\"\n".into(),
            family: Digest::of(b"family"),
            fields: vec![("lr".into(), "0.1".into()), ("lr".into(), "twice".into())],
            outputs: BTreeMap::from([("network".into(), Output { digest: Digest::of(b"weights"), size: 7 })]),
            provenance: serde_json::json!({"device": "cpu", "seconds": 1.5}),
            created: u64::MAX,
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let bytes = sample().encode().unwrap();
        assert_eq!(Record::decode(&bytes).unwrap(), sample());
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value.as_object().unwrap().keys().next_back().unwrap(), "check");
    }

    #[test]
    fn every_damaged_byte_and_every_length_is_noticed() {
        let bytes = sample().encode().unwrap();
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x20;
            assert!(Record::decode(&damaged).is_err(), "flip at {position}");
            assert!(Record::decode(&bytes[..position]).is_err(), "cut at {position}");
        }
        assert!(Record::decode(&[&bytes[..], b"\n"].concat()).is_err());
        assert!(Record::decode(b"").is_err());
    }

    #[test]
    fn a_good_check_sum_over_something_else_is_no_record() {
        let body = b"{\"key\":1";
        let bytes = [&body[..], CHECK, Digest::of(body).hex().as_bytes(), END].concat();
        assert!(Record::decode(&bytes).unwrap_err().contains("not a record"));
    }

    #[test]
    fn a_record_that_could_not_be_read_back_is_refused() {
        let mut deep = serde_json::Value::Null;
        for _ in 0..200 {
            deep = serde_json::Value::Array(vec![deep]);
        }
        let error = Record { provenance: deep, ..sample() }.encode().unwrap_err();
        assert_eq!(error.kind, Kind::Internal);
        let huge = Record { label: "x".repeat(LARGEST as usize), ..sample() };
        assert_eq!(huge.encode().unwrap_err().kind, Kind::Internal);
    }
}
