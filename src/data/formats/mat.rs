//! MATLAB 5 files, as far as SVHN uses them: little-endian numeric arrays, compressed with zlib or not.
//!
//! A file is a header of 128 bytes and elements: a type and a size (4 bytes each; or 2 and 2, with up to 4 bytes of
//! content in the same 8), then content padded to 8 bytes. A matrix is an element of elements: flags, dimensions, name,
//! values. Values are in column-major order, and may be stored in a narrower type than the array's own.

use std::io::Read;

use flate2::bufread::ZlibDecoder;

use super::malformed;
use crate::data::Images;
use crate::error::Result;

const HEADER: usize = 128;

/// The most bytes of one array, decompressed: SVHN's largest published file has 1.6 GB of pixels in its extra set, but
/// 225 MB in its training set, which is the largest that is read.
const ARRAY_LIMIT: usize = 256 << 20;

/// Types of elements.
const INT8: u32 = 1;
const UINT8: u32 = 2;
const INT16: u32 = 3;
const UINT16: u32 = 4;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const SINGLE: u32 = 7;
const DOUBLE: u32 = 9;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// The images of SVHN's cropped format, shape (32, 32, 3): `X`, bytes (32, 32, 3, N), and `y`, N labels from 1 to 10,
/// where 10 is the digit 0.
///
/// # Errors
/// Kind `Input` unless `bytes` is such a file.
pub fn append(bytes: &[u8], images: &mut Images) -> Result<()> {
    let (mut pixels, mut labels) = (None, None);
    arrays(bytes, |name, dimensions, kind, values| {
        match name {
            b"X" => pixels = Some(read_pixels(dimensions, kind, values, images.shape)?),
            b"y" => labels = Some(read_labels(dimensions, kind, values)?),
            _ => {}
        }
        Ok(())
    })?;
    let missing = |name| malformed(format!("expected an array `{name}`, found none"));
    let (pixels, labels) = (pixels.ok_or_else(|| missing("X"))?, labels.ok_or_else(|| missing("y"))?);
    let count = pixels.len() / images.image_size();
    if labels.len() != count {
        return Err(malformed(format!("expected {count} labels, one an image, found {}", labels.len())));
    }
    images.pixels_mut().extend(pixels);
    images.labels.extend(labels);
    Ok(())
}

/// Gives every numeric array of the file to `sink`: its name, dimensions, and the type and bytes of its values.
fn arrays(bytes: &[u8], mut sink: impl FnMut(&[u8], &[usize], u32, &[u8]) -> Result<()>) -> Result<()> {
    if bytes.len() < HEADER || &bytes[126..HEADER] != b"IM" {
        let problem = "expected a little-endian MATLAB 5 file: bytes 126 and 127 of its header are `IM`";
        return Err(malformed(problem).hint("later versions of MATLAB write such files with `save(…, '-v7')`"));
    }
    let mut rest = &bytes[HEADER..];
    while !rest.is_empty() {
        let (kind, content) = element(&mut rest)?;
        match kind {
            COMPRESSED => {
                let inflated = inflate(content)?;
                let mut inner = &inflated[..];
                let (kind, content) = element(&mut inner)?;
                if kind == MATRIX {
                    matrix(content, &mut sink)?;
                }
            }
            MATRIX => matrix(content, &mut sink)?,
            _ => {}
        }
    }
    Ok(())
}

/// The type and the content of the first element of `rest`, which is moved behind it.
fn element<'a>(rest: &mut &'a [u8]) -> Result<(u32, &'a [u8])> {
    let cut = || malformed("expected a whole element, found the end of the file");
    let tag = rest.first_chunk::<8>().ok_or_else(cut)?;
    let [first, second] = [0, 4].map(|at| u32::from_le_bytes([tag[at], tag[at + 1], tag[at + 2], tag[at + 3]]));
    if first >> 16 != 0 {
        // A short element: its size is in the upper half, its content in the second half of the tag.
        let size = (first >> 16) as usize;
        let content = rest[4..8].get(..size).ok_or_else(|| malformed(format!("a short element of {size} bytes")))?;
        *rest = &rest[8..];
        return Ok((first & 0xffff, content));
    }
    let size = second as usize;
    let content = rest[8..].get(..size).ok_or_else(cut)?;
    // Compressed elements are not padded, and the padding of the last may be missing.
    let padded = if first == COMPRESSED { size } else { size.next_multiple_of(8) };
    *rest = &rest[(8 + padded).min(rest.len())..];
    Ok((first, content))
}

