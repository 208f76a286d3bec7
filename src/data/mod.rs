//! Image classification data sets: reading them, splitting them, and turning them into batches.
//!
//! | file | what it holds |
//! |---|---|
//! | `source.rs` | [`Source`]: the data sets there are, and their published outlines |
//! | `images.rs` | [`Images`]: pixels as bytes, and labels |
//! | `load.rs` | [`load`] and [`digest`]: from a folder to a [`DataSet`] |
//! | `origin.rs` | [`Origin`]: any set as a manifest describes it |
//! | `fetch/` | [`fetch()`]: sets from their publishers |
//! | `folder/` | a user's own images |
//! | `sets/` | what belongs to one set alone: its files, class names and publisher; the built-in digits |
//! | `formats/` | file formats: IDX, CIFAR records, comma-separated values, gzip |
//! | `files.rs` | reading a regular file, once, within a size limit |
//! | `witness.rs` | [`Witness`]: have the files changed since they were read? |
//! | `repeats.rs` | images that are in a set more than once |
//! | `split.rs` | [`split()`]: the stratified validation split; [`split_by_content`]: with copies on one side |
//! | `normalization.rs` | [`Normalization`]: mean and deviation of each channel |
//! | `augmentation/` | [`Augmentation`]: random changes to training images |
//! | `batch.rs` | [`epoch_order`], [`Batches`] and [`batch`]: the order of an epoch, and its normalised inputs, made ahead |
//!
//! Everything random here is a pure function of a seed, an epoch and a sample's index, so nothing depends on the
//! number of threads.

mod augmentation;
mod batch;
mod fetch;
pub mod files;
mod folder;
mod formats;
mod images;
mod load;
mod normalization;
mod origin;
pub mod repeats;
mod sets;
mod source;
mod split;
mod witness;

pub use augmentation::{Augmentation, Mix};
pub use batch::{Batch, Batches, EVALUATION_BATCH, batch, epoch_order};
pub use fetch::{Progress, Server, fetch};
pub use folder::{Decoding, ExifOrientation, Hashed};
pub use images::Images;
pub use load::{DataSet, digest, load};
pub use normalization::{Constants, Normalization, Renormalization};
pub use origin::{Origin, Outline};
pub use source::Source;
pub use split::{Split, split, split_by_content};
pub use witness::Witness;

/// Readers of foreign bytes, for [`readers`](crate::readers).
pub(crate) mod foreign {
    pub(crate) use super::folder::{decode_image, read_table};
    pub(crate) use super::formats::{csv, gzip, idx, mat};
}

#[cfg(test)]
mod tests;
