//! Named parts in one file: the parts one after the other, an index of them as JSON, and the index's length (8 bytes,
//! little-endian). One object in the store is one file to make durable, whatever a checkpoint holds.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::error::{Error, Kind, Result};

/// A file being put together.
#[derive(Default)]
pub struct Writer {
    bytes: Vec<u8>,
    index: BTreeMap<String, Range<usize>>,
}

impl Writer {
    /// Adds a part.
    pub fn add(&mut self, name: impl Into<String>, part: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(part);
        self.index.insert(name.into(), start..self.bytes.len());
    }

    /// The file.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        let index = serde_json::to_vec(&self.index)
            .map_err(|error| Error::new(Kind::Internal, format!("an index could not be written: {error}")))?;
        self.bytes.extend_from_slice(&index);
        self.bytes.extend_from_slice(&(index.len() as u64).to_le_bytes());
        Ok(self.bytes)
    }
}

/// The parts of a file; `None` when it is none of ours.
pub fn read(bytes: &[u8]) -> Option<BTreeMap<String, &[u8]>> {
    let (body, length) = bytes.split_last_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (parts, index) = body.split_at_checked(body.len().checked_sub(length)?)?;
    let index: BTreeMap<String, Range<usize>> = serde_json::from_slice(index).ok()?;
    index.into_iter().map(|(name, range)| Some((name, parts.get(range)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_and_other_bytes_are_none() {
        let mut writer = Writer::default();
        writer.add("weights", b"1234");
        writer.add("nothing", b"");
        writer.add("history", b"{}");
        let bytes = writer.finish().unwrap();
        let parts = read(&bytes).unwrap();
        assert_eq!(parts.len(), 3);
        assert_eq!((parts["weights"], parts["nothing"], parts["history"]), (&b"1234"[..], &b""[..], &b"{}"[..]));
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_none(), "{length}");
        }
        let outside = br#"{"weights":{"start":2,"end":9}}"#;
        let length = (outside.len() as u64).to_le_bytes();
        assert!(read(&[&b"1234"[..], outside, &length].concat()).is_none());
        let backwards = br#"{"weights":{"start":3,"end":1}}"#;
        assert!(read(&[&b"1234"[..], backwards, &(backwards.len() as u64).to_le_bytes()].concat()).is_none());
        assert!(read(&u64::MAX.to_le_bytes()).is_none());
    }
}
