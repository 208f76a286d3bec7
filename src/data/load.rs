//! From a folder of files to a data set in memory, and to its digest alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::formats::names;
use super::sets::{Half, Layout, digits, layout};
use super::witness::Watched;
use super::{Images, Source, Witness, files, repeats};
use crate::error::{Error, Kind, Result};

/// A whole data set in memory.
#[derive(Debug, Clone)]
pub struct DataSet {
    /// What it was loaded as.
    pub source: Source,
    /// The training images, before a validation split is drawn; behind them those of a validation half of the set's own.
    pub train: Images,
    /// How many images at the end of `train` are such ones.
    pub validation: usize,
    /// The test images, for `evaluate` alone.
    pub test: Images,
    /// The name of each class.
    pub class_names: Vec<String>,
    /// Of the set's content: for each file its role and its bytes, decompressed, and the class names where they are not
    /// those that the set is published with. Never of paths or file names.
    pub digest: blake3::Hash,
    /// Tells whether the files changed since.
    pub witness: Witness,
    /// Which training images are the same, once somebody asked.
    pub(super) contents: OnceLock<Vec<u32>>,
}

impl DataSet {
    /// For each training image a number that it shares with those of the same pixels, and with no other.
    pub fn contents(&self) -> &[u32] {
        let hash = |index| Some(blake3::hash(self.train.image(index)));
        self.contents.get_or_init(|| repeats::contents((0..self.train.len()).map(hash)))
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }
}

/// Reads a published data set; [`Origin::load`](super::Origin::load) reads any. Each file is read once, and the bytes that are hashed are the bytes that are parsed.
///
/// `path` is the folder with the publisher's files, compressed with gzip or not for MNIST and Fashion-MNIST; for the
/// CIFAR sets it may also be the parent of the folder that the publisher's archive unpacks to. It is `None` for a set
/// that is built in.
///
/// # Errors
/// Kind `Input` if a file is missing, not a regular file, or malformed, and if `path` is given for a set that is built
/// in or not given for another.
pub fn load(source: Source, path: Option<&Path>) -> Result<DataSet> {
    let mut digest = ContentDigest::default();
    let mut witness = Witness::default();
    let Some((layout, folder)) = locate(source, path)? else {
        let content = digits::content()?;
        let class_names = owned(digits::CLASS_NAMES);
        digest.part(digits::ROLE, blake3::hash(&content));
        let (train, test) = digits::parse(&content)?;
        let digest = digest.finish();
        return Ok(DataSet {
            source,
            train,
            validation: 0,
            test,
            class_names,
            digest,
            witness,
            contents: OnceLock::new(),
        });
    };
    let Some(outline) = source.published() else {
        return Err(Error::new(Kind::Internal, format!("`{}` has files but no published shape", source.name())));
    };
    let mut train = Images::empty(outline.shape);
    let mut test = train.clone();
    for part in layout.parts {
        let path = layout.find(&folder, part)?;
        let content = files::read(&path).map_err(|error| layout.replace_file(error))?;
        digest.part(part.role, content.watched.hash);
        let images = if part.half == Half::Train { &mut train } else { &mut test };
        part.parse(&content.bytes, outline.classes, images).map_err(|error| layout.replace_file(error.at(&path)))?;
        witness.watch(content.watched);
    }
    let (class_names, file) = read_class_names(layout, &folder)?;
    file.into_iter().for_each(|file| witness.watch(file));
    digest.class_names(layout, &class_names);
    let digest = digest.finish();
    Ok(DataSet { source, train, validation: 0, test, class_names, digest, witness, contents: OnceLock::new() })
}

/// The digest that [`load`] would give, in constant memory and without looking at what the bytes mean.
///
/// # Errors
/// As for [`load`], except that malformed content goes unnoticed.
pub fn digest(source: Source, path: Option<&Path>) -> Result<blake3::Hash> {
    let mut digest = ContentDigest::default();
    let Some((layout, folder)) = locate(source, path)? else {
        digest.part(digits::ROLE, blake3::hash(&digits::content()?));
        return Ok(digest.finish());
    };
    for part in layout.parts {
        let hash = files::hash(&layout.find(&folder, part)?).map_err(|error| layout.replace_file(error))?;
        digest.part(part.role, hash);
    }
    digest.class_names(layout, &read_class_names(layout, &folder)?.0);
    Ok(digest.finish())
}

/// The files of a set and the folder they are in, or `None` if it is built in.
fn locate(source: Source, path: Option<&Path>) -> Result<Option<(&'static Layout, PathBuf)>> {
    let name = source.name();
    match (layout(source), path) {
        _ if source == Source::Images => {
            Err(Error::new(Kind::Internal, "images are read by `Origin::load`, which knows their size"))
        }
        (None, None) => Ok(None),
        (None, Some(path)) => Err(Error::new(Kind::Input, format!("data set `{name}` is built in and takes no path"))
            .at(path)
            .hint("remove `path`")),
        (Some(layout), None) => Err(layout.list_files(Error::new(
            Kind::Input,
            format!("data set `{name}` needs `path`, the folder that has its files"),
        ))),
        (Some(layout), Some(path)) => Ok(Some((layout, layout.folder(path)?))),
    }
}

/// The class names of a published set, without reading its images; `None` for a user's own images. Where `path` has no
/// readable file of names they are the well-known ones: [`load`] says what is wrong with a file.
pub fn class_names(source: Source, path: Option<&Path>) -> Option<Vec<String>> {
    if source == Source::Images {
        return None;
    }
    let Some(layout) = layout(source) else { return Some(owned(digits::CLASS_NAMES)) };
    let folder = path.and_then(|path| layout.folder(path).ok());
    let names = folder.and_then(|folder| read_class_names(layout, &folder).ok());
    Some(names.map_or_else(|| owned(layout.class_names), |(names, _)| names))
}

/// The class names from their file if there is one, which is named too, else the well-known ones.
fn read_class_names(layout: &Layout, folder: &Path) -> Result<(Vec<String>, Option<Watched>)> {
    let path = layout.class_names_file.map(|name| folder.join(name));
    let Some(path) = path.filter(|path| fs::symlink_metadata(path).is_ok()) else {
        return Ok((owned(layout.class_names), None));
    };
    let hint = |error: Error| error.hint("remove the file to use the well-known class names");
    let content = files::read(&path).map_err(hint)?;
    let names = names::names(&content.bytes, layout.class_names.len()).map_err(|error| hint(error.at(&path)))?;
    Ok((names, Some(content.watched)))
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The digest of a set's content, in the order that its parts come.
pub(super) struct ContentDigest(blake3::Hasher);

impl Default for ContentDigest {
    fn default() -> Self {
        Self(blake3::Hasher::new_derive_key("pleach 2026 data set"))
    }
}

impl ContentDigest {
    /// Adds a file: what it is to the set, and the hash of its content.
    pub fn part(&mut self, role: &str, content: blake3::Hash) {
        self.text(role);
        self.0.update(content.as_bytes());
    }

    /// Adds the version of a way in which files are read.
    pub fn version(&mut self, name: &str, version: u64) {
        self.text(name);
        self.0.update(&version.to_le_bytes());
    }

    /// Adds class names that are not the well-known ones: those are implied by the set.
    fn class_names(&mut self, layout: &Layout, names: &[String]) {
        if names != layout.class_names {
            names.iter().for_each(|name| self.part("class", blake3::hash(name.as_bytes())));
        }
    }

    /// The digest of all parts.
    pub fn finish(self) -> blake3::Hash {
        self.0.finalize()
    }

    /// With its length before it, so that no two sequences of texts read alike.
    fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }
}
