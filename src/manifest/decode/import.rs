//! What an import stage says about the tensors of its file.

use super::super::Seed;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::printable;
use crate::network::import::rules::{Head, Mask, Rules};

/// The keys that ask for fresh weights.
pub const DRAWN: [&str; 2] = ["head", "fresh"];

/// The seed of fresh weights; 0 where none are drawn, so that it decides nothing.
pub fn seed(reader: &mut Reader, default: Seed) -> u64 {
    if DRAWN.iter().any(|key| reader.has(key)) {
        return reader.seed(default);
    }
    // Known all the same, to describe the stage, and to be told what is wrong with it.
    reader.integer("seed", 0..=i64::MAX as u64, Some(0));
    if reader.has("seed") {
        let span = reader.place("seed");
        reader
            .diagnostics
            .error(span, "`seed` decides nothing here: all weights come from the file")
            .hint("leave it out, or ask for fresh weights with `head = \"fresh\"` or `fresh = [\"LAYER\", …]`");
    }
    0
}

/// Reads the keys that say how tensors of the file become the network's.
pub fn rules(reader: &mut Reader) -> Rules {
    let prefix = reader.optional_string("prefix");
    if let Some((_, span)) = prefix.as_ref().filter(|(prefix, _)| prefix.is_empty()) {
        reader.diagnostics.error(*span, "`prefix` is empty").hint("name what the file's tensors begin with: `module.`");
    }
    let rules = Rules {
        prefix: prefix.map(|(prefix, _)| prefix),
        head: reader.choice("head", &[("fresh", Some(Head::Fresh))], Some(None)),
        fresh: reader.strings("fresh", "a layer in `fresh`"),
        ignore_extra: reader.strings("ignore-extra", "a tensor in `ignore-extra`"),
        mask: reader.choice("mask", &[("zeros", Some(Mask::Zeros))], Some(None)),
    };
    for (key, patterns) in [("fresh", &rules.fresh), ("ignore-extra", &rules.ignore_extra)] {
        if reader.has(key) && patterns.is_empty() && reader.sound(key) {
            let span = reader.place(key);
            reader.diagnostics.error(span, format!("`{}` is empty", printable(key))).hint("leave it out");
        }
    }
    rules
}
