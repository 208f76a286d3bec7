//! Tensors with masks, in fewer bytes: only the weights that are kept, and which ones these are.
//!
//! The form: the line `pleach weights 1`; then for each tensor, in the order of names: the name's length (u16), the name,
//! the number of dimensions (u8), the dimensions (u64 each), and a byte that says what follows:
//!
//! - 0, no mask: all values;
//! - 1, a mask: positions, and the values that are kept; the others are +0;
//! - 2, a mask, and under it a value that is not +0: positions, and all values.
//!
//! Positions are the number of weights kept (u64), a byte for how they are written, the length of that in bytes (u64), and
//! the bytes: (0) a bit a weight, the first one in the lowest bit of the first byte, padded with zeros; (1) the same,
//! deflated; (2) for each kept weight how many are left out before it, as LEB128, deflated. The shortest is taken; at 90 %
//! sparsity it is the last, at about half a bit a weight, close to the entropy. Integers are little-endian, values are
//! the bits of their `f32`. The same tensors and masks give the same bytes.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use super::masks::{pack, unpack};
use super::model::HostTensor;
use super::parameters::ParameterSpec;
use super::weights::{check, misfit};
use crate::error::{Error, Kind, Result};

const HEADER: &[u8] = b"pleach weights 1\n";

/// The most weights of one tensor. A few bytes can stand for many zeros, so the size of a file bounds nothing.
const MAXIMUM_WEIGHTS: usize = 1 << 31;

type Tensors = BTreeMap<String, HostTensor>;
type Masks = BTreeMap<String, Vec<bool>>;

/// Whether the bytes begin like this form, of whatever version.
pub(super) fn is_sparse(bytes: &[u8]) -> bool {
    bytes.starts_with(b"pleach weights ")
}

/// Tensors and masks as bytes.
///
/// # Errors
/// When the bytes cannot be compressed.
pub(super) fn encode(tensors: &Tensors, masks: &Masks) -> Result<Vec<u8>> {
    let mut bytes = HEADER.to_vec();
    for (name, tensor) in tensors {
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.push(tensor.dims.len() as u8);
        tensor.dims.iter().for_each(|dim| bytes.extend((*dim as u64).to_le_bytes()));
        let Some(mask) = masks.get(name) else {
            bytes.push(0);
            bytes.extend(tensor.data.iter().flat_map(|value| value.to_le_bytes()));
            continue;
        };
        let values = tensor.data.iter().zip(mask);
        let zeroed = values.clone().all(|(value, kept)| *kept || value.to_bits() == 0);
        bytes.push(if zeroed { 1 } else { 2 });
        let positions = positions(mask)?;
        bytes.extend((mask.iter().filter(|kept| **kept).count() as u64).to_le_bytes());
        bytes.push(positions.0);
        bytes.extend((positions.1.len() as u64).to_le_bytes());
        bytes.extend(positions.1);
        bytes.extend(values.filter(|(_, kept)| **kept || !zeroed).flat_map(|(value, _)| value.to_le_bytes()));
    }
    Ok(bytes)
}

/// How the positions of a mask are written, and the bytes: the shortest of the three ways.
fn positions(mask: &[bool]) -> Result<(u8, Vec<u8>)> {
    let bitmap: Vec<u8> = pack(mask).collect();
    let mut gaps = Vec::new();
    let mut gap = 0_u64;
    for kept in mask {
        if !kept {
            gap += 1;
            continue;
        }
        while gap >= 0x80 {
            gaps.push(gap as u8 | 0x80);
            gap >>= 7;
        }
        gaps.push(gap as u8);
        gap = 0;
    }
    let ways = [(1, deflate(&bitmap)?), (2, deflate(&gaps)?)];
    let shortest = ways.into_iter().min_by_key(|(_, bytes)| bytes.len()).expect("there are two");
    Ok(if shortest.1.len() < bitmap.len() { shortest } else { (0, bitmap) })
}

fn deflate(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(|error| Error::new(Kind::Internal, format!("masks could not be compressed: {error}")))
}

/// Exactly `length` bytes, no matter what the compressed ones would grow to.
fn inflate(bytes: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut decoder = DeflateDecoder::new(bytes);
    let mut out = Vec::new();
    (&mut decoder).take(length as u64 + 1).read_to_end(&mut out).ok()?;
    (out.len() == length && decoder.total_in() == bytes.len() as u64).then_some(out)
}

/// Exactly the tensors that `specs` ask for, with the masks that some of them have, or an error of `Kind::Input` that
/// lists all that is wrong. Memory is bounded by the size of `bytes` and of the tensors in `specs`.
pub(super) fn decode(bytes: &[u8], specs: &[ParameterSpec]) -> Result<(Tensors, Masks)> {
    let entries = entries(bytes).map_err(|problem| {
        Error::new(Kind::Input, format!("the weights are not a valid file of sparse weights: {problem}"))
    })?;
    let mut problems = Vec::new();
    let (mut tensors, mut masks) = (Tensors::new(), Masks::new());
    for spec in specs {
        let read = match entries.get(spec.name.as_str()) {
            None => Err("is missing".to_owned()),
            Some(entry) if entry.dims != spec.dims => Err(format!("has shape {:?}, not {:?}", entry.dims, spec.dims)),
            Some(entry) => entry.read().and_then(|(data, mask)| check(spec, &data).map(|()| (data, mask))),
        };
        match read {
            Ok((data, mask)) => {
                tensors.insert(spec.name.clone(), HostTensor { dims: spec.dims.clone(), data });
                masks.extend(mask.map(|mask| (spec.name.clone(), mask)));
            }
            Err(problem) => problems.push(format!("`{}` {problem}", spec.name)),
        }
    }
    let extra = entries.keys().filter(|name| specs.iter().all(|spec| spec.name != **name));
    problems.extend(extra.map(|name| format!("`{}` is not part of the network", name.escape_debug())));
    if problems.is_empty() { Ok((tensors, masks)) } else { Err(misfit(problems)) }
}

