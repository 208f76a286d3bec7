//! Which operations an image gets, and how strongly: TrivialAugment (Müller and Hutter, "TrivialAugment: Tuning-free
//! Yet State-of-the-Art Data Augmentation", 2021) and RandAugment (Cubuk et al., 2020). Both draw from the same fourteen
//! operations; the ranges of their strengths are those of torchvision.

use std::borrow::Cow;

use rand::RngExt;

use super::{Augmentation, color, geometry};
use crate::random::generator;

/// Strengths are drawn from 0 to this.
const STRONGEST: u64 = 30;

/// What can happen to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Identity,
    ShearHorizontally,
    ShearVertically,
    TranslateHorizontally,
    TranslateVertically,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    Autocontrast,
    Equalize,
}

const OPERATIONS: [Operation; 14] = [
    Operation::Identity,
    Operation::ShearHorizontally,
    Operation::ShearVertically,
    Operation::TranslateHorizontally,
    Operation::TranslateVertically,
    Operation::Rotate,
    Operation::Brightness,
    Operation::Color,
    Operation::Contrast,
    Operation::Sharpness,
    Operation::Posterize,
    Operation::Solarize,
    Operation::Autocontrast,
    Operation::Equalize,
];

/// The value for `strength` of a range from 0 to `largest`, as `torch.linspace(0, largest, 31)` has it: in 32 bits, from
/// the nearer end, product and sum rounded once. So strength 15 of 32 pixels is just below 16, and moves 15.
fn value_of(largest: f32, strength: u64) -> f64 {
    let step = largest / STRONGEST as f32;
    let value = if strength < STRONGEST.div_ceil(2) {
        step * strength as f32
    } else {
        (-step).mul_add((STRONGEST - strength) as f32, largest)
    };
    f64::from(value)
}

/// What the strongest strength means for each operation.
struct Space {
    /// Slope.
    shear: f32,
    /// Pixels, from the size of the image along the movement.
    translate: fn(usize) -> f64,
    /// Degrees.
    rotate: f32,
    /// Away from 1, of brightness, colour, contrast and sharpness.
    enhance: f32,
    /// Bits taken away.
    posterize: f64,
}

/// The wide space of TrivialAugment. It moves images of 32 pixels by up to 32; smaller ones by no more than their size.
const WIDE: Space =
    Space { shear: 0.99, translate: |size| size.min(32) as f64, rotate: 135.0, enhance: 0.99, posterize: 6.0 };

/// RandAugment's space.
const NARROW: Space =
    Space { shear: 0.3, translate: |size| 150.0 / 331.0 * size as f64, rotate: 30.0, enhance: 0.9, posterize: 4.0 };

/// The image with the operations that (seed, epoch, sample) draw for it; the image itself without a policy.
pub fn apply<'a>(
    image: &'a [u8],
    shape: [usize; 3],
    augmentations: &[Augmentation],
    (seed, epoch, sample): (u64, u64, u32),
) -> Cow<'a, [u8]> {
    let mut image = Cow::Borrowed(image);
    for augmentation in augmentations {
        match *augmentation {
            Augmentation::TrivialAugment => {
                let mut generator = generator(seed, "trivial augment", epoch, u64::from(sample));
                let operation = OPERATIONS[generator.random_range(0..OPERATIONS.len() as u32) as usize];
                let strength = generator.random_range(0..=STRONGEST);
                operation.apply(&mut image, shape, &WIDE, strength, generator.random_bool(0.5));
            }
            Augmentation::RandAugment { operations, magnitude } => {
                let mut generator = generator(seed, "rand augment", epoch, u64::from(sample));
                for _ in 0..operations {
                    let operation = OPERATIONS[generator.random_range(0..OPERATIONS.len() as u32) as usize];
                    operation.apply(&mut image, shape, &NARROW, magnitude, generator.random_bool(0.5));
                }
            }
            _ => {}
        }
    }
    image
}

