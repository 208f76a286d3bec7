//! Masks as bits, and the file of masks that stood beside the weights before `sparse` was; it is still read.
//!
//! The form of the file: the line `pleach masks 1`; then for each mask, in the order of names: the name's length (u16), the name,
//! the number of weights (u64), and the bits, the first weight in the lowest bit of the first byte, padded with zeros.
//! Integers are little-endian.

use std::collections::BTreeMap;

use super::model::HostTensor;
use crate::error::{Error, Kind, Result};

const HEADER: &[u8] = b"pleach masks 1\n";

/// One bit a weight, the first one in the lowest bit of the first byte, padded with zeros.
pub(super) fn pack(mask: &[bool]) -> impl Iterator<Item = u8> {
    mask.chunks(8).map(|bits| bits.iter().rev().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit)))
}

/// The first `count` bits; nothing when one beyond them is set.
pub(super) fn unpack(packed: &[u8], count: usize) -> Option<Vec<bool>> {
    let bits = packed.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    let mut mask: Vec<bool> = bits.collect();
    (!mask.split_off(count).contains(&true)).then_some(mask)
}

/// The masks of `bytes`, each for one of `tensors`, or an error of `Kind::Input`.
pub(super) fn decode(bytes: &[u8], tensors: &BTreeMap<String, HostTensor>) -> Result<BTreeMap<String, Vec<bool>>> {
    parse(bytes, tensors)
        .map_err(|problem| Error::new(Kind::Input, format!("the masks do not fit the network: {problem}")))
}

fn parse(bytes: &[u8], tensors: &BTreeMap<String, HostTensor>) -> Result<BTreeMap<String, Vec<bool>>, String> {
    let mut rest = bytes.strip_prefix(HEADER).ok_or("not a file of masks, or of a newer version")?;
    let mut masks: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    while !rest.is_empty() {
        let mut take = |count: usize| {
            let (taken, after) = rest.split_at_checked(count).ok_or("cut off")?;
            rest = after;
            Ok::<&[u8], String>(taken)
        };
        let length = take(2)?.iter().rev().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        let name = str::from_utf8(take(length)?).map_err(|_| "a name that is not UTF-8")?.to_owned();
        let count = take(8)?.iter().rev().fold(0_u64, |count, byte| count << 8 | u64::from(*byte));
        let expected = tensors.get(&name).ok_or_else(|| format!("there is no tensor `{name}`"))?.data.len();
        if count != expected as u64 {
            return Err(format!("`{name}` has {expected} weights, its mask {count}"));
        }
        let mask = unpack(take(expected.div_ceil(8))?, expected)
            .ok_or_else(|| format!("the mask of `{name}` has bits beyond its end"))?;
        if masks.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return Err(format!("the mask of `{name}` is out of order"));
        }
        masks.insert(name, mask);
    }
    Ok(masks)
}
