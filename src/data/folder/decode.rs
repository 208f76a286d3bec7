//! One file's bytes to pixels of the wanted shape.

use std::io::Cursor;

use image::{DynamicImage, ImageReader, Limits, imageops::FilterType};

use super::Decoding;
use crate::error::{Error, Kind, Result};

/// The most pixels of an image's side, and the most bytes that decoding may take: what looks like a small file can be
/// a huge image.
const LARGEST_SIDE: u32 = 1 << 15;
const DECODER_MEMORY: u64 = 512 << 20;

/// The pixels, shape (height, width, channels). Transparency is dropped, deeper colours are rounded to bytes, and grey is
/// the weighted mean of red, green and blue (ITU-R 709). Resized with a triangle filter, which averages when it makes
/// an image smaller.
///
/// # Errors
/// Kind `Input` with the decoder's reason.
pub fn decode(bytes: &[u8], decoding: &Decoding) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(Kind::Input, format!("expected a PNG or JPEG: {}", error.to_string().trim_end()))
    };
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| failed(&error))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(DECODER_MEMORY);
    reader.limits(limits);
    let image = reader.decode().map_err(|error| failed(&error))?;
    let image = match decoding.channels {
        1 => DynamicImage::ImageLuma8(image.into_luma8()),
        _ => DynamicImage::ImageRgb8(image.into_rgb8()),
    };
    let [height, width] = decoding.size.map(|side| side as u32);
    let fits = (image.height(), image.width()) == (height, width);
    let image = if fits { image } else { image.resize_exact(width, height, FilterType::Triangle) };
    Ok(image.into_bytes())
}
