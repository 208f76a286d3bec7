//! Whether a network has collapsed: whether its answers could as well be given without looking at the images.

use statrs::distribution::{Binomial, DiscreteCDF};

use crate::stage::evaluate::ModelMetrics;

/// How often a network that does not look may pass for one that does.
const LEVEL: f64 = 0.01;

/// The share of right answers that the best answer without looking gets: that of the largest class among the images.
/// `sizes` are the images of each class; results of earlier versions have none, and their classes are taken as even.
pub fn chance(metrics: &ModelMetrics, sizes: &[u64]) -> f64 {
    let images: u64 = sizes.iter().sum();
    match sizes.iter().max() {
        Some(largest) if images > 0 => *largest as f64 / images as f64,
        _ => 1.0 / metrics.per_class.len().max(1) as f64,
    }
}

/// Whether the network gives one answer to all `images`, or is right no more often than [`chance`] by a one-sided binomial
/// test at 1 %. Where images are of one class only, or so few that not even right answers throughout would pass the test,
/// nothing can be said by it. A network that diverged has collapsed.
pub fn has_collapsed(metrics: &ModelMetrics, images: u64, sizes: &[u64]) -> bool {
    if metrics.has_diverged() {
        return true;
    }
    let classes = metrics.per_class.iter().flatten().count();
    if classes < 2 {
        return false;
    }
    if metrics.answers == Some(1) {
        return true;
    }
    let chance = chance(metrics, sizes);
    at_least(images, images, chance) < LEVEL && at_least(metrics.right(images), images, chance) >= LEVEL
}

/// The probability of `right` or more successes of `trials`, each with probability `chance`.
fn at_least(right: u64, trials: u64, chance: f64) -> f64 {
    match (right.checked_sub(1), Binomial::new(chance, trials)) {
        (Some(below), Ok(binomial)) => binomial.sf(below),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(right: u64, sizes: &[u64], answers: Option<u64>) -> (ModelMetrics, u64) {
        let images: u64 = sizes.iter().sum();
        let metrics = ModelMetrics {
            top1: right as f64 / images as f64,
            top5: 1.0,
            loss: Some(0.0),
            per_class: sizes.iter().map(|size| (*size > 0).then_some(0.5)).collect(),
            parameters: 1,
            nonzeros: 1,
            macs: 1,
            bytes: 1,
            dense_bytes: None,
            masked: None,
            answers,
        };
        (metrics, images)
    }

    fn collapsed(right: u64, sizes: &[u64], answers: Option<u64>) -> bool {
        let (metrics, images) = metrics(right, sizes, answers);
        has_collapsed(&metrics, images, sizes)
    }

    #[test]
    fn tails_are_those_of_tables() {
        // Ten throws of a coin: 8 or more heads in 56 of 1024.
        assert!((at_least(8, 10, 0.5) - 56.0 / 1024.0).abs() < 1e-12);
        assert_eq!(at_least(0, 10, 0.5), 1.0);
    }

    #[test]
    fn chance_is_the_share_of_the_largest_class() {
        // Two even classes: 70.8 % of 800 is far beyond luck, 52 % is not.
        assert!(!collapsed(567, &[400, 400], Some(2)));
        assert!(collapsed(416, &[400, 400], Some(2)));
        // 200 of 208 are of one class.
        assert!(collapsed(200, &[200, 4, 4], Some(3)));
        assert!(!collapsed(207, &[200, 4, 4], Some(3)));
        // Three classes.
        assert!(!collapsed(60, &[40, 40, 40], Some(3)));
        assert!(collapsed(44, &[40, 40, 40], Some(3)));
    }

    #[test]
    fn one_answer_for_every_image_is_collapsed_whatever_its_accuracy() {
        assert!(collapsed(207, &[207, 1], Some(1)));
        assert!(!collapsed(208, &[208, 0], Some(1)), "no other answer would be right");
    }

    #[test]
    fn few_images_say_nothing() {
        assert!(!collapsed(4, &[2, 2], Some(2)));
        assert!(!collapsed(2, &[2, 2], Some(2)));
    }

    #[test]
    fn results_of_earlier_versions_have_even_classes() {
        let (metrics, images) = metrics(48, &[44, 45, 45, 45, 45, 45, 45, 45, 44, 44], None);
        assert!(has_collapsed(&metrics, images, &[]));
        assert_eq!(chance(&metrics, &[]), 0.1);
    }
}
