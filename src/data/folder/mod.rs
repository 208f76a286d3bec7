//! `images`: a data set of a user's own, from PNG, JPEG, WebP and BMP files.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | from the files to a [`DataSet`], and to its digest alone |
//! | `listing.rs` | [`Listing`]: which files there are, in which half and of which class |
//! | `class_folders.rs` | halves that are folders with a folder a class |
//! | `tables.rs` | halves that are tables |
//! | `class_names.rs` | names of classes: their form, their order, and those that look alike |
//! | `decode.rs` | one file's bytes to pixels of the wanted shape |
//! | `jpeg.rs` | JPEG files: whole or refused, and the same pixels on every processor |
//! | `fixtures/` | small images, and what Pillow reads from them |
//!
//! The digest covers the [`VERSIONS`] of what is done with a file, and image by image in order its half, its class by name
//! and the hash of its file. Order is that of class and file names by their bytes (or of the rows of a table): names of
//! files count only as far as they decide it. The order of classes is a function of their names ([`Listing`]), so the digest
//! covers that too.

mod class_folders;
mod class_names;
mod decode;
mod jpeg;
mod listing;
mod tables;

use std::path::Path;
use std::sync::OnceLock;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::load::ContentDigest;
use super::repeats::{self, Seen};
use super::{DataSet, Images, Outline, Source, Witness, files};
use crate::error::{Error, Kind, Result};
use listing::{Contents, Entry, Listing};

pub(crate) use decode::decode as decode_image;

/// The rows of a table with these bytes in `folder`, each a class and a file.
pub(crate) fn read_table(bytes: &[u8], folder: &Path) -> Result<Vec<(String, std::path::PathBuf)>> {
    listing::Found::default().rows_of(bytes, &folder.join("train.csv"))
}

/// The most bytes that a set may take in memory, decoded.
const MEMORY_LIMIT: u64 = 4 << 30;

/// How many files that cannot be read are named.
const SHOWN: usize = 20;

/// Images read and decoded between two steps of progress through a set: bounds what undecoded files take.
const AT_ONCE: usize = 1024;

/// How files are made into pixels, in numbers: part of the digest. Raise one with every change that moves a byte of what
/// it names, an update of a dependency among them (tests pin what decoders and grey give).
const VERSIONS: [(&str, u64); 4] = [("decoder", 1), ("orientation", 1), ("grey", 1), ("resizer", 1)];

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
    /// What is done with the orientation in a file's EXIF data.
    pub orientation: ExifOrientation,
}

/// What is done with the orientation that cameras note in EXIF data, when they store an image as the sensor had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExifOrientation {
    /// Images are turned as viewers show them.
    Apply,
    /// Images are taken as they are stored.
    Ignore,
}

impl ExifOrientation {
    /// With the names that manifests and commands have for them.
    pub const CHOICES: [(&str, Self); 2] = [("apply", Self::Apply), ("ignore", Self::Ignore)];
}

impl Decoding {
    /// Height, width and channels.
    pub fn shape(&self) -> [usize; 3] {
        [self.size[0] as usize, self.size[1] as usize, self.channels as usize]
    }
}

/// What is known of the set without reading an image, and what may not be meant.
///
/// # Errors
/// Kind `Input` if the folder or a table in it is missing or not laid out as [`load`] says.
pub fn survey(folder: &Path, decoding: &Decoding) -> Result<(Outline, Vec<String>)> {
    let listing = Listing::of(folder, decoding.test, Contents::Unread)?;
    check_memory(&listing, decoding)?;
    let outline = Outline {
        shape: decoding.shape(),
        classes: listing.class_names.len(),
        class_names: listing.class_names,
        train: listing.train.len(),
        validation: listing.validation.len(),
        test: listing.test.len(),
    };
    Ok((outline, listing.notes))
}

