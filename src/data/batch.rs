//! From the indices of an epoch to the contents of input tensors.

use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::augmentation::{self, Mix, Placement};
use super::{Augmentation, Images, Normalization};
use crate::random::generator;

/// Images in one forward pass when nothing is trained. A constant, so that what a network computes does not depend on
/// anybody's batch size.
pub const EVALUATION_BATCH: usize = 250;

/// The inputs and labels of one step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Shape (size, height, width, channels), normalised.
    pub pixels: Vec<f32>,
    /// The class of each image.
    pub labels: Vec<u32>,
    /// The number of images.
    pub size: usize,
    /// What each image was mixed with, if mixup or cutmix did.
    pub mix: Option<Mix>,
}

impl Batch {
    /// The class that most of image `index` is of: its own unless more than half of it is another's.
    ///
    /// # Panics
    /// If `index` is not below the size.
    pub fn dominant_label(&self, index: usize) -> u32 {
        match &self.mix {
            Some(mix) if mix.shares[index] > 0.5 => mix.labels[index],
            _ => self.labels[index],
        }
    }
}

/// The order in which one epoch visits `indices`: a permutation by (`seed`, `epoch`).
pub fn epoch_order(indices: &[u32], seed: u64, epoch: u64) -> Vec<u32> {
    let mut order = indices.to_vec();
    order.shuffle(&mut generator(seed, "epoch order", epoch, 0));
    order
}

/// Makes batches of one set's images: normalised, and augmented by (augmentations, seed, epoch) if given. What happens to
/// an image depends on nothing but that and its index, unless images are mixed: then also on which others are in the
/// batch.
pub struct Batches<'a> {
    images: &'a Images,
    /// For each channel, what each of the 256 bytes becomes.
    table: Vec<[f32; 256]>,
    augment: Option<(&'a [Augmentation], u64, u64)>,
}

/// The memory of one batch, which the next batch but one is made in.
#[derive(Default)]
struct Memory {
    batch: Batch,
    /// The pixels before they were mixed.
    unmixed: Vec<f32>,
}

impl<'a> Batches<'a> {
    /// Of `images`.
    ///
    /// # Panics
    /// If `normalization` has not one entry a channel.
    pub fn new(
        images: &'a Images,
        normalization: &Normalization,
        augment: Option<(&'a [Augmentation], u64, u64)>,
    ) -> Self {
        let table = table(normalization);
        assert_eq!(table.len(), images.shape[2], "one mean and deviation a channel");
        Self { images, table, augment }
    }

    /// Calls `work` with the batch of each run of `size` indices of `order`: which it is, from 0, its indices, and the
    /// images. Ends at the first error.
    ///
    /// The next batch is made while `work` is at this one, by whichever thread of the pool has nothing else to do: no
    /// thread is added that would take time from `work`, and a pool of one thread makes it afterwards. One batch is made
    /// ahead, and two have memory, which is used again.
    ///
    /// # Panics
    /// If an index is not below the number of images, or `size` is 0.
    pub fn ahead<E>(
        &self,
        order: &[u32],
        size: usize,
        mut work: impl FnMut(usize, &[u32], &Batch) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut memory, mut following) = (Memory::default(), Memory::default());
        let mut runs = order.chunks(size).enumerate().peekable();
        if let Some((_, indices)) = runs.peek() {
            self.fill(indices, &mut memory);
        }
        while let Some((step, indices)) = runs.next() {
            rayon::in_place_scope(|scope| {
                if let Some((_, indices)) = runs.peek() {
                    let following = &mut following;
                    scope.spawn(move |_| self.fill(indices, following));
                }
                work(step, indices, &memory.batch)
            })?;
            std::mem::swap(&mut memory, &mut following);
        }
        Ok(())
    }

    fn fill(&self, indices: &[u32], memory: &mut Memory) {
        let Memory { batch, unmixed } = memory;
        let [height, width, channels] = self.images.shape;
        let size = self.images.image_size();
        // Padding stays 0, which is the mean.
        batch.pixels.clear();
        batch.pixels.resize(indices.len() * size, 0.0);
        batch.pixels.par_chunks_exact_mut(size).zip(indices).for_each(|(target, &index)| {
            let placement = self.augment.map_or_else(Placement::default, |(augmentations, seed, epoch)| {
                Placement::draw(augmentations, (height, width), seed, epoch, index)
            });
            let image = self.images.image(index as usize);
            let image = match self.augment {
                Some((augmentations, seed, epoch)) => {
                    augmentation::apply(image, self.images.shape, augmentations, (seed, epoch, index))
                }
                None => image.into(),
            };
            for (place, pixel) in target.chunks_exact_mut(channels).enumerate() {
                if let Some((row, column)) = placement.origin((place / width, place % width), (height, width)) {
                    let bytes = &image[(row * width + column) * channels..][..channels];
                    for ((value, byte), table) in pixel.iter_mut().zip(bytes).zip(&self.table) {
                        *value = table[usize::from(*byte)];
                    }
                }
            }
        });
        batch.labels.clear();
        batch.labels.extend(indices.iter().map(|&index| self.images.labels[index as usize]));
        batch.size = indices.len();
        batch.mix = self.augment.and_then(|(augmentations, seed, epoch)| {
            let drawn = (seed, epoch);
            augmentation::mix(
                &mut batch.pixels,
                unmixed,
                indices,
                &batch.labels,
                self.images.shape,
                augmentations,
                drawn,
            )
        });
    }
}

