//! IDX: a magic number, big-endian dimensions, then bytes. The format of MNIST and Fashion-MNIST.
//!
//! The magic number is 0, 0, the element type (8 for unsigned bytes) and the number of dimensions.

use super::{check_labels, malformed};
use crate::error::Result;

const IMAGES_MAGIC: u32 = 0x0000_0803;
const LABELS_MAGIC: u32 = 0x0000_0801;

/// The pixels of a file of grey images, shape (N, height, width), borrowed from `bytes`.
///
/// # Errors
/// Kind `Input` unless the magic number, the dimensions (`height` and `width`) and the exact size are right and there
/// is at least one image.
pub fn images(bytes: &[u8], height: usize, width: usize) -> Result<&[u8]> {
    let ([count, rows, columns], pixels) = header(bytes, IMAGES_MAGIC, "image")?;
    if (rows as usize, columns as usize) != (height, width) {
        return Err(malformed(format!("expected images of {height}x{width} pixels, found {rows}x{columns}")));
    }
    check_count(count, u64::from(rows) * u64::from(columns), pixels.len(), "images")?;
    Ok(pixels)
}

/// The labels of a file, each below `classes`, borrowed from `bytes`.
///
/// # Errors
/// Kind `Input` unless the magic number, the exact size and every label are right and there is at least one label.
pub fn labels(bytes: &[u8], classes: usize) -> Result<&[u8]> {
    let ([count], labels) = header(bytes, LABELS_MAGIC, "label")?;
    check_count(count, 1, labels.len(), "labels")?;
    check_labels("label", labels.iter().copied(), classes)?;
    Ok(labels)
}

/// Splits off the magic number and `N` dimensions.
fn header<'a, const N: usize>(bytes: &'a [u8], magic: u32, what: &str) -> Result<([u32; N], &'a [u8])> {
    let size = 4 * (N + 1);
    let Some((header, rest)) = bytes.split_at_checked(size) else {
        let found = bytes.len();
        return Err(malformed(format!(
            "expected an IDX {what} file with a header of {size} bytes, found {found} bytes"
        )));
    };
    let mut words = header.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
    let found = words.next().unwrap_or_default();
    if found != magic {
        let error = malformed(format!("expected an IDX {what} file with magic {magic:#010x}, found {found:#010x}"));
        return Err(match header {
            [0x1f, 0x8b, ..] => error.hint("the file is compressed with gzip: add `.gz` to its name"),
            _ => error,
        });
    }
    Ok((std::array::from_fn(|_| words.next().unwrap_or_default()), rest))
}

/// Whether `found` bytes after the header are exactly `count` elements of `size` bytes.
fn check_count(count: u32, size: u64, found: usize, what: &str) -> Result<()> {
    if count == 0 {
        return Err(malformed(format!("expected {what}, found a header that says 0")));
    }
    // The caller has checked `size` against the set's own, so nothing is lost by saturating.
    let expected = u64::from(count).saturating_mul(size);
    if expected != found as u64 {
        return Err(malformed(format!(
            "expected {count} {what} as its header says, {expected} bytes after the header, found {found}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::{idx_images, idx_labels, messages};

    #[test]
    fn images_and_labels_are_what_follows_the_header() {
        assert_eq!(images(&idx_images(2, 2, &[1, 2, 3, 4, 5, 6, 7, 8]), 2, 2).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(labels(&idx_labels(&[3, 0, 9]), 10).unwrap(), [3, 0, 9]);
    }

    #[test]
    fn malformed_image_files_are_explained() {
        let good = idx_images(2, 2, &[0; 8]);
        let with = |at: usize, word: u32| {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
            bytes
        };
        let cases = [
            ("empty", Vec::new()),
            ("half a header", good[..15].to_vec()),
            ("labels", idx_labels(&[0; 12])),
            ("compressed", with(0, 0x1f8b_0800)),
            ("floats", with(0, 0x0000_0d03)),
            ("other height", with(8, 3)),
            ("other width", with(12, u32::MAX)),
            ("no images", with(4, 0)),
            ("more promised", with(4, 3)),
            ("most promised", with(4, u32::MAX)),
            ("a byte short", good[..good.len() - 1].to_vec()),
            ("a byte over", [good.clone(), vec![0]].concat()),
        ];
        insta::assert_snapshot!(messages(cases, |bytes| images(bytes, 2, 2).map(<[u8]>::to_vec)), @r#"
        empty: expected an IDX image file with a header of 16 bytes, found 0 bytes
        half a header: expected an IDX image file with a header of 16 bytes, found 15 bytes
        labels: expected an IDX image file with magic 0x00000803, found 0x00000801
        compressed: expected an IDX image file with magic 0x00000803, found 0x1f8b0800
          hint: the file is compressed with gzip: add `.gz` to its name
        floats: expected an IDX image file with magic 0x00000803, found 0x00000d03
        other height: expected images of 2x2 pixels, found 3x2
        other width: expected images of 2x2 pixels, found 2x4294967295
        no images: expected images, found a header that says 0
        more promised: expected 3 images as its header says, 12 bytes after the header, found 8
        most promised: expected 4294967295 images as its header says, 17179869180 bytes after the header, found 8
        a byte short: expected 2 images as its header says, 8 bytes after the header, found 7
        a byte over: expected 2 images as its header says, 8 bytes after the header, found 9
        "#);
    }

    #[test]
    fn malformed_label_files_are_explained() {
        let cases = [
            ("empty", Vec::new()),
            ("images", idx_images(2, 2, &[0; 8])),
            ("no labels", idx_labels(&[])),
            ("a byte over", [idx_labels(&[1, 2]), vec![0]].concat()),
            ("a byte short", idx_labels(&[1, 2])[..9].to_vec()),
            ("not a class", idx_labels(&[1, 10, 2])),
        ];
        insta::assert_snapshot!(messages(cases, |bytes| labels(bytes, 10).map(<[u8]>::to_vec)), @r#"
        empty: expected an IDX label file with a header of 8 bytes, found 0 bytes
        images: expected an IDX label file with magic 0x00000801, found 0x00000803
        no labels: expected labels, found a header that says 0
        a byte over: expected 2 labels as its header says, 2 bytes after the header, found 3
        a byte short: expected 2 labels as its header says, 2 bytes after the header, found 1
        not a class: label 10 of image 1 is not a class: expected 0 to 9
        "#);
    }
}