/// A tensor as it lies in the file.
struct Entry<'a> {
    dims: Vec<usize>,
    /// The number of weights kept, how positions are written, and their bytes.
    positions: Option<(usize, u8, &'a [u8])>,
    values: &'a [u8],
}

/// Cuts a file into its tensors, by name.
fn entries(bytes: &[u8]) -> Result<BTreeMap<&str, Entry<'_>>, String> {
    let mut rest = bytes.strip_prefix(HEADER).ok_or("its first line is not of this version")?;
    let mut entries: BTreeMap<&str, Entry> = BTreeMap::new();
    while !rest.is_empty() {
        let mut take = |count: usize| {
            let (taken, after) = rest.split_at_checked(count).ok_or("cut off")?;
            rest = after;
            Ok::<&[u8], String>(taken)
        };
        let integer = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        let size = |bytes: &[u8]| usize::try_from(integer(bytes)).map_err(|_| "a size that is too large".to_owned());
        let length = size(take(2)?)?;
        let name = str::from_utf8(take(length)?).map_err(|_| "a name that is not UTF-8")?;
        if entries.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return Err(format!("`{}` is out of order", name.escape_debug()));
        }
        let rank = take(1)?[0];
        let dims = (0..rank).map(|_| size(take(8)?)).collect::<Result<Vec<usize>, String>>()?;
        let count = dims.iter().try_fold(1_usize, |count, dim| count.checked_mul(*dim));
        let count = count
            .filter(|count| *count <= MAXIMUM_WEIGHTS)
            .ok_or_else(|| format!("`{}` has more than {MAXIMUM_WEIGHTS} weights", name.escape_debug()))?;
        let form = take(1)?[0];
        let positions = match form {
            0 => None,
            1 | 2 => {
                let (kept, way) = (size(take(8)?)?, take(1)?[0]);
                let length = size(take(8)?)?;
                if kept > count {
                    return Err(format!("`{}` keeps {kept} of {count} weights", name.escape_debug()));
                }
                Some((kept, way, take(length)?))
            }
            other => return Err(format!("`{}` has the unknown form {other}", name.escape_debug())),
        };
        let values = match positions {
            Some((kept, ..)) if form == 1 => kept,
            _ => count,
        };
        entries.insert(name, Entry { dims, positions, values: take(4 * values)? });
    }
    Ok(entries)
}

impl Entry<'_> {
    /// All values, and the mask if there is one.
    fn read(&self) -> Result<(Vec<f32>, Option<Vec<bool>>), String> {
        let count: usize = self.dims.iter().product();
        let (values, _) = self.values.as_chunks::<4>();
        let mut values = values.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let Some((kept, way, bytes)) = self.positions else { return Ok((values.collect(), None)) };
        let mask = match way {
            0 | 1 => {
                let packed = count.div_ceil(8);
                let bitmap =
                    if way == 0 { (bytes.len() == packed).then(|| bytes.to_vec()) } else { inflate(bytes, packed) };
                bitmap.and_then(|bitmap| unpack(&bitmap, count))
            }
            2 => from_gaps(bytes, kept, count),
            _ => None,
        };
        let mask = mask
            .filter(|mask| mask.iter().filter(|kept| **kept).count() == kept)
            .ok_or("has positions that cannot be read")?;
        let data = if values.len() == count {
            values.collect()
        } else {
            mask.iter().map(|kept| if *kept { values.next().unwrap_or_default() } else { 0.0 }).collect()
        };
        Ok((data, Some(mask)))
    }
}

/// The mask of `count` weights of which `kept` are kept, from the gaps before them.
fn from_gaps(bytes: &[u8], kept: usize, count: usize) -> Option<Vec<bool>> {
    // A gap of less than 2^31 has at most five bytes, and all gaps of two bytes or more together are at most `count`.
    let longest = kept.checked_add(count)?;
    let mut decoder = DeflateDecoder::new(bytes);
    let mut gaps = Vec::new();
    (&mut decoder).take(longest as u64 + 1).read_to_end(&mut gaps).ok()?;
    if gaps.len() > longest || decoder.total_in() != bytes.len() as u64 {
        return None;
    }
    let mut mask = vec![false; count];
    let (mut next, mut gap, mut shift) = (0_usize, 0_usize, 0_u32);
    for byte in gaps {
        gap |= usize::from(byte & 0x7f).checked_shl(shift).filter(|_| shift < 35)?;
        if byte & 0x80 != 0 {
            shift += 7;
            continue;
        }
        let at = next.checked_add(gap)?;
        *mask.get_mut(at)? = true;
        (next, gap, shift) = (at + 1, 0, 0);
    }
    (shift == 0).then_some(mask)
}

#[cfg(test)]
mod tests;