/// Decompresses one element, in no more memory than it says, and no more than the limit.
fn inflate(compressed: &[u8]) -> Result<Vec<u8>> {
    let corrupt = |error: std::io::Error| malformed(format!("expected a zlib stream: {error}"));
    let mut decoder = ZlibDecoder::new(compressed);
    let mut tag = [0; 8];
    decoder.read_exact(&mut tag).map_err(corrupt)?;
    let size = u32::from_le_bytes([tag[4], tag[5], tag[6], tag[7]]) as usize;
    if size > ARRAY_LIMIT {
        return Err(malformed(format!("expected an array of at most {ARRAY_LIMIT} bytes, found one of {size}")));
    }
    let mut inflated = tag.to_vec();
    decoder.take(size as u64).read_to_end(&mut inflated).map_err(corrupt)?;
    Ok(inflated)
}

/// Takes a matrix apart. One that is no array of numbers (a cell, a structure, text) is passed over.
fn matrix(content: &[u8], sink: &mut impl FnMut(&[u8], &[usize], u32, &[u8]) -> Result<()>) -> Result<()> {
    const NUMERIC: std::ops::RangeInclusive<u8> = 6..=15;
    let mut rest = content;
    let (_, flags) = element(&mut rest)?;
    if !flags.first().is_some_and(|class| NUMERIC.contains(class)) {
        return Ok(());
    }
    let (_, dimensions) = element(&mut rest)?;
    let dimensions: Vec<usize> =
        dimensions.as_chunks::<4>().0.iter().map(|size| u32::from_le_bytes(*size) as usize).collect();
    let (_, name) = element(&mut rest)?;
    let (kind, values) = element(&mut rest)?;
    sink(name, &dimensions, kind, values)
}

/// (height, width, channels, N) in column-major order becomes (N, height, width, channels) in row-major order.
fn read_pixels(
    dimensions: &[usize],
    kind: u32,
    values: &[u8],
    [height, width, channels]: [usize; 3],
) -> Result<Vec<u8>> {
    let size = height * width * channels;
    // MATLAB leaves out a last dimension of 1.
    let count = match dimensions {
        [h, w, c, count] if [*h, *w, *c] == [height, width, channels] => *count,
        [h, w, c] if [*h, *w, *c] == [height, width, channels] => 1,
        other => {
            let message = format!("expected `X` to be {height} x {width} x {channels} x N, found {other:?}");
            return Err(malformed(message));
        }
    };
    if kind != UINT8 || count == 0 || count.checked_mul(size) != Some(values.len()) {
        let found = values.len();
        return Err(malformed(format!(
            "expected `X` to hold {count} x {size} bytes and at least one image, found {found}"
        )));
    }
    let mut pixels = vec![0; values.len()];
    for (image, columns) in pixels.chunks_exact_mut(size).zip(values.chunks_exact(size)) {
        for (place, pixel) in image.chunks_exact_mut(channels).enumerate() {
            let (row, column) = (place / width, place % width);
            for (channel, value) in pixel.iter_mut().enumerate() {
                *value = columns[(channel * width + column) * height + row];
            }
        }
    }
    Ok(pixels)
}

/// The digits: 10 is 0.
/// The extra images of the set are 531,131; as doubles their labels have 4 MiB.
const MOST_LABEL_BYTES: usize = 16 << 20;

