//! The binary records of CIFAR-10 and CIFAR-100: label bytes, then a red, a green and a blue plane of 32x32 bytes.
//!
//! CIFAR-10 has one label a record. CIFAR-100 has two, the coarse one (a superclass, 0 to 19) before the fine one.

use rayon::prelude::*;

use super::{check_labels, malformed};
use crate::data::Images;
use crate::error::Result;

const PLANE: usize = 32 * 32;
const CHANNELS: usize = 3;
const COARSE_CLASSES: usize = 20;

/// The labels of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// CIFAR-10: one byte.
    One,
    /// CIFAR-100: coarse, then fine. The fine label is the class.
    CoarseAndFine,
}

impl Labels {
    fn count(self) -> usize {
        match self {
            Labels::One => 1,
            Labels::CoarseAndFine => 2,
        }
    }
}

/// Appends a file's images to `images` (shape (32, 32, 3)), each plane of colour turned into interleaved pixels.
///
/// # Errors
/// Kind `Input` unless `bytes` is one or more whole records whose class is below `classes`.
pub fn append(bytes: &[u8], labels: Labels, classes: usize, images: &mut Images) -> Result<()> {
    let record = labels.count() + CHANNELS * PLANE;
    if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
        return Err(malformed(format!(
            "expected one or more records of {record} bytes, found {} bytes: {} records and {} bytes",
            bytes.len(),
            bytes.len() / record,
            bytes.len() % record
        )));
    }
    let records = || bytes.chunks_exact(record);
    let class_at = labels.count() - 1;
    if labels == Labels::CoarseAndFine {
        check_labels("coarse label", records().map(|record| record[0]), COARSE_CLASSES)?;
    }
    check_labels("label", records().map(|record| record[class_at]), classes)?;

    images.labels.extend(records().map(|record| u32::from(record[class_at])));
    let pixels = images.pixels_mut();
    let start = pixels.len();
    pixels.resize(start + bytes.len() / record * CHANNELS * PLANE, 0);
    pixels[start..]
        .par_chunks_exact_mut(CHANNELS * PLANE)
        .zip(bytes.par_chunks_exact(record))
        .for_each(|(image, record)| interleave(&record[labels.count()..], image));
    Ok(())
}

/// Turns (channels, height, width) into (height, width, channels).
fn interleave(planes: &[u8], image: &mut [u8]) {
    let (red, rest) = planes.split_at(PLANE);
    let (green, blue) = rest.split_at(PLANE);
    for (((pixel, red), green), blue) in image.as_chunks_mut::<CHANNELS>().0.iter_mut().zip(red).zip(green).zip(blue) {
        *pixel = [*red, *green, *blue];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::{cifar_record, messages};

    fn parse(bytes: &[u8], labels: Labels, classes: usize) -> Result<Images> {
        let mut images = Images::empty([32, 32, 3]);
        append(bytes, labels, classes, &mut images).map(|()| images)
    }

    #[test]
    fn planes_become_pixels() {
        let bytes = [cifar_record(&[3], 10), cifar_record(&[9], 20)].concat();
        let images = parse(&bytes, Labels::One, 10).unwrap();
        assert_eq!(images.labels, [3, 9]);
        // `cifar_record` puts start + channel at every pixel, and 7 more at the pixel in row 1, column 2.
        assert_eq!(images.image(0)[..6], [10, 11, 12, 10, 11, 12]);
        assert_eq!(images.image(1)[(32 + 2) * 3..][..6], [27, 28, 29, 20, 21, 22]);
        assert_eq!(images.pixels.len(), 2 * 3072);
    }

    #[test]
    fn the_fine_label_is_the_class() {
        let images = parse(&cifar_record(&[19, 99], 0), Labels::CoarseAndFine, 100).unwrap();
        assert_eq!(images.labels, [99]);
        assert_eq!(images.image(0)[..3], [0, 1, 2]);
    }

    #[test]
    fn files_are_appended() {
        let mut images = parse(&cifar_record(&[1], 0), Labels::One, 10).unwrap();
        append(&cifar_record(&[2], 50), Labels::One, 10, &mut images).unwrap();
        assert_eq!(images.labels, [1, 2]);
        assert_eq!((images.image(0)[0], images.image(1)[0]), (0, 50));
    }

    #[test]
    fn malformed_records_are_explained() {
        let record = cifar_record(&[3], 0);
        let cases = [
            ("empty", Vec::new()),
            ("a byte short", record[..3072].to_vec()),
            ("a byte over", [record.clone(), vec![0]].concat()),
            ("not a class", [record, cifar_record(&[10], 0)].concat()),
        ];
        insta::assert_snapshot!(messages(cases, |bytes| parse(bytes, Labels::One, 10)), @r#"
        empty: expected one or more records of 3073 bytes, found 0 bytes: 0 records and 0 bytes
        a byte short: expected one or more records of 3073 bytes, found 3072 bytes: 0 records and 3072 bytes
        a byte over: expected one or more records of 3073 bytes, found 3074 bytes: 1 records and 1 bytes
        not a class: label 10 of image 1 is not a class: expected 0 to 9
        "#);
        let cases = [
            ("records of CIFAR-10", cifar_record(&[3], 0)),
            ("not a coarse class", cifar_record(&[20, 0], 0)),
            ("not a fine class", cifar_record(&[0, 100], 0)),
        ];
        insta::assert_snapshot!(messages(cases, |bytes| parse(bytes, Labels::CoarseAndFine, 100)), @r#"
        records of CIFAR-10: expected one or more records of 3074 bytes, found 3073 bytes: 0 records and 3073 bytes
        not a coarse class: coarse label 20 of image 0 is not a class: expected 0 to 19
        not a fine class: label 100 of image 0 is not a class: expected 0 to 99
        "#);
    }
}