/// Reads the images of `folder`: `train/CLASS/` and `test/CLASS/` with files in them, or `train.csv` and `test.csv` with
/// columns `path` and `label`; or only `CLASS/` or `train.csv`, of which the share [`Decoding::test`] is held out, copies of
/// a file on one side.
/// `val`, `valid` or `validation` beside `train` has validation images. Classes are in the order of their names: by number
/// where all are whole numbers, else by their bytes. Names are compared in Unicode's composed form.
///
/// # Errors
/// Kind `Input`, naming every file that cannot be read or decoded (the first 20).
pub fn load(folder: &Path, decoding: &Decoding) -> Result<DataSet> {
    // What is drawn depends on which files are copies. A file that changes before it is decoded changes the digest.
    let contents = if decoding.test.is_some() { Contents::Hashed } else { Contents::Unread };
    let listing = Listing::of(folder, decoding.test, contents)?;
    check_memory(&listing, decoding)?;
    let mut digest = new_digest();
    let mut witness = Witness::default();
    let mut problems = Vec::new();
    let [train, validation, test] = listing.halves().map(|(half, entries)| {
        let mut images = Images::empty(decoding.shape());
        for entries in entries.chunks(AT_ONCE) {
            let read: Vec<_> = entries.par_iter().map(|entry| read(entry, decoding)).collect();
            for (entry, read) in entries.iter().zip(read) {
                match read {
                    Ok((watched, pixels)) => {
                        digest.part(&format!("{half} {}", listing.class_names[entry.class as usize]), watched.hash);
                        witness.watch(watched);
                        images.pixels_mut().extend(pixels);
                        images.labels.push(entry.class);
                    }
                    Err(error) => problems.push((entry.path.clone(), error.message)),
                }
            }
        }
        images
    });
    if !problems.is_empty() {
        let all = listing.count();
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
    let mut set = DataSet {
        source: Source::Images,
        train,
        validation: validation.len(),
        test,
        class_names: listing.class_names,
        digest: digest.finish(),
        witness,
        contents: OnceLock::new(),
    };
    set.train.pixels_mut().extend_from_slice(&validation.pixels);
    set.train.labels.extend(validation.labels);
    Ok(set)
}

/// A set's digest, and what its files say besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    /// The digest that loading gives.
    pub digest: blake3::Hash,
    /// A warning for each kind of repetition among the files of a user's own images.
    pub repeats: Vec<String>,
}

/// The digest that [`load`] would give, without decoding.
///
/// # Errors
/// As for [`load`], except that files which cannot be decoded go unnoticed.
pub fn digest(folder: &Path, decoding: &Decoding) -> Result<Hashed> {
    let listing = Listing::of(folder, decoding.test, Contents::Hashed)?;
    let mut digest = new_digest();
    let mut seen = Vec::new();
    for (half, entries) in listing.halves() {
        for entry in entries {
            // Once more, for the reason that it has none.
            let hash = entry.hash.map_or_else(|| files::hash(&entry.path), Ok)?;
            digest.part(&format!("{half} {}", listing.class_names[entry.class as usize]), hash);
            let name = entry.path.strip_prefix(folder).unwrap_or(&entry.path).display().to_string();
            let half = if half == "train" { "training" } else { half };
            seen.push(Seen { half, class: entry.class, hash, name });
        }
    }
    Ok(Hashed { digest: digest.finish(), repeats: repeats::warnings(&seen, &listing.class_names) })
}

fn new_digest() -> ContentDigest {
    let mut digest = ContentDigest::default();
    for (name, version) in VERSIONS {
        digest.version(name, version);
    }
    digest
}

fn read(entry: &Entry, decoding: &Decoding) -> Result<(super::witness::Watched, Vec<u8>)> {
    let content = files::read(&entry.path)?;
    let pixels = decode::decode(&content.bytes, decoding)?;
    Ok((content.watched, pixels))
}

fn check_memory(listing: &Listing, decoding: &Decoding) -> Result<()> {
    let count = listing.count() as u64;
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
