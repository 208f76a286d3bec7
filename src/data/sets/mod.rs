//! What belongs to one data set alone, as tables: its files, its class names, where its publisher has it.
//!
//! | file | set |
//! |---|---|
//! | `mnist.rs` | MNIST and Fashion-MNIST, which share their file names |
//! | `cifar_10.rs` | CIFAR-10 |
//! | `cifar_100.rs` | CIFAR-100 |
//! | `svhn.rs` | SVHN |
//! | `digits/` | the built-in digits, with their data |

mod cifar_10;
mod cifar_100;
pub(super) mod digits;
mod mnist;
mod svhn;

use std::fs;
use std::path::{Path, PathBuf};

use super::formats::{cifar, idx, mat};
use super::{Images, Source};
use crate::error::{Error, Kind, Result};

/// The files of a set that a user keeps in a folder.
pub(super) struct Layout {
    /// The folder that the publisher's archive unpacks to, which a user's path may be or contain.
    pub unpacked: Option<&'static str>,
    /// Every file that must be there, in the order that the digest covers them.
    pub parts: &'static [Part],
    /// The name of an optional file with class names.
    pub class_names_file: Option<&'static str>,
    /// The class names where there is no such file.
    pub class_names: &'static [&'static str],
    /// Where the files can be had.
    pub publisher: &'static str,
    /// Under which terms, as far as the publisher says.
    pub licence: &'static str,
    /// What is to be downloaded.
    pub archives: &'static [Archive],
    /// The digest of the published content, where we have seen it.
    pub digest: Option<&'static str>,
}

/// One file at a publisher: a file of the set, or an archive of them if the layout has a folder that it unpacks to.
pub(super) struct Archive {
    /// Its address; its last part is the file's name.
    pub url: &'static str,
    /// Its MD5, as the publisher or torchvision gives it.
    pub md5: &'static str,
}

/// One file of a set.
pub(super) struct Part {
    /// What the file is to the set, whatever it is called: the digest covers this name.
    pub role: &'static str,
    /// The file names it may have; the first that is there is read.
    pub names: &'static [&'static str],
    /// Whether it belongs to the training or the test images.
    pub half: Half,
    /// What is in it.
    pub holds: Holds,
}

/// The training or the test images.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Train,
    Test,
}

/// The format of a file.
#[derive(Clone, Copy)]
pub(super) enum Holds {
    /// IDX images; the labels follow in a later part.
    Images,
    /// IDX labels of the images before.
    Labels,
    /// CIFAR records.
    Records(cifar::Labels),
    /// A MATLAB file with images and labels.
    Matlab,
}

/// The files of `source`, or `None` if it is built in or a user's own.
pub(super) fn layout(source: Source) -> Option<&'static Layout> {
    match source {
        Source::Digits | Source::Images => None,
        Source::Mnist => Some(&mnist::MNIST),
        Source::FashionMnist => Some(&mnist::FASHION_MNIST),
        Source::Cifar10 => Some(&cifar_10::LAYOUT),
        Source::Cifar100 => Some(&cifar_100::LAYOUT),
        Source::Svhn => Some(&svhn::LAYOUT),
    }
}

impl Layout {
    /// The folder that has the files: `path`, or the publisher's own folder inside it.
    ///
    /// # Errors
    /// Kind `Input` if `path` is no folder.
    pub fn folder(&self, path: &Path) -> Result<PathBuf> {
        let problem = match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                let inner = self.unpacked.map(|name| path.join(name));
                return Ok(inner.filter(|inner| inner.is_dir()).unwrap_or_else(|| path.to_owned()));
            }
            Ok(_) => "expected a folder, found a file".to_owned(),
            Err(error) => format!("cannot read the data set's folder: {error}"),
        };
        Err(self.list_files(Error::new(Kind::Input, problem).at(path)))
    }

    /// The file in `folder` that is `part`.
    ///
    /// # Errors
    /// Kind `Input`, naming the file, if it has none of its names.
    pub fn find(&self, folder: &Path, part: &Part) -> Result<PathBuf> {
        // A broken link counts as there, so that reading it says what is wrong.
        let found = part.names.iter().map(|name| folder.join(name)).find(|path| fs::symlink_metadata(path).is_ok());
        found.ok_or_else(|| {
            let message = format!("the data set lacks its file `{}`", part.names[0]);
            self.list_files(Error::new(Kind::Input, message).at(folder))
        })
    }

    /// Tells a user without the files which they are, and where to get them.
    pub fn list_files(&self, error: Error) -> Error {
        let compressed = |part: &Part| part.names.iter().any(|name| name.ends_with(".gz"));
        let names: Vec<_> = self.parts.iter().map(|part| part.names[0]).collect();
        let optional = if self.parts.iter().all(compressed) { " (each may end in .gz)" } else { "" };
        error
            .hint(format!("expected in the folder: {}{optional}", names.join(", ")))
            .hint(format!("`pleach data fetch` downloads them; they are published at {}", self.publisher))
    }

    /// Tells a user with a wrong file where to get the right one.
    pub fn replace_file(&self, error: Error) -> Error {
        error.hint(format!("get the file again from {}", self.publisher))
    }
}

impl Part {
    /// Adds what `bytes` hold to `images`, of so many classes.
    ///
    /// # Errors
    /// Kind `Input` if they are malformed, or do not fit the images before.
    pub fn parse(&self, bytes: &[u8], classes: usize, images: &mut Images) -> Result<()> {
        match self.holds {
            Holds::Images => {
                let [height, width, _] = images.shape;
                images.pixels_mut().extend_from_slice(idx::images(bytes, height, width)?);
            }
            Holds::Labels => {
                let labels = idx::labels(bytes, classes)?;
                let expected = images.pixels.len() / images.image_size();
                if labels.len() != expected {
                    let message = format!("expected {expected} labels, one an image, found {}", labels.len());
                    return Err(Error::new(Kind::Input, message));
                }
                images.labels.extend(labels.iter().copied().map(u32::from));
            }
            Holds::Records(labels) => cifar::append(bytes, labels, classes, images)?,
            Holds::Matlab => mat::append(bytes, images)?,
        }
        Ok(())
    }
}
