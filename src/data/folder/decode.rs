//! One file's bytes to pixels of the wanted shape.

use std::io::Cursor;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::{Decoding, ExifOrientation, jpeg};
use crate::error::{Error, Kind, Result};

/// The most pixels of an image's side, and the most bytes that decoding may take: what looks like a small file can be
/// a huge image.
const LARGEST_SIDE: u32 = 1 << 15;
const DECODER_MEMORY: u64 = 512 << 20;

/// The most bytes of pixels that a byte of a file can stand for. Deflate, in PNG, has at most 1032
/// (<https://zlib.net/zlib_tech.html>); JPEG needs a bit a block of 64 pixels for its DC coefficient, so 512 pixels, of
/// three bytes, a byte. What claims more is cut off, or made to fill the memory.
const PIXELS_A_BYTE: u64 = 512 * 3;

/// So many bytes of pixels are decoded whatever a file's size: WebP and BMP can hold one colour in next to nothing.
const ALWAYS_ALLOWED: u64 = 16 << 20;

/// The formats that are read.
const FORMATS: [ImageFormat; 4] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Bmp];

/// The pixels, shape (height, width, channels). Turned by its EXIF orientation unless that is to be ignored. Transparency
/// is dropped, deeper colours are rounded to bytes, and grey is the luma of ITU-R 601. Resized with a triangle filter,
/// which averages when it makes an image smaller.
///
/// # Errors
/// Kind `Input` with the decoder's reason.
pub fn decode(bytes: &[u8], decoding: &Decoding) -> Result<Vec<u8>> {
    let (mut image, orientation) = read(bytes)?;
    if decoding.orientation == ExifOrientation::Apply {
        image.apply_orientation(orientation);
    }
    let image = match decoding.channels {
        1 => DynamicImage::ImageLuma8(grey(image)),
        _ => DynamicImage::ImageRgb8(image.into_rgb8()),
    };
    let [height, width] = decoding.size.map(|side| side as u32);
    let fits = (image.height(), image.width()) == (height, width);
    let image = if fits { image } else { image.resize_exact(width, height, FilterType::Triangle) };
    Ok(image.into_bytes())
}

/// Refuses an image by the size that it declares, before memory is taken for it: `pixels` is the bytes of its pixels,
/// `file` those of its file.
///
/// # Errors
/// The reason, for people.
pub fn allow([width, height]: [u64; 2], pixels: u64, file: usize) -> Result<(), String> {
    let side = u64::from(LARGEST_SIDE);
    if width > side || height > side || pixels > DECODER_MEMORY {
        let most = DECODER_MEMORY >> 20;
        return Err(format!(
            "it declares {width}x{height} pixels; at most {side} a side and {most} MiB in all are decoded"
        ));
    }
    if pixels > ALWAYS_ALLOWED.max(file as u64 * PIXELS_A_BYTE) {
        return Err(format!("it declares {width}x{height} pixels, which its {file} bytes cannot hold"));
    }
    Ok(())
}

