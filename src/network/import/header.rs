//! The names, types and shapes of a file's tensors, which stand at its beginning.
//!
//! A safetensors file is the length of the header in 8 bytes (little-endian), the header as JSON, and the values.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io::Read;

use safetensors::tensor::{Dtype, Metadata, SafeTensorError, TensorInfo};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use super::foreign;
use crate::error::{Error, Kind, Result};

/// The most bytes of a header, which is also the limit of the format's own readers.
const LIMIT: u64 = 100_000_000;

/// The bytes of the header's length.
const LENGTH: usize = 8;

/// The member of the header that is no tensor.
const METADATA: &str = "__metadata__";

/// So many characters of a name are shown.
const SHOWN: usize = 64;

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

/// What a header says.
pub struct Header {
    /// The tensors.
    pub entries: Entries,
    /// What it says of the file as a whole.
    pub metadata: HashMap<String, String>,
}

/// Reads the header of a file of `size` bytes, if that is known, and nothing behind it.
///
/// # Errors
/// `Kind::Input` when it is no safetensors file, or one that is cut off; says what it is if that is known.
pub fn read(file: &mut impl Read, size: Option<u64>) -> Result<Header> {
    let unreadable = |error: std::io::Error| Error::new(Kind::Input, format!("cannot read the file: {error}"));
    let mut bytes = Vec::new();
    file.take(foreign::PROBE as u64).read_to_end(&mut bytes).map_err(unreadable)?;
    if let Some(error) = foreign::refusal(&bytes) {
        return Err(error);
    }
    let Some(length) = bytes.first_chunk::<LENGTH>() else {
        return Err(foreign::unknown(&bytes, &format!("it has only {} bytes", bytes.len())));
    };
    let length = u64::from_le_bytes(*length);
    if length > LIMIT {
        let why = format!("its first eight bytes, the length of the header, say {length}");
        return Err(foreign::unknown(&bytes, &why));
    }
    let cut_off = |size: u64, whole: u64| {
        let message = format!("the file is cut off: it has {size} bytes of {whole}");
        Error::new(Kind::Input, message).hint("write or download it again")
    };
    let end = LENGTH as u64 + length;
    if let Some(size) = size.filter(|size| *size < end) {
        return Err(cut_off(size, end));
    }
    file.take(end.saturating_sub(bytes.len() as u64)).read_to_end(&mut bytes).map_err(unreadable)?;
    let header = bytes.get(LENGTH..end as usize).ok_or_else(|| invalid("its header is cut off"))?;
    let metadata = metadata(header)?;
    let whole = end.saturating_add(metadata.data_len() as u64);
    match size {
        Some(size) if size < whole => return Err(cut_off(size, whole)),
        Some(size) if size > whole => {
            return Err(invalid(&format!("it has {} bytes more than its header says", size - whole)));
        }
        _ => {}
    }
    let entries = metadata.tensors().into_iter();
    let entries = entries.map(|(name, info)| (name, Entry { dtype: info.dtype, shape: info.shape.clone() })).collect();
    Ok(Header { entries, metadata: metadata.metadata().clone().unwrap_or_default() })
}

fn invalid(why: &str) -> Error {
    Error::new(Kind::Input, format!("the weights are not a valid safetensors file: {why}"))
        .hint("write it again, with the `safetensors` library, or download it again")
}

/// A name that the file gives, fit for a message: one line, nothing that a terminal obeys, not too long.
pub fn shown(name: &str) -> String {
    let mut shown: String = name.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if name.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// The header's members, in order. A name that is there twice is no matter to JSON, but which of the two is meant?
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Vec<(String, Value)>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object with the tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut names, mut members) = (HashSet::new(), Vec::new());
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format!("`{}` is there twice", shown(&name))));
                    }
                    members.push((name, value));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Each).map(Self)
    }
}

/// The tensors of a header, whose values lie one behind the other and fill the file.
fn metadata(header: &[u8]) -> Result<Metadata> {
    let Members(members) =
        serde_json::from_slice(header).map_err(|error| invalid(&format!("in its header: {error}")))?;
    let (mut metadata, mut tensors) = (None, Vec::new());
    for (name, value) in members {
        if name == METADATA {
            let words = serde_json::from_value(value);
            metadata = words.map_err(|error| invalid(&format!("its `{METADATA}` is not of texts: {error}")))?;
            continue;
        }
        let about = |why: &str| invalid(&format!("tensor `{}` {why}", shown(&name)));
        if let Some(dtype) = value.get("dtype").and_then(Value::as_str)
            && Dtype::deserialize(&value["dtype"]).is_err()
        {
            return Err(about(&format!("is of type `{}`, which is not known", shown(dtype))));
        }
        let info = TensorInfo::deserialize(&value).map_err(|error| about(&format!("is not described: {error}")))?;
        let (begin, end) = info.data_offsets;
        let bits = info.shape.iter().try_fold(info.dtype.bitsize(), |product, size| product.checked_mul(*size));
        if bits.is_none() || end.checked_sub(begin) != bits.map(|bits| bits.div_ceil(8)) {
            let (shape, dtype) = (&info.shape, info.dtype);
            return Err(about(&format!("has shape {shape:?} of {dtype:?}, and lies from byte {begin} to {end}")));
        }
        tensors.push((name, info));
    }
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    Metadata::new(metadata, tensors).map_err(|error| match error {
        SafeTensorError::InvalidOffset(name) => {
            let name = shown(&name);
            invalid(&format!("tensor `{name}` overlaps with the one before it, or leaves a gap between"))
        }
        other => invalid(&other.to_string()),
    })
}
