//! Two images in one: mixup (Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018) and CutMix (Yun et al.,
//! 2019).
//!
//! Every image of a batch is mixed with another place of the same batch, drawn with λ by (seed, epoch, sample). With both
//! in a manifest each image gets one of them, with probability 1/2.

use rand::RngExt;
use rayon::prelude::*;

use super::Augmentation;
use crate::random::{self, generator};

/// What a batch was mixed with, image by image.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// The class of the second image.
    pub labels: Vec<u32>,
    /// How much of the second image there is, 0 to 1; the rest is of the first.
    pub shares: Vec<f32>,
}

/// How one image is mixed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Plan {
    /// The share of the second image.
    Blend(f32),
    /// The second image's rectangle: rows and columns from (included) and to (excluded).
    Paste { rows: (usize, usize), columns: (usize, usize) },
}

/// Mixes normalised, augmented images (`samples.len()`, height, width, channels), if `augmentations` say so.
///
/// `samples` are the images' indices in their set, `labels` their classes. What was in `pixels` is in `unmixed` afterwards;
/// the memory of both is used again.
pub fn mix(
    pixels: &mut Vec<f32>,
    unmixed: &mut Vec<f32>,
    samples: &[u32],
    labels: &[u32],
    [height, width, channels]: [usize; 3],
    augmentations: &[Augmentation],
    (seed, epoch): (u64, u64),
) -> Option<Mix> {
    let kinds: Vec<Augmentation> = augmentations
        .iter()
        .filter(|augmentation| matches!(augmentation, Augmentation::Mixup { .. } | Augmentation::Cutmix { .. }))
        .copied()
        .collect();
    if kinds.is_empty() || samples.is_empty() {
        return None;
    }
    let plans: Vec<(usize, Plan)> =
        samples.iter().map(|sample| draw(&kinds, samples.len(), (height, width), seed, epoch, *sample)).collect();
    let size = height * width * channels;
    std::mem::swap(pixels, unmixed);
    pixels.resize(unmixed.len(), 0.0);
    let image = |index: usize| &unmixed[index * size..][..size];
    pixels.par_chunks_exact_mut(size).zip(&plans).enumerate().for_each(|(index, (target, (partner, plan)))| {
        let second = image(*partner);
        target.copy_from_slice(image(index));
        match *plan {
            Plan::Blend(share) => {
                target.iter_mut().zip(second).for_each(|(first, second)| {
                    *first = (1.0 - share) * *first + share * second;
                });
            }
            Plan::Paste { rows, columns } => {
                for row in rows.0..rows.1 {
                    let span = (row * width + columns.0) * channels..(row * width + columns.1) * channels;
                    target[span.clone()].copy_from_slice(&second[span]);
                }
            }
        }
    });
    let share = |plan: &Plan| match *plan {
        Plan::Blend(share) => share,
        Plan::Paste { rows, columns } => ((rows.1 - rows.0) * (columns.1 - columns.0)) as f32 / (height * width) as f32,
    };
    Some(Mix {
        labels: plans.iter().map(|(partner, _)| labels[*partner]).collect(),
        shares: plans.iter().map(|(_, plan)| share(plan)).collect(),
    })
}

