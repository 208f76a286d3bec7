//! Bringing each channel to mean 0 and deviation 1.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Images;

/// The mean and the standard deviation of each channel, of pixels scaled to 0 to 1 (byte / 255).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// One a channel.
    pub mean: Vec<f32>,
    /// One a channel, over the whole population (divided by N, not by N - 1); 1 for a channel that never varies.
    pub deviation: Vec<f32>,
}

/// Mean and deviation as a manifest gives them, for networks that were trained elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Constants {
    /// One a channel, of pixels scaled to 0 to 1.
    pub mean: Vec<f64>,
    /// One a channel, above 0.
    pub deviation: Vec<f64>,
}

impl From<&Constants> for Normalization {
    fn from(constants: &Constants) -> Self {
        let single = |values: &[f64]| values.iter().map(|value| *value as f32).collect();
        Self { mean: single(&constants.mean), deviation: single(&constants.deviation) }
    }
}

impl std::fmt::Display for Normalization {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(formatter, "mean {:?} and deviation {:?}", self.mean, self.deviation)
    }
}

impl Normalization {
    /// Measures the images at `indices`: the training images, never those of validation or test. Without any, the mean
    /// is 0 and the deviation 1.
    ///
    /// The sums are exact integers, so neither the order of the indices nor the number of threads can matter.
    ///
    /// # Panics
    /// If an index is not below the number of images.
    pub fn of(images: &Images, indices: &[u32]) -> Self {
        let [height, width, channels] = images.shape;
        let add = |mut sums: Vec<Sums>, &index: &u32| {
            for pixel in images.image(index as usize).chunks_exact(channels) {
                for (sums, &value) in sums.iter_mut().zip(pixel) {
                    let value = u64::from(value);
                    sums.values += value;
                    sums.squares += value * value;
                }
            }
            sums
        };
        let join = |left: Vec<Sums>, right: Vec<Sums>| {
            left.iter()
                .zip(right)
                .map(|(left, right)| Sums { values: left.values + right.values, squares: left.squares + right.squares })
                .collect()
        };
        let none = || vec![Sums::default(); channels];
        let sums = indices.par_iter().fold(none, add).reduce(none, join);
        let count = indices.len() as u64 * (height * width) as u64;
        let (mean, deviation) = sums.iter().map(|sums| sums.mean_and_deviation(count)).unzip();
        Self { mean, deviation }
    }
}

/// Brings images that were normalised for one network to the constants of another: the same picture, padding and mixed images
/// included, as all of these are means of normalised values.
#[derive(Debug, Clone, PartialEq)]
pub struct Renormalization {
    /// For each channel what a value is multiplied by, and what is then added.
    channels: Vec<(f32, f32)>,
}

impl Renormalization {
    /// From images normalised by `from` to images normalised by `to`; `None` where nothing changes.
    pub fn between(from: &Normalization, to: &Normalization) -> Option<Self> {
        if from == to {
            return None;
        }
        let of = |channel: usize| {
            let [mean, deviation] = [from.mean[channel], from.deviation[channel]].map(f64::from);
            let [other_mean, other_deviation] = [to.mean[channel], to.deviation[channel]].map(f64::from);
            ((deviation / other_deviation) as f32, ((mean - other_mean) / other_deviation) as f32)
        };
        Some(Self { channels: (0..from.mean.len()).map(of).collect() })
    }

    /// `pixels`, whose channels vary fastest, in the other constants.
    pub fn apply(&self, pixels: &[f32]) -> Vec<f32> {
        let all = pixels.iter().zip(self.channels.iter().cycle());
        all.map(|(value, (factor, offset))| value * factor + offset).collect()
    }
}

/// Over all pixels of a channel.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    values: u64,
    squares: u64,
}

impl Sums {
    fn mean_and_deviation(&self, count: u64) -> (f32, f32) {
        // count^2 x variance = count x sum of squares - (sum)^2, which is exact in integers and never negative.
        let spread = u128::from(count) * u128::from(self.squares) - u128::from(self.values).pow(2);
        let mean = self.values as f64 / count.max(1) as f64 / 255.0;
        let deviation = if spread == 0 { 1.0 } else { (spread as f64).sqrt() / count as f64 / 255.0 };
        (mean as f32, deviation as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::{on_threads, some_images};

    #[test]
    fn mean_and_deviation_of_each_channel() {
        // Two images of 1x2 pixels and 2 channels; the third is not asked for.
        let images = Images {
            shape: [1, 2, 2],
            pixels: vec![0, 51, 51, 51, 102, 51, 255, 51, 9, 9, 9, 9].into(),
            labels: vec![0; 3],
        };
        let Normalization { mean, deviation } = Normalization::of(&images, &[0, 1]);
        // Channel 0: 0, 0.2, 0.4, 1: mean 0.4, variance (0.16 + 0.04 + 0 + 0.36) / 4 = 0.14.
        assert_eq!(mean, [0.4, 0.2]);
        assert_eq!(deviation, [0.14_f64.sqrt() as f32, 1.0]);
    }

    #[test]
    fn nothing_to_measure_changes_nothing() {
        let images = some_images([2, 2, 3], 4);
        assert_eq!(Normalization::of(&images, &[]), Normalization { mean: vec![0.0; 3], deviation: vec![1.0; 3] });
    }

    #[test]
    fn what_is_normalised_for_one_network_can_be_had_for_another() {
        let [from, to] = [(0.4, 0.2), (0.5, 0.25)].map(|(mean, deviation): (f32, f32)| Normalization {
            mean: vec![mean, 0.1],
            deviation: vec![deviation, 1.0],
        });
        assert_eq!(Renormalization::between(&from, &from), None);
        let images = some_images([3, 2, 2], 2);
        let pixels = |normalization: &Normalization| crate::data::batch(&images, &[0, 1], normalization, None).pixels;
        let there = Renormalization::between(&from, &to).unwrap().apply(&pixels(&from));
        let off = there.iter().zip(pixels(&to)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-6, "{off}");
    }

    #[test]
    fn neither_order_nor_threads_matter() {
        let images = some_images([8, 8, 3], 500);
        let ascending: Vec<u32> = (0..500).collect();
        let descending: Vec<u32> = (0..500).rev().collect();
        let expected = Normalization::of(&images, &ascending);
        for threads in [1, 2, 4] {
            assert_eq!(on_threads(threads, || Normalization::of(&images, &descending)), expected);
        }
    }
}
