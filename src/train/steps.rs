//! How an epoch's images are divided into steps: one function for the loop, schedules, estimates and checks.

use serde::{Deserialize, Serialize};

/// What becomes of the images that are no whole batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastBatch {
    /// All steps of an epoch have one size, at most `batch`, chosen so that few images are left out of it.
    Even,
    /// One more step takes them, as PyTorch's `DataLoader` does by default.
    Smaller,
    /// They are left out, as with PyTorch's `drop_last = True`.
    Drop,
}

impl LastBatch {
    /// Its words in a manifest.
    pub const WORDS: [(&str, Self); 3] =
        [("even", LastBatch::Even), ("smaller", LastBatch::Smaller), ("drop", LastBatch::Drop)];
}

/// The steps of an epoch. They take images in the epoch's order; those that are left out are the last of it, so that every
/// epoch leaves out others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// How many there are.
    pub count: u64,
    /// The images in each, but for a smaller last one.
    pub batch: u64,
    /// The images in the last one, which none is smaller than.
    pub last: u64,
    /// The images that the epoch leaves out.
    pub left_out: u64,
}

impl Steps {
    /// Divides `images` into steps of at most `batch`. With n images and a batch of B, [`LastBatch::Even`] makes ⌊n/B⌋
    /// steps of B, or s = ⌈n/B⌉ steps of ⌊n/s⌋ where that leaves out fewer. Fewer than `batch` images are one step.
    ///
    /// # Panics
    /// If `batch` is 0.
    pub fn of(images: u64, batch: u64, last: LastBatch) -> Self {
        let batch = batch.min(images);
        if batch == 0 {
            return Self { count: 0, batch: 0, last: 0, left_out: 0 };
        }
        let equal = |count: u64, batch: u64| Self { count, batch, last: batch, left_out: images - count * batch };
        let (whole, rounded_up) = (images / batch, images.div_ceil(batch));
        let dropped = equal(whole, batch);
        match last {
            LastBatch::Drop => dropped,
            LastBatch::Smaller => {
                Self { count: rounded_up, batch, last: images - (rounded_up - 1) * batch, left_out: 0 }
            }
            LastBatch::Even => {
                let divided = equal(rounded_up, images / rounded_up);
                if divided.left_out < dropped.left_out { divided } else { dropped }
            }
        }
    }

    /// The images that an epoch trains on.
    pub fn images(&self) -> u64 {
        match self.count {
            0 => 0,
            count => (count - 1) * self.batch + self.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps, images in each, images in the last, images left out.
    fn of(images: u64, batch: u64, last: LastBatch) -> [u64; 4] {
        let Steps { count, batch, last, left_out } = Steps::of(images, batch, last);
        [count, batch, last, left_out]
    }

    #[test]
    fn even_steps_by_hand() {
        let even = |images, batch| of(images, batch, LastBatch::Even);
        assert_eq!(even(640, 128), [5, 128, 128, 0]);
        assert_eq!(even(642, 128), [6, 107, 107, 0], "fewer are left out of six");
        assert_eq!(even(643, 128), [6, 107, 107, 1]);
        assert_eq!(even(641, 128), [5, 128, 128, 1], "six would leave out five");
        assert_eq!(even(65, 64), [1, 64, 64, 1], "two would leave out as many");
        assert_eq!(even(127, 64), [2, 63, 63, 1]);
        assert_eq!(even(1350, 64), [21, 64, 64, 6]);
        assert_eq!(even(7, 2), [3, 2, 2, 1], "never a step of one");
        assert_eq!(even(3, 2), [1, 2, 2, 1]);
        assert_eq!(even(10, 64), [1, 10, 10, 0]);
        assert_eq!(even(1, 1), [1, 1, 1, 0]);
        assert_eq!(even(0, 64), [0; 4]);
    }

    #[test]
    fn what_pytorch_does() {
        assert_eq!(of(642, 128, LastBatch::Smaller), [6, 128, 2, 0]);
        assert_eq!(of(640, 128, LastBatch::Smaller), [5, 128, 128, 0]);
        assert_eq!(of(642, 128, LastBatch::Drop), [5, 128, 128, 2]);
        for last in [LastBatch::Smaller, LastBatch::Drop] {
            assert_eq!(of(10, 64, last), [1, 10, 10, 0]);
            assert_eq!(of(0, 64, last), [0; 4]);
        }
    }

    #[test]
    fn every_image_is_in_a_step_or_left_out() {
        for batch in 1..40 {
            for images in 1..400 {
                for (_, last) in LastBatch::WORDS {
                    let steps = Steps::of(images, batch, last);
                    assert_eq!(steps.images() + steps.left_out, images);
                    assert!((1..=batch).contains(&steps.batch) && (1..=steps.batch).contains(&steps.last));
                }
                let even = Steps::of(images, batch, LastBatch::Even);
                assert!(even.left_out <= even.count && even.left_out < batch, "{images} in {batch}: {even:?}");
                assert!(even.left_out <= Steps::of(images, batch, LastBatch::Drop).left_out);
                assert!(even.batch >= 2 || batch == 1 || images == 1, "{images} in {batch}: {even:?}");
                assert!(2 * even.batch >= batch.min(images), "no step is less than half a batch");
            }
        }
    }
}
