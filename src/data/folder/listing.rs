//! Which files a folder of images has, in which half and of which class each is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::class_names::{alike, in_order};
use crate::data::witness::Watched;
use crate::data::{files, repeats, split_by_content};
use crate::error::{Error, Kind, Result};

/// The seed of the test share. A constant, so that no manifest can choose its test images.
const SPLIT_SEED: u64 = 2026;

/// What a half with validation images can be called, as a folder or a table.
const VALIDATION: [&str; 3] = ["val", "valid", "validation"];

/// One image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The number of its class.
    pub class: u32,
    /// Its file.
    pub path: PathBuf,
    /// Of the file's content, if it was asked for and the file could be read.
    pub hash: Option<blake3::Hash>,
}

/// Whether files are read when they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// They are not: sizes of halves and classes are right, but which images a drawn half holds is not known.
    Unread,
    /// They are hashed, and images that are equal by their files are drawn for the same half.
    Hashed,
}

/// All images of a set.
#[derive(Debug)]
pub struct Listing {
    /// The name of each class.
    pub class_names: Vec<String>,
    /// Training images, before a validation split is drawn.
    pub train: Vec<Entry>,
    /// Validation images, if the set has some of its own.
    pub validation: Vec<Entry>,
    /// Test images.
    pub test: Vec<Entry>,
    /// The tables that were read, if the set is listed in tables.
    pub tables: Vec<Watched>,
    /// What may not be meant.
    pub notes: Vec<String>,
}

/// Files with the names of their classes, in order.
pub type Named = Vec<(String, PathBuf)>;

/// What was found while halves are read.
#[derive(Default)]
pub struct Found {
    /// The names of classes.
    pub all: BTreeSet<String>,
    pub tables: Vec<Watched>,
    /// Files among the images that are none.
    pub foreign: Vec<PathBuf>,
}

/// The halves as they are on disk.
struct Halves {
    train: Named,
    validation: Option<Named>,
    test: Option<Named>,
}

impl Found {
    fn halves(&mut self, folder: &Path) -> Result<Halves> {
        let by_table = is_there(&folder.join("train.csv"));
        let half = |name: &str| folder.join(if by_table { format!("{name}.csv") } else { name.to_owned() });
        let in_halves = is_there(&half("train"));
        let mut read = |path: PathBuf| if by_table { self.rows(&path) } else { self.classes(&path) };
        if !in_halves {
            return Ok(Halves { train: read(folder.to_owned())?, validation: None, test: None });
        }
        let train = read(half("train"))?;
        let validation: Vec<&str> = VALIDATION.into_iter().filter(|name| is_there(&half(name))).collect();
        if let [one, other, ..] = validation[..] {
            let message = format!("`{one}` and `{other}` are both validation images");
            return Err(Error::new(Kind::Input, message).at(folder).hint("keep one of them"));
        }
        let mut if_there = |name: &str| is_there(&half(name)).then(|| read(half(name))).transpose();
        let test = if_there("test")?;
        let validation = validation.first().map(|name| if_there(name)).transpose()?.flatten();
        Ok(Halves { train, validation, test })
    }
}

impl Listing {
    /// Lists `folder`, and holds out the share `test` of each class if it has no test images of its own.
    ///
    /// # Errors
    /// Kind `Input` if the folder is not laid out as [`super::load`] says.
    pub fn of(folder: &Path, test: Option<f64>, contents: Contents) -> Result<Self> {
        let mut found = Found::default();
        let halves = found.halves(folder)?;
        found.only_images(folder)?;
        let class_names = in_order(found.all);
        let numbers: BTreeMap<&String, u32> = class_names.iter().zip(0..).collect();
        let entries = |named: Named| -> Vec<Entry> {
            let entry = |(class, path): (String, PathBuf)| {
                let hash = (contents == Contents::Hashed).then(|| files::hash(&path).ok()).flatten();
                Entry { class: numbers[&class], path, hash }
            };
            named.into_par_iter().map(entry).collect()
        };
        let has_own = halves.validation.is_some();
        let (train, validation) = (entries(halves.train), halves.validation.map(entries).unwrap_or_default());
        let (train, test_half) = match (test, halves.test) {
            (Some(share), None) => hold_out(train, class_names.len(), share),
            (None, Some(own)) => (train, entries(own)),
            (Some(_), Some(_)) => {
                let error = Error::new(Kind::Input, "the folder has test images of its own, and `test` is given");
                return Err(error.at(folder).hint("leave `test` out"));
            }
            (None, None) => {
                let error = Error::new(Kind::Input, "the folder has no test images of its own");
                let error = error.at(folder);
                let hint = "add `test = 0.2` to hold out a fifth, or sort the images into `train` and `test`";
                return Err(match has_own {
                    true => error.hint(hint).hint("its validation images are for choices alone; a test needs others"),
                    false => error.hint(hint),
                });
            }
        };
        let notes = alike(&class_names);
        let listing = Self { class_names, train, validation, test: test_half, tables: found.tables, notes };
        listing.check(folder, has_own, test.is_some()).map(|()| listing)
    }

    /// Whether every half and class has images. `has_own` says that the set has a validation half.
    fn check(&self, folder: &Path, has_own: bool, draws: bool) -> Result<()> {
        let trained: BTreeSet<u32> = self.train.iter().map(|entry| entry.class).collect();
        if let Some((_, name)) = (0..).zip(&self.class_names).find(|(class, _)| !trained.contains(class)) {
            let error = Error::new(Kind::Input, format!("class `{name}` has no training image"));
            return Err(error.at(folder).hint("add some, or remove the class"));
        }
        if has_own && self.validation.is_empty() {
            let error = Error::new(Kind::Input, "the set's half for validation has no image").at(folder);
            return Err(error.hint("add some, or remove it"));
        }
        if self.class_names.len() < 2 {
            let message = format!("expected at least two classes, found {}", self.class_names.len());
            return Err(layout(Error::new(Kind::Input, message).at(folder)));
        }
        if self.test.is_empty() {
            let error = Error::new(Kind::Input, "the set has no test image").at(folder);
            return Err(error.hint(match draws {
                true => "hold out a larger share with `test`",
                false => "add some, or remove the empty half and hold out a share with `test = 0.2`",
            }));
        }
        Ok(())
    }

    /// The halves, with what they are to the digest.
    pub fn halves(&self) -> [(&'static str, &[Entry]); 3] {
        [("train", &self.train), ("validation", &self.validation), ("test", &self.test)]
    }

    /// How many images there are in all.
    pub fn count(&self) -> usize {
        self.halves().iter().map(|(_, entries)| entries.len()).sum()
    }
}

/// What stays for training, and the share `test` of each class. Copies of a file are on one side.
fn hold_out(entries: Vec<Entry>, classes: usize, test: f64) -> (Vec<Entry>, Vec<Entry>) {
    let labels: Vec<u32> = entries.iter().map(|entry| entry.class).collect();
    let contents = repeats::contents(entries.iter().map(|entry| entry.hash));
    let halves = split_by_content(&labels, &contents, classes, test, SPLIT_SEED);
    let pick = |indices: &[u32]| indices.iter().map(|index| entries[*index as usize].clone()).collect();
    (pick(&halves.train), pick(&halves.validation))
}

/// Says how a folder of images is laid out.
pub fn layout(error: Error) -> Error {
    error
        .hint("expected a folder a class: `train/cat/1.png` and `test/cat/2.png`, or `cat/1.png` with `test = 0.2`")
        .hint("or `train.csv` and `test.csv` with the columns `path` and `label`")
}

/// A broken link counts as there, so that reading it says what is wrong.
pub fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