fn read_labels(dimensions: &[usize], kind: u32, values: &[u8]) -> Result<Vec<u32>> {
    // Numbers take up to eight times the room of their bytes.
    if values.len() > MOST_LABEL_BYTES {
        return Err(malformed(format!("`y` has {} bytes, and no published file has as many", values.len())));
    }
    let values = numbers(kind, values)?;
    if dimensions.iter().try_fold(1_usize, |product, size| product.checked_mul(*size)) != Some(values.len()) {
        return Err(malformed(format!("expected `y` to hold {dimensions:?} labels, found {}", values.len())));
    }
    let label = |(position, value): (usize, f64)| match value {
        10.0 => Ok(0),
        _ if value.fract() == 0.0 && (1.0..10.0).contains(&value) => Ok(value as u32),
        _ => Err(malformed(format!("label {value} of image {position} is not a class: expected 1 to 10"))),
    };
    values.into_iter().enumerate().map(label).collect()
}

/// Values of any numeric type.
fn numbers(kind: u32, bytes: &[u8]) -> Result<Vec<f64>> {
    Ok(match kind {
        INT8 => bytes.iter().map(|byte| f64::from(*byte as i8)).collect(),
        UINT8 => bytes.iter().map(|byte| f64::from(*byte)).collect(),
        INT16 => bytes.as_chunks().0.iter().map(|bytes| f64::from(i16::from_le_bytes(*bytes))).collect(),
        UINT16 => bytes.as_chunks().0.iter().map(|bytes| f64::from(u16::from_le_bytes(*bytes))).collect(),
        INT32 => bytes.as_chunks().0.iter().map(|bytes| f64::from(i32::from_le_bytes(*bytes))).collect(),
        UINT32 => bytes.as_chunks().0.iter().map(|bytes| f64::from(u32::from_le_bytes(*bytes))).collect(),
        SINGLE => bytes.as_chunks().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect(),
        DOUBLE => bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
        other => return Err(malformed(format!("expected numbers, found elements of type {other}"))),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;
    use crate::data::tests::{mat_array, mat_file, messages, svhn};

    fn parse(bytes: &[u8]) -> Result<Images> {
        let mut images = Images::empty([32, 32, 3]);
        append(bytes, &mut images).map(|()| images)
    }

    fn packed(element: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(element).unwrap();
        let packed = encoder.finish().unwrap();
        [&COMPRESSED.to_le_bytes(), &(packed.len() as u32).to_le_bytes(), &packed[..]].concat()
    }

    #[test]
    fn columns_become_rows_and_ten_is_zero() {
        let images = parse(&svhn(&[10, 1, 9])).unwrap();
        assert_eq!(images.labels, [0, 1, 9]);
        // `svhn` puts row + 2 column + 70 channel + image at every pixel.
        for (image, row, column) in [(0, 0, 0), (1, 3, 5), (2, 31, 20)] {
            let expected = [0, 70, 140].map(|channel| (row + 2 * column + channel + image) as u8);
            assert_eq!(images.image(image)[(row * 32 + column) * 3..][..3], expected);
        }
    }

    /// The fixtures were written by `fixtures/svhn.py`, with SciPy.
    #[test]
    fn files_that_scipy_wrote_are_read() {
        let expected = parse(&svhn(&[10, 1, 9])).unwrap();
        for file in [&include_bytes!("fixtures/svhn.mat")[..], include_bytes!("fixtures/svhn-compressed.mat")] {
            assert_eq!(parse(file).unwrap(), expected);
        }
    }

    #[test]
    fn compressed_and_plain_arrays_and_all_number_types_are_read() {
        let x = mat_array("X", &[32, 32, 3], UINT8, &[7; 3072]);
        let expected = parse(&mat_file(&[&x, &mat_array("y", &[1, 1], UINT8, &[5])])).unwrap();
        assert_eq!(expected.labels, [5]);
        for (kind, label) in [
            (DOUBLE, 5.0_f64.to_le_bytes().to_vec()),
            (SINGLE, 5.0_f32.to_le_bytes().to_vec()),
            (INT8, vec![5]),
            (INT16, vec![5, 0]),
            (UINT16, vec![5, 0]),
            (INT32, vec![5, 0, 0, 0]),
            (UINT32, vec![5, 0, 0, 0]),
        ] {
            let y = packed(&mat_array("y", &[1, 1], kind, &label));
            let other = mat_array("other", &[1, 1], DOUBLE, &[0; 8]);
            assert_eq!(parse(&mat_file(&[&packed(&x), &other, &y])).unwrap(), expected, "type {kind}");
        }
    }

    #[test]
    fn malformed_files_are_explained() {
        let x = |dimensions: &[u32], bytes: usize| mat_array("X", dimensions, UINT8, &vec![0; bytes]);
        let y = |labels: &[u8]| mat_array("y", &[labels.len() as u32, 1], UINT8, labels);
        let good = x(&[32, 32, 3], 3072);
        let whole = mat_file(&[&good, &y(&[1])]);
        let mut big_endian = whole.clone();
        big_endian[126..128].copy_from_slice(b"MI");
        let mut bomb = vec![0; 16];
        bomb[..8].copy_from_slice(&[14, 0, 0, 0, 0, 0, 0, 0x7f]);
        let cases = [
            ("empty", Vec::new()),
            ("big-endian", big_endian),
            ("no arrays", mat_file(&[])),
            ("no labels", mat_file(&[&good])),
            ("cut", whole[..whole.len() - 60].to_vec()),
            ("other shape", mat_file(&[&x(&[3, 32, 32, 1], 3072), &y(&[1])])),
            ("too few bytes", mat_file(&[&x(&[32, 32, 3, 2], 3072), &y(&[1, 1])])),
            ("no images", mat_file(&[&x(&[32, 32, 3, 0], 0), &y(&[])])),
            ("wide pixels", mat_file(&[&mat_array("X", &[32, 32, 3], UINT16, &[0; 6144]), &y(&[1])])),
            ("too many labels", mat_file(&[&good, &y(&[1, 2])])),
            ("not a class", mat_file(&[&good, &y(&[0])])),
            ("half a class", mat_file(&[&good, &mat_array("y", &[1, 1], DOUBLE, &1.5_f64.to_le_bytes())])),
            ("no numbers", mat_file(&[&good, &mat_array("y", &[1, 1], 99, &[1])])),
            ("not zlib", mat_file(&[&[&COMPRESSED.to_le_bytes()[..], &[4, 0, 0, 0], b"none"].concat()])),
            ("a bomb", mat_file(&[&packed(&bomb)])),
        ];
        insta::assert_snapshot!(messages(cases, parse), @r#"
        empty: expected a little-endian MATLAB 5 file: bytes 126 and 127 of its header are `IM`
          hint: later versions of MATLAB write such files with `save(…, '-v7')`
        big-endian: expected a little-endian MATLAB 5 file: bytes 126 and 127 of its header are `IM`
          hint: later versions of MATLAB write such files with `save(…, '-v7')`
        no arrays: expected an array `X`, found none
        no labels: expected an array `y`, found none
        cut: expected a whole element, found the end of the file
        other shape: expected `X` to be 32 x 32 x 3 x N, found [3, 32, 32, 1]
        too few bytes: expected `X` to hold 2 x 3072 bytes and at least one image, found 3072
        no images: expected `X` to hold 0 x 3072 bytes and at least one image, found 0
        wide pixels: expected `X` to hold 1 x 3072 bytes and at least one image, found 6144
        too many labels: expected 1 labels, one an image, found 2
        not a class: label 0 of image 0 is not a class: expected 1 to 10
        half a class: label 1.5 of image 0 is not a class: expected 1 to 10
        no numbers: expected numbers, found elements of type 99
        not zlib: expected a zlib stream: corrupt deflate stream
        a bomb: expected an array of at most 268435456 bytes, found one of 2130706432
        "#);
    }

    #[test]
    fn no_cut_or_changed_byte_panics() {
        let whole = mat_file(&[
            &packed(&mat_array("X", &[32, 32, 3], UINT8, &[7; 3072])),
            &packed(&mat_array("y", &[1, 1], UINT8, &[5])),
        ]);
        for at in 0..whole.len() {
            let _ = parse(&whole[..at]);
            for flip in [1, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] ^= flip;
                let _ = parse(&changed);
            }
        }
    }
}
