//! Splitting a training set into training and validation images, class by class.

use rand::seq::SliceRandom;

use crate::random::generator;

/// The two sides of a split, as ascending indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What is trained on.
    pub train: Vec<u32>,
    /// What choices are made on.
    pub validation: Vec<u32>,
}

/// Draws `fraction` of each class for validation, by `seed`.
///
/// Validation gets `fraction` x the number of labels in all, rounded (half up). Each class gives its exact share rounded
/// down, and those with the largest remainders give one more until the total is right (Hamilton's method; the lower
/// class first where remainders are equal). A fraction outside 0 to 1 counts as the nearer of the two.
///
/// # Panics
/// If a label is not below `classes`, or there are more than 2^32 labels.
pub fn split(labels: &[u32], classes: usize, fraction: f64, seed: u64) -> Split {
    let fraction = fraction.clamp(0.0, 1.0);
    let mut members = vec![Vec::new(); classes];
    for (index, &label) in labels.iter().enumerate() {
        members[label as usize].push(u32::try_from(index).expect("at most 2^32 labels"));
    }
    let sizes: Vec<usize> = members.iter().map(Vec::len).collect();
    let mut result = Split { train: Vec::new(), validation: Vec::new() };
    for ((class, mut members), share) in (0..).zip(members).zip(shares(&sizes, fraction)) {
        members.shuffle(&mut generator(seed, "validation split", 0, class));
        result.validation.extend(&members[..share]);
        result.train.extend(&members[share..]);
    }
    result.train.sort_unstable();
    result.validation.sort_unstable();
    result
}

/// How many of each class go to validation.
fn shares(sizes: &[usize], fraction: f64) -> Vec<usize> {
    let exact = |class: usize| sizes[class] as f64 * fraction;
    let mut shares: Vec<usize> = (0..sizes.len()).map(|class| exact(class) as usize).collect();
    let total = (sizes.iter().sum::<usize>() as f64 * fraction).round() as usize;
    let missing = total.saturating_sub(shares.iter().sum());
    let mut by_remainder: Vec<usize> = (0..sizes.len()).filter(|&class| shares[class] < sizes[class]).collect();
    by_remainder.sort_by(|&left, &right| exact(right).fract().total_cmp(&exact(left).fract()));
    by_remainder.iter().take(missing).for_each(|&class| shares[class] += 1);
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_split_is_a_stratified_partition(
            labels in prop::collection::vec(0_u32..7, 0..300),
            fraction in prop_oneof![Just(0.0), Just(0.5), Just(1.0), 0.0..1.0],
            seed: u64,
        ) {
            let Split { train, validation } = split(&labels, 7, fraction, seed);
            prop_assert!(train.is_sorted() && validation.is_sorted());
            let mut all = [train.clone(), validation.clone()].concat();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..labels.len() as u32));
            prop_assert_eq!(validation.len(), (labels.len() as f64 * fraction).round() as usize);
            for class in 0..7 {
                let count = |indices: &[u32]| indices.iter().filter(|&&index| labels[index as usize] == class).count();
                let exact = (count(&train) + count(&validation)) as f64 * fraction;
                prop_assert!((count(&validation) as f64 - exact).abs() < 1.0);
            }
            prop_assert_eq!(Split { train, validation }, split(&labels, 7, fraction, seed));
        }
    }

    #[test]
    fn the_largest_remainders_are_rounded_up() {
        // 30 % of 11, 8, 12 and 0 is 3.3, 2.4, 3.6 and 0: 9.3 in all.
        assert_eq!(shares(&[11, 8, 12, 0], 0.3), [3, 2, 4, 0]);
        // 2.5 each of five is 12.5, rounded to 13: the lowest classes give one more.
        assert_eq!(shares(&[5; 5], 0.5), [3, 3, 3, 2, 2]);
    }

    #[test]
    fn the_seed_decides_who_and_the_fraction_how_many() {
        let labels: Vec<u32> = (0..100).map(|index| index % 10).collect();
        assert_ne!(split(&labels, 10, 0.3, 1), split(&labels, 10, 0.3, 2));
        assert!(split(&labels, 10, 0.0, 1).validation.is_empty());
        assert!(split(&labels, 10, -1.0, 1).validation.is_empty());
        assert!(split(&labels, 10, 7.0, 1).train.is_empty());
        assert!(split(&labels, 10, f64::NAN, 1).validation.is_empty());
    }

    #[test]
    fn a_split_stays_what_it_was() {
        // A dependency that shuffles otherwise would change results under an unchanged key.
        let labels: Vec<u32> = (0..20).map(|index| index % 2).collect();
        insta::assert_debug_snapshot!(split(&labels, 2, 0.4, 7).validation, @r#"
        [
            1,
            4,
            5,
            6,
            9,
            10,
            16,
            19,
        ]
        "#);
    }
}
