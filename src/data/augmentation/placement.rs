//! Crop, flip and cutout of one image: where each pixel comes from. They are applied while the image is normalised.

use rand::RngExt;

use super::Augmentation;
use crate::random::generator;

/// Where each pixel of one augmented image comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Placement {
    /// How far below its place a pixel is taken from.
    down: isize,
    /// How far to the right of its place a pixel is taken from, before a flip.
    right: isize,
    flipped: bool,
    /// The square that is cut out of what crop and flip leave: its first row and column, which may lie outside, and its
    /// side.
    hole: Option<(isize, isize, isize)>,
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
        for augmentation in augmentations {
            if let Augmentation::Cutout { size } = augmentation {
                let side = size.map_or(height.min(width) / 2, |size| size as usize) as isize;
                let mut generator = generator(seed, "cutout", epoch, sample);
                let mut first = |size: usize| generator.random_range(0..size as u64) as isize - side / 2;
                placement.hole = Some((first(height), first(width), side));
            }
        }
        placement
    }

    /// The place that the pixel at (`row`, `column`) is taken from, or `None` if that is padding or cut out.
    pub fn origin(self, (row, column): (usize, usize), (height, width): (usize, usize)) -> Option<(usize, usize)> {
        if let Some((top, left, side)) = self.hole
            && (0..side).contains(&(row as isize - top))
            && (0..side).contains(&(column as isize - left))
        {
            return None;
        }
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

    #[test]
    fn a_hole_is_a_square_around_any_pixel_cut_off_at_the_border() {
        let holes: BTreeMap<Vec<bool>, u32> = (0..1_200).fold(BTreeMap::new(), |mut holes, sample| {
            let placement = Placement::draw(&[Augmentation::Cutout { size: Some(2) }], (2, 3), 1, 2, sample);
            let places = (0..6).map(|place| placement.origin((place / 3, place % 3), (2, 3)).is_none());
            *holes.entry(places.collect()).or_insert(0) += 1;
            holes
        });
        // Around a pixel lie its own place and the ones above and to the left.
        let expected = ["#.....", "##....", ".##...", "#..#..", "##.##.", ".##.##"];
        let found: Vec<String> =
            holes.keys().map(|hole| hole.iter().map(|hole| if *hole { '#' } else { '.' }).collect()).collect();
        assert!(found.len() == 6 && expected.iter().all(|hole| found.iter().any(|f| f == hole)), "{found:?}");
        assert!(holes.values().all(|count| count.abs_diff(200) < 65), "{holes:?}");
        let half = Placement::draw(&[Augmentation::Cutout { size: None }], (8, 6), 1, 2, 3);
        assert_eq!(half.hole.unwrap().2, 3);
        let all = Placement::draw(&[Augmentation::Cutout { size: Some(64) }], (8, 6), 1, 2, 3);
        assert!((0..48).all(|place| all.origin((place / 6, place % 6), (8, 6)).is_none()));
    }
}