impl Operation {
    /// Changes the image by `strength` (0 to [`STRONGEST`]), in the other direction if `negative`.
    fn apply(self, image: &mut Cow<[u8]>, shape: [usize; 3], space: &Space, strength: u64, negative: bool) {
        let [height, width, channels] = shape;
        let size = (height, width);
        let strength = strength.min(STRONGEST);
        let share = strength as f64 / STRONGEST as f64;
        let signed = |largest: f32| if negative { -value_of(largest, strength) } else { value_of(largest, strength) };
        let pixels = |size: usize| signed((space.translate)(size) as f32) as i64;
        let factor = (1.0 + signed(space.enhance)) as f32;
        let moved = match self {
            Operation::Identity => return,
            Operation::ShearHorizontally => geometry::shear_horizontally(image, size, channels, signed(space.shear)),
            Operation::ShearVertically => geometry::shear_vertically(image, size, channels, signed(space.shear)),
            Operation::TranslateHorizontally => geometry::translate(image, size, channels, 0, pixels(width)),
            Operation::TranslateVertically => geometry::translate(image, size, channels, pixels(height), 0),
            Operation::Rotate => geometry::rotate(image, size, channels, signed(space.rotate)),
            Operation::Brightness => return color::brightness(image.to_mut(), factor),
            Operation::Color => return color::color(image.to_mut(), channels, factor),
            Operation::Contrast => return color::contrast(image.to_mut(), channels, factor),
            Operation::Sharpness => return color::sharpness(image.to_mut(), size, channels, factor),
            Operation::Posterize => {
                return color::posterize(image.to_mut(), 8 - (space.posterize * share).round() as u32);
            }
            Operation::Solarize => return color::solarize(image.to_mut(), (255.0 * (1.0 - share)) as f32),
            Operation::Autocontrast => return color::autocontrast(image.to_mut(), channels),
            Operation::Equalize => return color::equalize(image.to_mut(), channels),
        };
        *image = Cow::Owned(moved);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::data::tests::some_images;

    const RAND: Augmentation = Augmentation::RandAugment { operations: 2, magnitude: 9 };

    fn changed(operation: Operation, strength: u64, negative: bool) -> Vec<u8> {
        let image = [10, 20, 30, 40, 50, 60, 70, 80, 90];
        let mut image = Cow::Borrowed(&image[..]);
        operation.apply(&mut image, [3, 3, 1], &WIDE, strength, negative);
        image.into_owned()
    }

    #[test]
    fn no_strength_is_no_change_where_a_strength_counts() {
        use Operation::*;
        let image = changed(Identity, 30, false);
        for operation in OPERATIONS {
            let unchanged = changed(operation, 0, false) == image && changed(operation, 0, true) == image;
            assert_eq!(unchanged, !matches!(operation, Autocontrast), "{operation:?}");
        }
        assert_eq!(changed(Autocontrast, 0, false)[..3], [0, 31, 63]);
    }

    #[test]
    fn the_strongest_reaches_the_end_of_the_space() {
        use Operation::*;
        assert_eq!(changed(TranslateHorizontally, 10, false), [0, 10, 20, 0, 40, 50, 0, 70, 80]);
        assert_eq!(changed(TranslateVertically, 10, true), [40, 50, 60, 70, 80, 90, 0, 0, 0]);
        assert_eq!(changed(Brightness, 30, true), [0; 9], "1 - 0.99 of less than 100 is below 1");
        assert_eq!(changed(Posterize, 30, false), [0, 0, 0, 0, 0, 0, 64, 64, 64], "8 - 6 bits are kept");
        assert_eq!(changed(Solarize, 30, false)[0], 245);
        assert_eq!(changed(Color, 30, false), changed(Identity, 0, false), "grey has no colour");
        assert_ne!(changed(Rotate, 30, false), changed(Rotate, 30, true));
    }

    #[test]
    fn a_translation_moves_as_many_pixels_as_torchvision_s() {
        let moved =
            |largest: f32| (0..=STRONGEST).map(|strength| value_of(largest, strength) as i64).collect::<Vec<_>>();
        // `torch.linspace(0, 32, 31)[15]` is 15.999999, and the last but one 30.93.
        assert_eq!(moved(32.0), [(0..=15).collect::<Vec<_>>(), (17..=30).collect(), vec![32]].concat());
        // A step of one pixel, and steps of `150 / 331 * 662` in 30, are exact.
        assert_eq!(moved(30.0), (0..=30).collect::<Vec<_>>());
        assert_eq!(moved((NARROW.translate)(662) as f32), (0..=30).map(|strength| 10 * strength).collect::<Vec<_>>());
        let row: Vec<u8> = (1..=32).collect();
        let after = |negative: bool| {
            let mut image = Cow::Borrowed(&row[..]);
            Operation::TranslateHorizontally.apply(&mut image, [1, 32, 1], &WIDE, 15, negative);
            image.into_owned()
        };
        assert_eq!(after(false), [vec![0; 15], (1..=17).collect()].concat());
        assert_eq!(after(true), [(16..=32).collect(), vec![0; 15]].concat());
    }

    /// The fixture was written by `fixtures/operations.py`.
    #[test]
    fn torchvision_makes_the_same_of_two_images() {
        use Operation::*;
        let fixture: serde_json::Value = serde_json::from_str(include_str!("fixtures/operations.json")).unwrap();
        let bytes = |hexadecimal: &serde_json::Value| -> Vec<u8> {
            let digits = hexadecimal.as_str().unwrap().as_bytes().as_chunks::<2>().0;
            digits.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
        };
        let names = [
            "Identity",
            "ShearX",
            "ShearY",
            "TranslateX",
            "TranslateY",
            "Rotate",
            "Brightness",
            "Color",
            "Contrast",
            "Sharpness",
            "Posterize",
            "Solarize",
            "AutoContrast",
            "Equalize",
        ];
        let mut seen = [0; OPERATIONS.len()];
        for case in fixture["cases"].as_array().unwrap() {
            let image = &fixture["images"][case[0].as_u64().unwrap() as usize];
            let shape = [0, 1, 2].map(|axis| image["shape"][axis].as_u64().unwrap() as usize);
            let place = names.iter().position(|name| *name == case[1]).unwrap();
            let space = if case[4] == true { &WIDE } else { &NARROW };
            let mut found = Cow::Owned(bytes(&image["pixels"]));
            OPERATIONS[place].apply(&mut found, shape, space, case[2].as_u64().unwrap(), case[3] == true);
            let expected = bytes(&case[5]);
            assert_eq!(found.len(), expected.len());
            let most = found.iter().zip(&expected).map(|(found, expected)| found.abs_diff(*expected)).max();
            // Their factor is rounded to 32 bits once more.
            let allowed = u8::from(matches!(OPERATIONS[place], Brightness | Color | Contrast | Sharpness));
            assert!(most <= Some(allowed), "{}: {most:?}", serde_json::json!([case[1], case[2], case[3], case[4]]));
            seen[place] += 1;
        }
        assert!(seen.iter().all(|cases| *cases >= 4), "{seen:?}");
    }

    #[test]
    fn every_operation_is_drawn_about_equally_often() {
        let mut seen = BTreeMap::new();
        for sample in 0..7_000 {
            let mut generator = generator(1, "trivial augment", 2, sample);
            *seen.entry(generator.random_range(0..OPERATIONS.len() as u32)).or_insert(0_i32) += 1;
        }
        assert!(seen.len() == 14 && seen.values().all(|count| (count - 500).abs() < 110), "{seen:?}");
    }

    #[test]
    fn an_image_s_changes_are_by_seed_epoch_and_sample() {
        let images = some_images([8, 6, 3], 40);
        let all = |augmentation: Augmentation, seed, epoch| -> Vec<Vec<u8>> {
            (0..40)
                .map(|sample| apply(images.image(0), images.shape, &[augmentation], (seed, epoch, sample)).into_owned())
                .collect()
        };
        for augmentation in [Augmentation::TrivialAugment, RAND] {
            let some = all(augmentation, 1, 2);
            assert_eq!(some, all(augmentation, 1, 2));
            assert_ne!(some, all(augmentation, 2, 2));
            assert_ne!(some, all(augmentation, 1, 3));
            assert!(some.iter().any(|image| *image != some[0]));
            assert!(some.iter().all(|image| image.len() == images.image_size()));
        }
        let none = apply(images.image(0), images.shape, &[Augmentation::Crop], (1, 2, 3));
        assert!(matches!(none, Cow::Borrowed(_)), "nothing is copied without a policy");
        let weak = Augmentation::RandAugment { operations: 3, magnitude: 0 };
        assert_ne!(all(weak, 1, 2), all(RAND, 1, 2));
        assert!(
            all(Augmentation::RandAugment { operations: 0, magnitude: 9 }, 1, 2).iter().all(|i| i == images.image(0))
        );
    }
}
