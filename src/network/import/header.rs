//! The names, types and shapes of a file's tensors, which stand at its beginning.
//!
//! A safetensors file is the length of the header in 8 bytes (little-endian), the header as JSON, and the values.

use std::collections::BTreeMap;
use std::io::Read;

use safetensors::tensor::{Dtype, Metadata};

use super::foreign;
use crate::error::{Error, Kind, Result};

/// The most bytes of a header, which is also the limit of the format's own readers.
const LIMIT: u64 = 100_000_000;

/// The bytes of the header's length.
const LENGTH: usize = 8;

/// The tensors of a file by name.
pub type Entries = BTreeMap<String, Entry>;

/// A tensor without its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The type of its numbers.
    pub dtype: Dtype,
    /// Its dimensions.
    pub shape: Vec<usize>,
}

/// Reads the header of a file of `size` bytes, and nothing behind it.
///
/// # Errors
/// `Kind::Input` when it is no safetensors file, or one that is cut off; says what it is if that is known.
pub fn read(file: &mut impl Read, size: u64) -> Result<Entries> {
    let invalid = |why: String| Error::new(Kind::Input, format!("the weights are not a valid safetensors file: {why}"));
    let unreadable = |error: std::io::Error| Error::new(Kind::Input, format!("cannot read the file: {error}"));
    let mut bytes = Vec::new();
    file.take(foreign::PROBE as u64).read_to_end(&mut bytes).map_err(unreadable)?;
    if let Some(error) = foreign::refusal(&bytes) {
        return Err(error);
    }
    let Some(length) = bytes.first_chunk::<LENGTH>() else {
        return Err(invalid(format!("it has only {size} bytes")));
    };
    let length = u64::from_le_bytes(*length);
    if length > LIMIT {
        return Err(invalid(format!("its first eight bytes speak of a header of {length} bytes")));
    }
    let cut_off = |whole: u64| {
        let message = format!("the file is cut off: it has {size} bytes of {whole}");
        Error::new(Kind::Input, message).hint("write or download it again")
    };
    let end = LENGTH as u64 + length;
    if size < end {
        return Err(cut_off(end));
    }
    file.take(end.saturating_sub(bytes.len() as u64)).read_to_end(&mut bytes).map_err(unreadable)?;
    let header = bytes.get(LENGTH..end as usize).ok_or_else(|| invalid("it became shorter".to_owned()))?;
    let metadata: Metadata = serde_json::from_slice(header).map_err(|error| invalid(error.to_string()))?;
    let whole = end.saturating_add(metadata.data_len() as u64);
    if size < whole {
        return Err(cut_off(whole));
    }
    if size > whole {
        return Err(invalid(format!("it has {} bytes more than its header says", size - whole)));
    }
    let entries = metadata.tensors().into_iter();
    Ok(entries.map(|(name, info)| (name, Entry { dtype: info.dtype, shape: info.shape.clone() })).collect())
}
