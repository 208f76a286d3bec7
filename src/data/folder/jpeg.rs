//! JPEG files: whole or refused, and the same pixels on every processor.
//!
//! The decoder fills what is missing of an image with grey, so whether the file is whole is looked at here. It is built
//! without its vector code (features in `Cargo.toml`), whose choice would depend on the processor.

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::decode::allow;

/// What every JPEG begins with.
pub const START: [u8; 2] = [0xff, 0xd8];

/// The image, grey if its file is and else in colour, and the orientation that its EXIF data give it.
///
/// # Errors
/// The reason, for people.
pub fn decode(bytes: &[u8]) -> Result<(DynamicImage, Orientation), String> {
    whole(bytes)?;
    let options = DecoderOptions::default().set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let missing = || "the file has no size".to_owned();
    let (width, height) = decoder.dimensions().ok_or_else(missing)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let (space, channels) = if grey { (ColorSpace::Luma, 1) } else { (ColorSpace::RGB, 3) };
    let sides = [width as u64, height as u64];
    allow(sides, sides[0].saturating_mul(sides[1]).saturating_mul(channels), bytes.len())?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let pixels = decoder.decode().map_err(|error| error.to_string())?;
    let (width, height) = (width as u32, height as u32);
    let image = match grey {
        true => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        false => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    Ok((image.ok_or_else(missing)?, orientation.unwrap_or(Orientation::NoTransforms)))
}

/// Whether the file has its end-of-image marker, as libjpeg wants it. Markers are as in ITU-T T.81, annex B: `ff` and a
/// code; most are followed by two bytes with the length of their segment, in which no marker counts (a thumbnail has some
/// of its own). What stands behind the end is left alone: phones put videos there.
fn whole(bytes: &[u8]) -> Result<(), String> {
    const STUFFED: u8 = 0x00;
    const TEMPORARY: u8 = 0x01;
    const RESTARTS: std::ops::RangeInclusive<u8> = 0xd0..=0xd7;
    const START_OF_IMAGE: u8 = START[1];
    const END_OF_IMAGE: u8 = 0xd9;
    const START_OF_SCAN: u8 = 0xda;
    let cut = || "the file ends before its image does".to_owned();
    let mut scanned = false;
    let mut at = START.len();
    while let Some(offset) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff)) {
        at += offset;
        // Any number of `ff` can stand before a code.
        let Some(fill) = bytes[at..].iter().position(|byte| *byte != 0xff) else { break };
        at += fill + 1;
        match bytes[at - 1] {
            STUFFED | TEMPORARY => {}
            code if RESTARTS.contains(&code) => {}
            START_OF_IMAGE => return Err("another image begins before this one has ended".into()),
            END_OF_IMAGE if scanned => return Ok(()),
            END_OF_IMAGE => return Err("the file has no pixels".into()),
            code => {
                scanned |= code == START_OF_SCAN;
                let length = bytes.get(at..at + 2).ok_or_else(cut)?;
                at += usize::from(u16::from_be_bytes([length[0], length[1]]));
            }
        }
    }
    Err(cut())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: &[u8] = include_bytes!("fixtures/420-baseline-23x17.jpg");
    const PROGRESSIVE: &[u8] = include_bytes!("fixtures/420-progressive-23x17.jpg");
    const RESTARTS: &[u8] = include_bytes!("fixtures/restart-baseline.jpg");

    #[test]
    fn a_file_that_was_cut_anywhere_is_refused() {
        for file in [PICTURE, PROGRESSIVE, RESTARTS] {
            decode(file).unwrap();
            for length in 0..file.len() {
                decode(&file[..length]).unwrap_err();
            }
        }
        insta::assert_snapshot!(decode(&PICTURE[..PICTURE.len() - 2]).unwrap_err(), @"the file ends before its image does");
        let first_scan = PROGRESSIVE.windows(2).enumerate().filter(|(_, at)| at == &[0xff, 0xda]).nth(1).unwrap().0;
        insta::assert_snapshot!(decode(&PROGRESSIVE[..first_scan]).unwrap_err(), @"the file ends before its image does");
    }

    #[test]
    fn a_file_that_goes_on_with_another_is_refused() {
        let joined = [&PICTURE[..PICTURE.len() - 50], PICTURE].concat();
        insta::assert_snapshot!(decode(&joined).unwrap_err(), @"another image begins before this one has ended");
        insta::assert_snapshot!(decode(&[0xff, 0xd8, 0xff, 0xd9]).unwrap_err(), @"the file has no pixels");
    }

    #[test]
    fn what_stands_behind_the_end_and_holes_of_zeros_are_left_alone() {
        let plain = decode(PICTURE).unwrap();
        for tail in [&[0; 9][..], b"trailer", PICTURE, &[0xff]] {
            assert_eq!(decode(&[PICTURE, tail].concat()).unwrap(), plain);
        }
        let mut hole = PICTURE.to_vec();
        let end = hole.len();
        hole[end - 60..end - 20].fill(0);
        decode(&hole).unwrap();
    }

    #[test]
    fn markers_inside_of_segments_do_not_count() {
        let thumbnail = [&[0xff, 0xe1, 0, 10], &[0xff, 0xd8, 0xff, 0xd9, 0xff, 0xd8, 0, 0][..]].concat();
        let with = [&PICTURE[..2], &thumbnail, &PICTURE[2..]].concat();
        assert_eq!(decode(&with).unwrap(), decode(PICTURE).unwrap());
        decode(&with[..with.len() - 1]).unwrap_err();
    }

    /// With every processor's vectors, and as long as [`super::super::VERSIONS`] says the same of the decoder: a hash that
    /// moves here moves results, and the decoder's version must be raised with it.
    #[test]
    fn the_decoder_gives_these_pixels() {
        let mut lines = String::new();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/folder/fixtures");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|ending| ending == "jpg"));
        files.sort();
        for path in files {
            let (image, _) = decode(&std::fs::read(&path).unwrap()).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            lines +=
                &format!("{name} {:?} {}\n", image.color(), blake3::hash(image.as_bytes()).to_hex().split_at(16).0);
        }
        insta::assert_snapshot!(lines, @r"
        420-baseline-16x16.jpg Rgb8 e86f6a7f9915f462
        420-baseline-23x17.jpg Rgb8 4034c3600554faf5
        420-progressive-16x16.jpg Rgb8 9482c9288b11d00c
        420-progressive-23x17.jpg Rgb8 ba86080e5faef887
        422-baseline-16x16.jpg Rgb8 4dc483ce6d85e19c
        422-baseline-23x17.jpg Rgb8 d2ccdef53707fbf2
        422-progressive-16x16.jpg Rgb8 aef3c76849e3e814
        422-progressive-23x17.jpg Rgb8 f4a3991d98c62454
        444-baseline-16x16.jpg Rgb8 973a9900870eb82d
        444-baseline-23x17.jpg Rgb8 bc18e2e0603042fb
        444-progressive-16x16.jpg Rgb8 389ffe537ae392df
        444-progressive-23x17.jpg Rgb8 4f8d37e343483349
        cmyk.jpg Rgb8 d32225e0d87f9974
        coarse.jpg Rgb8 2efde3d9081af1b5
        fine.jpg Rgb8 c08c0335568d0e92
        grey-baseline.jpg L8 2301b910e1d558db
        grey-progressive.jpg L8 d0a9481a9d135f0a
        optimized.jpg Rgb8 714f5cce37edd1ca
        restart-baseline.jpg Rgb8 70a3f23b89412e8f
        restart-progressive.jpg Rgb8 3a903a8369a2a3c9
        turned-0.jpg Rgb8 c25a4ce315b6bad2
        turned-1.jpg Rgb8 c25a4ce315b6bad2
        turned-2.jpg Rgb8 c25a4ce315b6bad2
        turned-3.jpg Rgb8 c25a4ce315b6bad2
        turned-4.jpg Rgb8 c25a4ce315b6bad2
        turned-5.jpg Rgb8 c25a4ce315b6bad2
        turned-6.jpg Rgb8 c25a4ce315b6bad2
        turned-7.jpg Rgb8 c25a4ce315b6bad2
        turned-8.jpg Rgb8 c25a4ce315b6bad2
        turned-9.jpg Rgb8 c25a4ce315b6bad2
        ");
    }
}
