//! `images`: a data set of a user's own, from PNG and JPEG files.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | from the files to a [`DataSet`], and to its digest alone |
//! | `listing.rs` | [`Listing`]: which files there are, and of which class |
//! | `decode.rs` | one file's bytes to pixels of the wanted shape |
//!
//! The digest covers, image by image in order, its half, its class by name and the hash of its file. Order is that of
//! class and file names by their bytes (or of the rows of a table): names of files count only as far as they decide it. The
//! order of classes is a function of their names ([`Listing`]), so the digest covers that too.

mod decode;
mod listing;

use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::load::ContentDigest;
use super::{DataSet, Images, Source, Witness, files};
use crate::error::{Error, Kind, Result};
use listing::{Entry, Listing};

/// The most bytes that a set may take in memory, decoded.
const MEMORY_LIMIT: u64 = 4 << 30;

/// How many files that cannot be read are named.
const SHOWN: usize = 20;

/// Images read and decoded between two steps of progress through a set: bounds what undecoded files take.
const AT_ONCE: usize = 1024;

/// What files are made into.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decoding {
    /// Height and width that every image is resized to, whatever its proportions.
    pub size: [u64; 2],
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: u64,
    /// The share of images of each class that is held out for tests, where the files are not in two halves.
    pub test: Option<f64>,
}

impl Decoding {
    /// Height, width and channels.
    pub fn shape(&self) -> [usize; 3] {
        [self.size[0] as usize, self.size[1] as usize, self.channels as usize]
    }
}

/// The class names, and how many training and test images there are, without reading one.
///
/// # Errors
/// Kind `Input` if the folder or a table in it is missing or not laid out as [`load`] says.
pub fn survey(folder: &Path, decoding: &Decoding) -> Result<(Vec<String>, usize, usize)> {
    let listing = Listing::of(folder, decoding.test)?;
    check_memory(&listing, decoding)?;
    Ok((listing.class_names, listing.train.len(), listing.test.len()))
}

/// Reads the images of `folder`: `train/CLASS/` and `test/CLASS/` with files in them, or `train.csv` and `test.csv` with
/// columns `path` and `label`; or only `CLASS/` or `train.csv`, of which the share [`Decoding::test`] is held out. Classes
/// are in the order of their names: by number where all are whole numbers, else by their bytes.
///
/// # Errors
/// Kind `Input`, naming every file that cannot be read or decoded (the first 20).
pub fn load(folder: &Path, decoding: &Decoding) -> Result<DataSet> {
    let listing = Listing::of(folder, decoding.test)?;
    check_memory(&listing, decoding)?;
    let mut digest = ContentDigest::default();
    let mut witness = Witness::default();
    let mut problems = Vec::new();
    let mut halves = [("train", &listing.train), ("test", &listing.test)].map(|(half, entries)| {
        let mut images = Images::empty(decoding.shape());
        for entries in entries.chunks(AT_ONCE) {
            let read: Vec<_> = entries.par_iter().map(|entry| read(entry, decoding)).collect();
            for (entry, read) in entries.iter().zip(read) {
                match read {
                    Ok((watched, pixels)) => {
                        digest.part(&format!("{half} {}", listing.class_names[entry.class as usize]), watched.hash);
                        witness.watch(watched);
                        images.pixels.extend(pixels);
                        images.labels.push(entry.class);
                    }
                    Err(error) => problems.push((entry.path.clone(), error.message)),
                }
            }
        }
        images
    });
    if !problems.is_empty() {
        let all = listing.train.len() + listing.test.len();
        let message = format!("{} of {all} images cannot be read", problems.len());
        let mut error = Error::new(Kind::Input, message).at(folder);
        for (path, problem) in problems.iter().take(SHOWN) {
            let name = path.strip_prefix(folder).unwrap_or(path);
            error = error.hint(format!("{}: {problem}", name.display()));
        }
        if problems.len() > SHOWN {
            error = error.hint(format!("and {} more", problems.len() - SHOWN));
        }
        return Err(error.hint("replace or remove these files"));
    }
    for table in listing.tables {
        witness.watch(table);
    }
    let [train, test] = std::mem::replace(&mut halves, [Images::empty([0; 3]), Images::empty([0; 3])]);
    let digest = digest.finish();
    Ok(DataSet { source: Source::Images, train, test, class_names: listing.class_names, digest, witness })
}

/// The digest that [`load`] would give, without decoding.
///
/// # Errors
/// As for [`load`], except that files which cannot be decoded go unnoticed.
pub fn digest(folder: &Path, decoding: &Decoding) -> Result<blake3::Hash> {
    let listing = Listing::of(folder, decoding.test)?;
    let mut digest = ContentDigest::default();
    for (half, entries) in [("train", &listing.train), ("test", &listing.test)] {
        let hashes: Vec<Result<blake3::Hash>> = entries.par_iter().map(|entry| files::hash(&entry.path)).collect();
        for (entry, hash) in entries.iter().zip(hashes) {
            digest.part(&format!("{half} {}", listing.class_names[entry.class as usize]), hash?);
        }
    }
    Ok(digest.finish())
}

fn read(entry: &Entry, decoding: &Decoding) -> Result<(super::witness::Watched, Vec<u8>)> {
    let content = files::read(&entry.path)?;
    let pixels = decode::decode(&content.bytes, decoding)?;
    Ok((content.watched, pixels))
}

fn check_memory(listing: &Listing, decoding: &Decoding) -> Result<()> {
    let count = (listing.train.len() + listing.test.len()) as u64;
    let [height, width, channels] = decoding.shape();
    let bytes = (height * width * channels) as u64 * count;
    if bytes <= MEMORY_LIMIT {
        return Ok(());
    }
    let limit = MEMORY_LIMIT >> 30;
    let message = format!("{count} images of {height}x{width}x{channels} take {bytes} bytes, more than {limit} GiB");
    Err(Error::new(Kind::Input, message).hint("a whole set is kept in memory; choose a smaller `size`"))
}

#[cfg(test)]
mod tests;