/// The partner's place in a batch of `batch` images, and what is done with it.
fn draw(
    kinds: &[Augmentation],
    batch: usize,
    (height, width): (usize, usize),
    seed: u64,
    epoch: u64,
    sample: u32,
) -> (usize, Plan) {
    let mut generator = generator(seed, "mix", epoch, u64::from(sample));
    let kind = kinds[generator.random_range(0..kinds.len() as u32) as usize];
    let partner = generator.random_range(0..batch as u64) as usize;
    let mut second = |alpha: f64| {
        let first = random::beta(alpha, &mut generator);
        // Where α is so small that λ is 0 or 1 but for rounding, it can come out as no number.
        if (0.0..=1.0).contains(&first) { 1.0 - first } else { 0.0 }
    };
    let plan = match kind {
        Augmentation::Cutmix { alpha } => {
            let side = second(alpha).sqrt();
            let mut range = |size: usize| {
                let length = (size as f64 * side) as usize;
                let middle = generator.random_range(0..size as u64) as usize;
                let from = middle.saturating_sub(length / 2);
                (from, (middle + length - length / 2).min(size).max(from))
            };
            Plan::Paste { rows: range(height), columns: range(width) }
        }
        Augmentation::Mixup { alpha } => Plan::Blend(second(alpha) as f32),
        _ => unreachable!("only these two mix"),
    };
    (partner, plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::on_threads;

    const SHAPE: [usize; 3] = [4, 6, 1];

    /// A batch of `count` images, each filled with its index; labels are ten times the index.
    fn mixed(augmentations: &[Augmentation], count: u32, seed: u64, epoch: u64) -> (Vec<f32>, Mix) {
        let samples: Vec<u32> = (0..count).collect();
        let labels: Vec<u32> = samples.iter().map(|sample| sample * 10).collect();
        let mut pixels: Vec<f32> = samples.iter().flat_map(|sample| [*sample as f32; 24]).collect();
        let mix = mix(&mut pixels, &mut Vec::new(), &samples, &labels, SHAPE, augmentations, (seed, epoch)).unwrap();
        (pixels, mix)
    }

    #[test]
    fn mixup_adds_images_as_it_adds_labels() {
        let (pixels, mix) = mixed(&[Augmentation::Mixup { alpha: 1.0 }], 64, 1, 2);
        for (index, image) in pixels.chunks(24).enumerate() {
            let (second, share) = (mix.labels[index] as f32 / 10.0, mix.shares[index]);
            let expected = (1.0 - share) * index as f32 + share * second;
            assert!((0.0..=1.0).contains(&share) && image.iter().all(|value| *value == expected));
        }
        assert!(mix.labels.iter().enumerate().any(|(index, label)| *label != 10 * index as u32));
    }

    #[test]
    fn cutmix_shares_labels_by_the_area_of_a_rectangle() {
        let (pixels, mix) = mixed(&[Augmentation::Cutmix { alpha: 1.0 }], 64, 1, 2);
        let mut partial = 0;
        for (index, image) in pixels.chunks(24).enumerate() {
            let (first, second) = (index as f32, mix.labels[index] as f32 / 10.0);
            assert!(image.iter().all(|value| *value == first || *value == second));
            let places: Vec<usize> = (0..24).filter(|place| image[*place] == second).collect();
            if first == second {
                continue;
            }
            assert_eq!(mix.shares[index], places.len() as f32 / 24.0);
            // A rectangle: as many as its extent.
            let extent = |part: &dyn Fn(&usize) -> usize| {
                let parts = || places.iter().map(part);
                parts().max().map_or(0, |last| last - parts().min().unwrap_or(0) + 1)
            };
            assert_eq!(extent(&|place| place / 6) * extent(&|place| place % 6), places.len());
            partial += usize::from((1..24).contains(&places.len()));
        }
        assert!(partial > 30, "{partial}");
    }

    #[test]
    fn shares_have_the_moments_of_the_beta_distribution() {
        // Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)).
        for alpha in [0.2, 1.0, 5.0] {
            let shares: Vec<f64> = (0..4_000)
                .map(|sample| match draw(&[Augmentation::Mixup { alpha }], 2, (4, 4), 1, 1, sample).1 {
                    Plan::Blend(share) => f64::from(share),
                    other => panic!("{other:?}"),
                })
                .collect();
            let mean = shares.iter().sum::<f64>() / 4e3;
            let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / 4e3;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.04 && (variance / expected - 1.0).abs() < 0.1, "{alpha}: {mean} {variance}");
        }
        for alpha in [1e-300, 1e-5, 100.0] {
            for sample in 0..200 {
                let (_, plan) = draw(&[Augmentation::Mixup { alpha }], 2, (4, 4), 1, 1, sample);
                assert!(matches!(plan, Plan::Blend(share) if (0.0..=1.0).contains(&share)), "{alpha}: {plan:?}");
            }
        }
    }

    #[test]
    fn both_kinds_take_turns_by_chance() {
        let both = [Augmentation::Mixup { alpha: 1.0 }, Augmentation::Cutmix { alpha: 1.0 }];
        let blends = (0..2_000).filter(|sample| matches!(draw(&both, 8, (4, 4), 3, 1, *sample).1, Plan::Blend(_)));
        assert!(blends.count().abs_diff(1_000) < 112);
        let partners: std::collections::BTreeSet<usize> =
            (0..200).map(|sample| draw(&both, 8, (4, 4), 3, 1, sample).0).collect();
        assert!(partners.into_iter().eq(0..8));
    }

    #[test]
    fn threads_do_not_matter_and_seed_and_epoch_do() {
        let both = [Augmentation::Mixup { alpha: 0.4 }, Augmentation::Cutmix { alpha: 1.0 }];
        let expected = mixed(&both, 50, 1, 2);
        for threads in [1, 2, 4] {
            assert_eq!(on_threads(threads, || mixed(&both, 50, 1, 2)), expected);
        }
        assert_ne!(mixed(&both, 50, 2, 2), expected);
        assert_ne!(mixed(&both, 50, 1, 3), expected);
        assert_eq!(mix(&mut vec![0.0; 24], &mut Vec::new(), &[0], &[0], SHAPE, &[Augmentation::Flip], (1, 2)), None);
    }
}
