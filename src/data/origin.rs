//! What is read for a data set, and from where.

use std::path::{Path, PathBuf};

use super::{DataSet, Decoding, Hashed, Source, folder, load};
use crate::error::{Error, Kind, Result};

/// A data set as a manifest describes it: with the bytes of its files, this decides what it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Which set.
    pub source: Source,
    /// The folder with its files, for sets that are not built in.
    pub path: Option<PathBuf>,
    /// What files are made into; for `images` only, and needed there.
    pub decoding: Option<Decoding>,
}

/// What can be said about a data set before its images are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Height, width and channels of every image.
    pub shape: [usize; 3],
    /// The number of classes; labels are 0 to one less than this.
    pub classes: usize,
    /// The name of each class.
    pub class_names: Vec<String>,
    /// The number of training images, before a validation split. A user's folder may hold a part of a published set,
    /// so there can be fewer or more.
    pub train: usize,
    /// The number of validation images that the set has of its own.
    pub validation: usize,
    /// The number of test images.
    pub test: usize,
}

impl Origin {
    /// Shape, classes and sizes: as published, or for `images` from the names of the files; and notes on what may not be
    /// meant.
    ///
    /// # Errors
    /// Kind `Input`, for `images` only, if the folder is missing or not laid out as it must be.
    pub fn outline(&self) -> Result<(Outline, Vec<String>)> {
        match self.source.published() {
            Some(outline) => {
                let class_names = load::class_names(self.source, self.path.as_deref()).unwrap_or_default();
                Ok((Outline { class_names, ..outline }, Vec::new()))
            }
            None => self.images().and_then(|(path, decoding)| folder::survey(path, decoding)),
        }
    }

    /// Reads the set; see [`load`].
    ///
    /// # Errors
    /// Kind `Input` if a file is missing or malformed.
    pub fn load(&self) -> Result<DataSet> {
        match self.source {
            Source::Images => self.images().and_then(|(path, decoding)| folder::load(path, decoding)),
            source => load::load(source, self.path.as_deref()),
        }
    }

    /// The digest that [`load`](Self::load) would give, in constant memory and without looking at what the bytes mean.
    ///
    /// # Errors
    /// As for [`load`](Self::load), except that malformed content goes unnoticed.
    pub fn digest(&self) -> Result<Hashed> {
        match self.source {
            Source::Images => self.images().and_then(|(path, decoding)| folder::digest(path, decoding)),
            source => {
                let digest = load::digest(source, self.path.as_deref())?;
                Ok(Hashed { digest, repeats: Vec::new() })
            }
        }
    }

    fn images(&self) -> Result<(&Path, &Decoding)> {
        self.path.as_deref().zip(self.decoding.as_ref()).ok_or_else(|| {
            Error::new(
                Kind::Input,
                "data set `images` needs `path`, its folder, and `size`, what images are resized to",
            )
        })
    }
}
