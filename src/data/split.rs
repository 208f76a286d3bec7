//! Splitting a training set into training and validation images, class by class.

use std::collections::HashMap;

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
    let contents: Vec<u32> = (0..labels.len()).map(number).collect();
    split_by_content(labels, &contents, classes, fraction, seed)
}

/// As [`split`], with images of the same number in `contents` on the same side: an image that is drawn takes its copies with
/// it, whatever class they are of, and is left where they are too many for a class's share. The sizes stay those of
/// [`split`]: where what is left of a class are copies alone, and too many together, as many as are missing go without
/// the others.
///
/// # Panics
/// As [`split`], and if there are not as many `contents` as labels.
pub fn split_by_content(labels: &[u32], contents: &[u32], classes: usize, fraction: f64, seed: u64) -> Split {
    assert_eq!(labels.len(), contents.len(), "a number for each image");
    let fraction = fraction.clamp(0.0, 1.0);
    let mut members = vec![Vec::new(); classes];
    let mut copies: HashMap<u32, Vec<u32>> = HashMap::new();
    for (index, (&label, &content)) in labels.iter().zip(contents).enumerate() {
        members[label as usize].push(number(index));
        copies.entry(content).or_default().push(number(index));
    }
    let sizes: Vec<usize> = members.iter().map(Vec::len).collect();
    let mut left = shares(&sizes, fraction);
    for (class, members) in (0..).zip(&mut members) {
        members.shuffle(&mut generator(seed, "validation split", 0, class));
    }
    let class = |index: &u32| labels[*index as usize] as usize;
    let mut drawn = vec![false; labels.len()];
    for first in members.iter().flatten() {
        let Some(group) = copies.remove(&contents[*first as usize]) else { continue };
        let room = |index: &&u32| {
            let room = left[class(index)] > 0;
            left[class(index)] -= usize::from(room);
            room
        };
        let fitting = group.iter().take_while(room).count();
        if fitting == group.len() {
            group.iter().for_each(|index| drawn[*index as usize] = true);
        } else {
            group[..fitting].iter().for_each(|index| left[class(index)] += 1);
        }
    }
    for (members, missing) in members.iter().zip(left) {
        let mut rest: Vec<u32> = members.iter().copied().filter(|index| !drawn[*index as usize]).collect();
        // Copies beside each other, so that as few as possible are torn apart.
        rest.sort_by_key(|index| contents[*index as usize]);
        rest[..missing].iter().for_each(|index| drawn[*index as usize] = true);
    }
    let side = |wanted: bool| (0..labels.len()).filter(|index| drawn[*index] == wanted).map(number).collect();
    Split { train: side(false), validation: side(true) }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("at most 2^32 labels")
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
    use std::collections::HashSet;

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

        #[test]
        fn copies_are_on_one_side(
            images in prop::collection::vec((0_u32..4, 0_u32..60), 20..200),
            fraction in 0.05..0.6,
            seed: u64,
        ) {
            // Behind them as many that are like no other, so that every share can be met.
            let alone = (0..4 * images.len() as u32).map(|index| (index % 4, 1000 + index));
            let (labels, contents): (Vec<u32>, Vec<u32>) = images.iter().copied().chain(alone).unzip();
            let halves = split_by_content(&labels, &contents, 4, fraction, seed);
            let plain = split(&labels, 4, fraction, seed);
            let count = |indices: &[u32], class| indices.iter().filter(|i| labels[**i as usize] == class).count();
            for class in 0..4 {
                prop_assert_eq!(count(&halves.validation, class), count(&plain.validation, class));
            }
            let content = |index: &u32| contents[*index as usize];
            let trained: HashSet<u32> = halves.train.iter().map(content).collect();
            prop_assert!(halves.validation.iter().all(|index| !trained.contains(&content(index))));
        }
    }

    #[test]
    fn copies_are_torn_apart_where_the_share_cannot_be_met_else() {
        // Three pairs a class, and three images of each are to go.
        let labels = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1];
        let contents = [0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10];
        let halves = split_by_content(&labels, &contents, 2, 0.5, 5);
        assert_eq!(halves.validation.len(), 6);
        let content = |index: &u32| contents[*index as usize];
        let both = halves.validation.iter().filter(|index| halves.train.iter().any(|o| content(o) == content(index)));
        assert_eq!(both.count(), 2, "one a class");
        // All are one image.
        assert_eq!(split_by_content(&labels, &[7; 12], 2, 0.5, 5).validation.len(), 6);
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