/// The images at `indices`, in that order, as [`Batches`] makes them.
///
/// # Panics
/// If an index is not below the number of images, or `normalization` has not one entry a channel.
pub fn batch(
    images: &Images,
    indices: &[u32],
    normalization: &Normalization,
    augment: Option<(&[Augmentation], u64, u64)>,
) -> Batch {
    let mut memory = Memory::default();
    Batches::new(images, normalization, augment).fill(indices, &mut memory);
    memory.batch
}

/// For each channel, what each of the 256 bytes becomes.
fn table(normalization: &Normalization) -> Vec<[f32; 256]> {
    let channels = normalization.mean.iter().zip(&normalization.deviation);
    channels.map(|(mean, deviation)| std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / deviation)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::{on_threads, some_images};

    const IDENTITY: fn(usize) -> Normalization =
        |channels| Normalization { mean: vec![0.0; channels], deviation: vec![1.0 / 255.0; channels] };

    #[test]
    fn an_order_is_a_permutation_by_seed_and_epoch() {
        let indices: Vec<u32> = (0..50).map(|index| index * 3).collect();
        let order = epoch_order(&indices, 1, 2);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, indices);
        assert_eq!(order, epoch_order(&indices, 1, 2));
        for other in [indices.clone(), epoch_order(&indices, 2, 2), epoch_order(&indices, 1, 3)] {
            assert_ne!(order, other);
        }
        assert!(epoch_order(&[], 1, 2).is_empty());
    }

    #[test]
    fn an_order_stays_what_it_was() {
        // A dependency that shuffles otherwise would change results under an unchanged key.
        insta::assert_debug_snapshot!(epoch_order(&[0, 1, 2, 3, 4, 5, 6, 7], 7, 1), @r#"
        [
            3,
            4,
            0,
            2,
            5,
            7,
            1,
            6,
        ]
        "#);
    }

    #[test]
    fn pixels_are_normalised_channel_by_channel() {
        let images = Images { shape: [1, 2, 2], pixels: vec![9, 9, 9, 9, 51, 255, 0, 102].into(), labels: vec![4, 7] };
        let normalization = Normalization { mean: vec![0.2, 0.5], deviation: vec![0.1, 0.25] };
        let batch = batch(&images, &[1], &normalization, None);
        let expected = [0.0, 2.0, -2.0, -0.4_f32];
        assert!(batch.pixels.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6));
        assert_eq!((batch.pixels.len(), batch.labels, batch.size), (4, vec![7], 1));
    }

    #[test]
    fn crop_and_flip_by_hand() {
        use Augmentation::{Crop, Flip};
        // 1 2 3
        // 4 5 6
        let images = Images { shape: [2, 3, 1], pixels: vec![1, 2, 3, 4, 5, 6].into(), labels: vec![0] };
        let drawn = |augmentations: &[Augmentation]| -> std::collections::BTreeSet<Vec<u32>> {
            let pixels = |epoch| batch(&images, &[0], &IDENTITY(1), Some((augmentations, 3, epoch))).pixels;
            (0..400).map(|epoch| pixels(epoch).iter().map(|value| value.round() as u32).collect()).collect()
        };
        let cropped = [
            [0, 0, 0, 0, 1, 2], // from one up and one to the left
            [0, 0, 0, 1, 2, 3],
            [0, 0, 0, 2, 3, 0],
            [0, 1, 2, 0, 4, 5],
            [1, 2, 3, 4, 5, 6],
            [2, 3, 0, 5, 6, 0],
            [0, 4, 5, 0, 0, 0],
            [4, 5, 6, 0, 0, 0],
            [5, 6, 0, 0, 0, 0],
        ];
        let flipped = |[a, b, c, d, e, f]: [u32; 6]| vec![c, b, a, f, e, d];
        assert_eq!(drawn(&[Flip]), [vec![1, 2, 3, 4, 5, 6], vec![3, 2, 1, 6, 5, 4]].into());
        assert_eq!(drawn(&[Crop]), cropped.map(Vec::from).into());
        assert_eq!(
            drawn(&[Crop, Flip]),
            cropped.into_iter().flat_map(|image| [image.to_vec(), flipped(image)]).collect()
        );
    }

    #[test]
    fn an_image_is_the_same_in_any_batch_and_on_any_threads() {
        let images = some_images([8, 8, 3], 200);
        let normalization = Normalization::of(&images, &(0..200).collect::<Vec<_>>());
        let augmentations = [
            Augmentation::Crop,
            Augmentation::Flip,
            Augmentation::Cutout { size: None },
            Augmentation::TrivialAugment,
            Augmentation::RandAugment { operations: 2, magnitude: 9 },
        ];
        let augment = Some((&augmentations[..], 1, 2));
        let order = epoch_order(&(0..200).collect::<Vec<_>>(), 1, 2);
        let whole = batch(&images, &order, &normalization, augment);
        let single: Vec<f32> =
            order.iter().flat_map(|&index| batch(&images, &[index], &normalization, augment).pixels).collect();
        assert_eq!(whole.pixels, single);
        for threads in [1, 2, 4] {
            assert_eq!(on_threads(threads, || batch(&images, &order, &normalization, augment)), whole);
        }
        assert_ne!(whole, batch(&images, &order, &normalization, None));
        assert_eq!(batch(&images, &[], &normalization, augment).size, 0);
        assert_eq!(whole.mix, None);
    }

    #[test]
    fn batches_made_ahead_are_those_made_one_by_one() {
        let images = some_images([8, 8, 3], 70);
        let normalization = Normalization::of(&images, &(0..70).collect::<Vec<_>>());
        let augmentations = [Augmentation::Crop, Augmentation::Cutmix { alpha: 1.0 }];
        let order = epoch_order(&(0..70).collect::<Vec<_>>(), 1, 2);
        for augment in [None, Some((&augmentations[..], 1, 2))] {
            let expected: Vec<Batch> =
                order.chunks(16).map(|indices| batch(&images, indices, &normalization, augment)).collect();
            for threads in [1, 2, 4] {
                let made = on_threads(threads, || {
                    let mut made = Vec::new();
                    let keep = |step, indices: &[u32], batch: &Batch| {
                        assert_eq!((step, indices), (made.len(), order.chunks(16).nth(step).unwrap()));
                        made.push(batch.clone());
                        Ok::<(), ()>(())
                    };
                    Batches::new(&images, &normalization, augment).ahead(&order, 16, keep).unwrap();
                    made
                });
                assert_eq!(made, expected);
            }
        }
    }

    #[test]
    fn memory_is_used_again_and_an_error_ends_it() {
        let images = some_images([8, 8, 3], 70);
        let normalization = Normalization::of(&images, &[0]);
        let mixed = [Augmentation::Mixup { alpha: 1.0 }];
        let order: Vec<u32> = (0..70).collect();
        for augment in [None, Some((&mixed[..], 1, 2))] {
            let mut places = std::collections::BTreeSet::new();
            let result = Batches::new(&images, &normalization, augment).ahead(&order, 10, |step, _, batch| {
                places.insert(batch.pixels.as_ptr() as usize);
                if step == 5 { Err("enough") } else { Ok(()) }
            });
            assert_eq!(result, Err("enough"));
            // Mixing takes a second piece of memory a batch.
            assert!(places.len() <= if augment.is_some() { 4 } else { 2 }, "{places:?}");
        }
        let none = Batches::new(&images, &normalization, None).ahead(&[], 10, |_, _, _| Err("called"));
        assert_eq!(none, Ok(()));
    }

    #[test]
    fn mixed_images_are_mixed_after_everything_else() {
        let images = some_images([8, 8, 3], 60);
        let normalization = Normalization::of(&images, &(0..60).collect::<Vec<_>>());
        let order = epoch_order(&(0..60).collect::<Vec<_>>(), 1, 2);
        let plain = batch(&images, &order, &normalization, Some((&[Augmentation::Crop], 1, 2)));
        let mixed = [Augmentation::Mixup { alpha: 1.0 }, Augmentation::Crop];
        let mixed = batch(&images, &order, &normalization, Some((&mixed, 1, 2)));
        let mix = mixed.mix.as_ref().unwrap();
        assert_eq!(mixed.labels, plain.labels);
        for (index, image) in mixed.pixels.chunks(192).enumerate() {
            // Labels of `some_images` are indices.
            let partner = order.iter().position(|sample| *sample == mix.labels[index]).unwrap();
            let share = mix.shares[index];
            let own = plain.pixels[index * 192..].iter().zip(&plain.pixels[partner * 192..]);
            assert!(image.iter().zip(own).all(|(mixed, (a, b))| *mixed == (1.0 - share) * a + share * b));
            let dominant = if share > 0.5 { mix.labels[index] } else { order[index] };
            assert_eq!((mixed.dominant_label(index), plain.dominant_label(index)), (dominant, order[index]));
        }
        assert!(mix.shares.iter().any(|share| *share > 0.5) && mix.shares.iter().any(|share| *share < 0.5));
    }
}
