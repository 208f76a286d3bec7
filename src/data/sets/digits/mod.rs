//! The built-in digits: "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, UCI Machine Learning
//! Repository, 1998, CC BY 4.0), the 1,797 images of its test set. `README.md` beside this file has the licence.
//!
//! The data come with pixels 0 to 16; they are kept as bytes times 15, 0 to 240. We split them into 1,350 training and
//! 447 test images, stratified by class, with a constant seed: the published order is by writer.

use std::io::Read;

pub use super::mnist::DIGIT_NAMES as CLASS_NAMES;
use crate::data::formats::{csv, gzip};
use crate::data::{Images, Source, split};
use crate::error::{Error, Kind, Result};

const COMPRESSED: &[u8] = include_bytes!("optdigits.csv.gz");

/// Names the data and this split of them in the digest: a change of the split must change it.
pub const ROLE: &str = "digits, split 1";

const SPLIT_SEED: u64 = 1998;

/// The whole set as comma-separated values, an image a line.
///
/// # Errors
/// Kind `Internal` if the built-in bytes are damaged.
pub fn content() -> Result<Vec<u8>> {
    let mut content = Vec::new();
    gzip::decoder(COMPRESSED)
        .and_then(|mut decoder| decoder.read_to_end(&mut content))
        .map_err(|error| Error::new(Kind::Internal, format!("the built-in digits are damaged: {error}")))?;
    Ok(content)
}

/// The training and the test images in `content`, each in the order of the content.
///
/// # Errors
/// Kind `Internal` if the built-in bytes are damaged.
pub fn parse(content: &[u8]) -> Result<(Images, Images)> {
    let outline = Source::Digits.published().ok_or_else(|| Error::new(Kind::Internal, "digits have a shape"))?;
    let all = csv::images(content, outline.shape, 16, 15, outline.classes)
        .map_err(|error| Error { kind: Kind::Internal, ..error })?;
    let fraction = outline.test as f64 / all.len() as f64;
    let halves = split(&all.labels, outline.classes, fraction, SPLIT_SEED);
    Ok((all.select(&halves.train), all.select(&halves.validation)))
}
