//! File formats: bytes in, checked contents out.
//!
//! | file | format |
//! |---|---|
//! | `idx.rs` | IDX, the format of MNIST and Fashion-MNIST |
//! | `cifar.rs` | the binary records of CIFAR-10 and CIFAR-100 |
//! | `csv.rs` | comma-separated pixels and label, one image a line |
//! | `mat.rs` | MATLAB 5 files, as far as SVHN uses them |
//! | `names.rs` | class names, one a line |
//! | `gzip.rs` | compressed files |
//!
//! A parser names what it expected and what it found; the caller adds the file's path and where to get it again.

pub(super) mod cifar;
pub(crate) mod csv;
pub(crate) mod gzip;
pub(crate) mod idx;
pub(crate) mod mat;
pub(super) mod names;

use crate::error::{Error, Kind, Result};

/// An error about the bytes of an input file.
fn malformed(message: impl Into<String>) -> Error {
    Error::new(Kind::Input, message)
}

/// Whether every label is a class: 0 to `classes` - 1. `what` names the kind of label in the message.
fn check_labels(what: &str, labels: impl IntoIterator<Item = u8>, classes: usize) -> Result<()> {
    match labels.into_iter().enumerate().find(|&(_, label)| usize::from(label) >= classes) {
        None => Ok(()),
        Some((position, label)) => {
            Err(malformed(format!("{what} {label} of image {position} is not a class: expected 0 to {}", classes - 1)))
        }
    }
}
