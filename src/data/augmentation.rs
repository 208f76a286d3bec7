//! Random changes to training images that keep their class.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::random::generator;

/// A random change, as the manifest names it (`"crop"`, `"flip"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augmentation {
    /// Pads each side with zeros after normalisation (that is, with the mean) and crops back at a random place. The
    /// padding is an eighth of the size, at least 1: 4 pixels at 32 as in He et al. (2015), 3 at 28, 1 at 8.
    Crop,
    /// Flips left and right with probability 1/2.
    Flip,
}

/// Where each pixel of one augmented image comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Placement {
    /// How far below its place a pixel is taken from.
    down: isize,
    /// How far to the right of its place a pixel is taken from, before a flip.
    right: isize,
    flipped: bool,
}

impl Placement {
    /// Drawn for one sample of one epoch. Each augmentation has its own generator, so neither the order of
    /// `augmentations` nor the presence of the other changes what it does.
    pub fn draw(
        augmentations: &[Augmentation],
        (height, width): (usize, usize),
        seed: u64,
        epoch: u64,
        sample: u32,
    ) -> Self {
        let sample = u64::from(sample);
        let mut placement = Self::default();
        if augmentations.contains(&Augmentation::Crop) {
            let mut generator = generator(seed, "crop", epoch, sample);
            let mut offset = |size: usize| {
                let padding = (size / 8).max(1) as i32;
                generator.random_range(-padding..=padding) as isize
            };
            placement.down = offset(height);
            placement.right = offset(width);
        }
        if augmentations.contains(&Augmentation::Flip) {
            placement.flipped = generator(seed, "flip", epoch, sample).random_bool(0.5);
        }
        placement
    }

    /// The place that the pixel at (`row`, `column`) is taken from, or `None` if that is padding.
    pub fn origin(self, (row, column): (usize, usize), (height, width): (usize, usize)) -> Option<(usize, usize)> {
        let column = if self.flipped { width - 1 - column } else { column };
        let row = row.checked_add_signed(self.down).filter(|&row| row < height)?;
        let column = column.checked_add_signed(self.right).filter(|&column| column < width)?;
        Some((row, column))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use Augmentation::{Crop, Flip};

    use super::*;

    fn draw(augmentations: &[Augmentation], seed: u64, epoch: u64, sample: u32) -> Placement {
        Placement::draw(augmentations, (32, 28), seed, epoch, sample)
    }

    #[test]
    fn every_offset_within_the_padding_is_drawn_about_equally_often() {
        let (mut down, mut right, mut flips) = (BTreeMap::new(), BTreeMap::new(), 0);
        for sample in 0..9_000 {
            let placement = draw(&[Crop, Flip], 1, 2, sample);
            *down.entry(placement.down).or_insert(0) += 1;
            *right.entry(placement.right).or_insert(0) += 1;
            flips += u32::from(placement.flipped);
        }
        assert!(down.keys().copied().eq(-4..=4), "32 pixels are padded by 4: {down:?}");
        assert!(right.keys().copied().eq(-3..=3), "28 pixels are padded by 3: {right:?}");
        // Five standard deviations around the expected counts.
        assert!(down.values().all(|&count: &i32| (count - 1_000).abs() < 150), "{down:?}");
        assert!(right.values().all(|&count: &i32| (count - 1_286).abs() < 167), "{right:?}");
        assert!(flips.abs_diff(4_500) < 237, "{flips}");
        assert!((0..100).all(|sample| Placement::draw(&[Crop], (8, 4), 1, 1, sample).down.abs() <= 1));
        assert!((0..100).any(|sample| Placement::draw(&[Crop], (8, 4), 1, 1, sample).right != 0));
    }

    #[test]
    fn augmentations_do_not_disturb_one_another() {
        for sample in 0..50 {
            let both = draw(&[Crop, Flip], 1, 2, sample);
            assert_eq!(both, draw(&[Flip, Crop, Crop], 1, 2, sample));
            assert_eq!(Placement { flipped: false, ..both }, draw(&[Crop], 1, 2, sample));
            assert_eq!(Placement { down: 0, right: 0, ..both }, draw(&[Flip], 1, 2, sample));
            assert_eq!(Placement::default(), draw(&[], 1, 2, sample));
        }
    }

    #[test]
    fn seed_epoch_and_sample_each_matter() {
        let drawn = |seed, epoch| (0..20).map(|sample| draw(&[Crop, Flip], seed, epoch, sample)).collect::<Vec<_>>();
        assert_ne!(drawn(1, 2), drawn(2, 2));
        assert_ne!(drawn(1, 2), drawn(1, 3));
        assert!(drawn(1, 2).windows(2).any(|pair| pair[0] != pair[1]));
    }
}