/// The image as it is stored, and how it is to be turned. A file that says nothing of that, or what means nothing, is
/// upright.
fn read(bytes: &[u8]) -> Result<(DynamicImage, Orientation)> {
    let failed = |reason: &str| {
        Error::new(Kind::Input, format!("expected a PNG, JPEG, WebP or BMP image: {}", reason.trim_end()))
    };
    if bytes.is_empty() {
        return Err(failed("the file is empty"));
    }
    if bytes.starts_with(&jpeg::START) {
        return jpeg::decode(bytes).map_err(|reason| failed(&reason));
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let reader = reader.map_err(|error| failed(&error.to_string()))?;
    if let Some(other) = reader.format().filter(|format| !FORMATS.contains(format)) {
        let name = other.extensions_str().first().unwrap_or(&"").to_uppercase();
        return Err(failed(&format!("found the format {name}; convert it")));
    }
    if !has_whole_exif(bytes) {
        return Err(failed("its EXIF data are cut off"));
    }
    decoded(reader, bytes.len()).map_err(|reason| failed(&reason))
}

/// Whether a WebP file has all the EXIF data that it declares, for which the decoder takes memory; so has any other file. A
/// RIFF container is the letters, a size and the format, then chunks: four letters, a size, and content padded to even size.
fn has_whole_exif(bytes: &[u8]) -> bool {
    let mut rest = match bytes {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', rest @ ..] => rest,
        _ => return true,
    };
    while let Some((header, content)) = rest.split_first_chunk::<8>() {
        let [name @ .., a, b, c, d] = header;
        let size = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        if name == b"EXIF" {
            return size <= content.len();
        }
        rest = content.get(size.next_multiple_of(2)..).unwrap_or_default();
    }
    true
}

fn decoded(mut reader: ImageReader<Cursor<&[u8]>>, file: usize) -> Result<(DynamicImage, Orientation), String> {
    let told = |error: ImageError| error.to_string();
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODER_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(told)?;
    let (width, height) = decoder.dimensions();
    allow([u64::from(width), u64::from(height)], decoder.total_bytes(), file)?;
    let orientation = decoder.orientation().map_err(told)?;
    Ok((DynamicImage::from_decoder(decoder).map_err(told)?, orientation))
}

/// Grey files as they are; of colours the luma of ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B of the coded values) in the
/// integers of Pillow's `convert("L")` (`L24` in its Convert.c), which OpenCV, torchvision and TensorFlow compute too.
fn grey(image: DynamicImage) -> GrayImage {
    if !image.color().has_color() {
        return image.into_luma8();
    }
    let image = image.into_rgb8();
    let luma = |pixel: &[u8]| {
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
        ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16) as u8
    };
    let (width, height) = image.dimensions();
    let pixels = image.as_raw().chunks_exact(3).map(luma).collect();
    GrayImage::from_raw(width, height, pixels).expect("a byte a pixel")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::PathBuf;

    use image::Luma;

    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/data/folder/fixtures").join(name)).unwrap()
    }

    fn decoding(height: u64, width: u64, channels: u64) -> Decoding {
        Decoding { size: [height, width], channels, test: None, orientation: ExifOrientation::Apply }
    }

    #[test]
    fn grey_is_what_pillow_makes_of_colours() {
        let expected: BTreeMap<String, Vec<u8>> = serde_json::from_slice(&fixture("grey.json")).unwrap();
        assert_eq!(expected.len(), 4);
        for (name, pixels) in expected {
            assert_eq!(decode(&fixture(&name), &decoding(16, 16, 1)).unwrap(), pixels, "{name}");
        }
        let patch =
            |color| grey(DynamicImage::from(image::RgbImage::from_pixel(1, 1, image::Rgb(color)))).into_raw()[0];
        assert_eq!([patch([255, 0, 0]), patch([0, 255, 0]), patch([0, 0, 255])], [76, 150, 29]);
        let values: Vec<u8> = (0..=255).collect();
        assert!(values.iter().all(|&value| patch([value; 3]) == value), "grey colours stay what they are");
    }

    #[test]
    fn grey_files_stay_what_they_are() {
        let pixels: Vec<u8> = (0..=255).collect();
        let mut bytes = Cursor::new(Vec::new());
        GrayImage::from_raw(16, 16, pixels.clone()).unwrap().write_to(&mut bytes, ImageFormat::Png).unwrap();
        assert_eq!(decode(bytes.get_ref(), &decoding(16, 16, 1)).unwrap(), pixels);
        let three: Vec<u8> = pixels.iter().flat_map(|value| [*value; 3]).collect();
        assert_eq!(decode(bytes.get_ref(), &decoding(16, 16, 3)).unwrap(), three);
        // Of 16 bits, in grey and in colour.
        let deep = image::ImageBuffer::from_fn(4, 4, |x, y| Luma([257 * (16 * x + y) as u16]));
        let (mut grey, mut color) = (Cursor::new(Vec::new()), Cursor::new(Vec::new()));
        DynamicImage::ImageLuma16(deep.clone()).write_to(&mut grey, ImageFormat::Png).unwrap();
        DynamicImage::ImageRgb16(DynamicImage::ImageLuma16(deep).into_rgb16())
            .write_to(&mut color, ImageFormat::Png)
            .unwrap();
        let expected: Vec<u8> = (0..4).flat_map(|y| (0..4).map(move |x| 16 * x + y)).collect();
        for bytes in [grey, color] {
            assert_eq!(decode(bytes.get_ref(), &decoding(4, 4, 1)).unwrap(), expected);
        }
    }

    /// The letters of the colours in the middle of each quarter, row by row.
    fn quarters(pixels: &[u8], width: usize, height: usize) -> String {
        let at = |x: usize, y: usize| &pixels[3 * (y * width + x)..][..3];
        let places = [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| at(width * x / 4, height * y / 4));
        let letter = |pixel: &[u8]| match [pixel[0] > 128, pixel[1] > 128, pixel[2] > 128] {
            [true, false, false] => 'r',
            [false, true, false] => 'g',
            [false, false, true] => 'b',
            _ => 'w',
        };
        places.map(letter).iter().collect()
    }

    #[test]
    fn images_are_turned_by_their_orientation_before_they_are_resized() {
        // As stored: red, green; blue, white. Tags 0 and 9 mean nothing.
        for (orientation, expected) in [
            (0, "rgbw"),
            (1, "rgbw"),
            (2, "grwb"),
            (3, "wbgr"),
            (4, "bwrg"),
            (5, "rbgw"),
            (6, "brwg"),
            (7, "wgbr"),
            (8, "gwrb"),
            (9, "rgbw"),
        ] {
            let turned = matches!(orientation, 5..=8);
            let (width, height) = if turned { (16, 24) } else { (24, 16) };
            let mut names = vec![format!("turned-{orientation}.jpg")];
            names.extend(matches!(orientation, 5 | 6).then(|| format!("turned-{orientation}.png")));
            names.extend((orientation == 6).then(|| "turned-6.webp".to_owned()));
            for name in names {
                let upright = decode(&fixture(&name), &decoding(height, width, 3)).unwrap();
                assert_eq!(quarters(&upright, width as usize, height as usize), expected, "{name}");
                let square = decode(&fixture(&name), &decoding(12, 12, 3)).unwrap();
                assert_eq!(quarters(&square, 12, 12), expected, "{name}");
                let ignored = Decoding { orientation: ExifOrientation::Ignore, ..decoding(16, 24, 3) };
                assert_eq!(quarters(&decode(&fixture(&name), &ignored).unwrap(), 24, 16), "rgbw", "{name}");
            }
        }
    }

    /// They took up to half a gibibyte, and a JPEG was even taken for whole.
    #[test]
    fn images_are_refused_by_the_size_that_they_declare() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/image");
        let mut lines = String::new();
        for name in ["baseline.jpg", "progressive.jpg", "nine-thousand-a-side.png", "declared.bmp", "lossless.webp"] {
            let error = decode(&fs::read(folder.join(name)).unwrap(), &decoding(2, 2, 3)).unwrap_err();
            lines += &format!("{name}: {}\n", error.message.split_once("image: ").unwrap().1);
        }
        insta::assert_snapshot!(lines, @r"
        baseline.jpg: it declares 16000x11000 pixels, which its 1011 bytes cannot hold
        progressive.jpg: it declares 16000x11000 pixels, which its 930 bytes cannot hold
        nine-thousand-a-side.png: it declares 9000x9000 pixels, which its 68 bytes cannot hold
        declared.bmp: it declares 12000x12000 pixels, which its 54 bytes cannot hold
        lossless.webp: it declares 16383x16383 pixels; at most 32768 a side and 512 MiB in all are decoded
        ");
        let error =
            decode(&fs::read(folder.join("exif-of-two-gibibytes.webp")).unwrap(), &decoding(2, 2, 3)).unwrap_err();
        assert!(error.message.ends_with("its EXIF data are cut off"), "{error}");
        // The neighbour: one colour, as small as deflate makes it.
        let mut solid = Cursor::new(Vec::new());
        GrayImage::from_pixel(5000, 5000, Luma([9])).write_to(&mut solid, ImageFormat::Png).unwrap();
        assert!(solid.get_ref().len() < 1_000_000, "{}", solid.get_ref().len());
        assert_eq!(decode(solid.get_ref(), &decoding(2, 2, 1)).unwrap(), [9; 4]);
    }

    #[test]
    fn other_formats_and_empty_files_are_named() {
        let mut lines = String::new();
        for bytes in
            [&b""[..], b"GIF89a\x01\x00\x01\x00", b"II*\0\x08\0\0\0", b"text", b"\x89PNG\r\n\x1a\n", b"BM", b"\xff\xd8"]
        {
            lines += &format!("{}\n", decode(bytes, &decoding(2, 2, 3)).unwrap_err());
        }
        insta::assert_snapshot!(lines, @r"
        expected a PNG, JPEG, WebP or BMP image: the file is empty
        expected a PNG, JPEG, WebP or BMP image: found the format GIF; convert it
        expected a PNG, JPEG, WebP or BMP image: found the format TIFF; convert it
        expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
        expected a PNG, JPEG, WebP or BMP image: unexpected end of file
        expected a PNG, JPEG, WebP or BMP image: failed to fill whole buffer
        expected a PNG, JPEG, WebP or BMP image: the file ends before its image does
        ");
    }
}
