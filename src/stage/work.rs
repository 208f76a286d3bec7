//! How much a stage computes, in multiply-adds, from its graphs and its data: for estimates of time, never for a result.
//!
//! With F the multiply-adds of a network for one image, a step forward and backward counts 3 F an image. A stage that trains
//! also looks at the validation images after every epoch, and asks its teacher once for every training image, or in every
//! epoch where images are augmented. An evaluation looks at its images once and measures times. Everything else is little.

use super::{Parameters, Split};
use crate::data::{EVALUATION_BATCH, Outline};
use crate::train::parameters::{Loss, Training};

/// The multiply-adds of a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Before the first epoch, or of all that has none.
    pub once: u64,
    /// Of each epoch.
    pub epoch: u64,
    /// How many epochs there are.
    pub epochs: u64,
}

impl Work {
    /// With so many of the epochs.
    pub fn of(&self, epochs: u64) -> u64 {
        self.once.saturating_add(self.epoch.saturating_mul(epochs))
    }
}

/// How many images a stage has in each part of its data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Images {
    train: u64,
    validation: u64,
    test: u64,
}

impl Images {
    /// Of a set of which the share `validation` is split off, and at most `limit` training images are used.
    pub fn of(outline: &Outline, validation: f64, limit: Option<u64>) -> Self {
        let all = limit.unwrap_or(u64::MAX).min(outline.train as u64);
        let split_off = if outline.validation > 0 { 0 } else { (all as f64 * validation).round() as u64 };
        Self { train: all - split_off, validation: outline.validation as u64 + split_off, test: outline.test as u64 }
    }
}

/// What a stage computes. `macs` are the multiply-adds of a network for one image, by its role: `network` is the stage's own.
pub fn work(parameters: &Parameters, images: Images, macs: &dyn Fn(&str) -> u64) -> Work {
    let pass = EVALUATION_BATCH as u64;
    let trains = |training: &Training| {
        let networks = if training.losses.iter().any(|loss| matches!(loss, Loss::Mutual { .. })) { 2 } else { 1 };
        let steps = if images.train > 0 { training.steps(images.train).images() } else { 0 };
        let (own, taught) = (macs("network"), macs("teacher").saturating_mul(images.train));
        let (once, each) = if training.augment.is_empty() { (taught, 0) } else { (0, taught) };
        let own = own.saturating_mul(3 * networks * steps + images.validation);
        Work { once, epoch: own.saturating_add(each), epochs: training.epochs }
    };
    let once = |once: u64| Work { once, ..Work::default() };
    match parameters {
        Parameters::Train { training, .. }
        | Parameters::Distill { training, .. }
        | Parameters::Regularize { training }
        | Parameters::FineTune { training } => trains(training),
        Parameters::Prune { .. } => once(macs("network").saturating_mul(2 * pass)),
        Parameters::Evaluate { split, .. } => {
            let seen = match split {
                Split::Train => images.train,
                Split::Validation => images.validation,
                Split::Test => images.test,
            };
            // Times are measured over some batches.
            once(macs("models").saturating_mul(seen + 4 * pass.min(seen)))
        }
        Parameters::Import { .. } => Work::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_a_split() {
        let outline = |validation| Outline {
            shape: [2, 2, 1],
            classes: 2,
            class_names: vec!["a".into(), "b".into()],
            train: 100,
            validation,
            test: 30,
        };
        let images = |train, validation| Images { train, validation, test: 30 };
        assert_eq!(Images::of(&outline(0), 0.2, None), images(80, 20));
        assert_eq!(Images::of(&outline(0), 0.2, Some(50)), images(40, 10));
        assert_eq!(Images::of(&outline(25), 0.0, Some(50)), images(50, 25));
    }

    #[test]
    fn an_evaluation_counts_its_models() {
        let images = Images { train: 10, validation: 5, test: 1000 };
        let evaluate = Parameters::Evaluate { split: Split::Test, reference: None };
        let work = work(&evaluate, images, &|role| if role == "models" { 7 } else { 0 });
        assert_eq!(work, Work { once: 7 * (1000 + 4 * EVALUATION_BATCH.min(1000) as u64), epoch: 0, epochs: 0 });
        assert_eq!(Work { once: 1, epoch: 10, epochs: 3 }.of(2), 21);
    }
}
