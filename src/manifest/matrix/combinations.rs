//! The combinations of values that a matrix stands for.

use super::{Axis, Coordinate};

/// More combinations than this are refused: their instances would not fit a plan that is made in seconds.
pub const MAXIMUM: usize = 10_000;

/// A set of axes, a bit each.
pub type AxisSet = u64;

/// The most axes: a bit each.
pub const MAXIMUM_AXES: usize = 64;

/// What the product of the axes becomes.
#[derive(Debug, Default)]
pub struct Changes {
    /// Axes that move together.
    pub zips: Vec<Vec<usize>>,
    /// Combinations that agree with one of these are taken away.
    pub excluded: Vec<Vec<Coordinate>>,
    /// Each adds the combinations that agree with it; axes that it leaves open take the values of their lists.
    pub included: Vec<Vec<Coordinate>>,
}

/// The combinations, each with a value for every axis, and which of the exclusions took something away. Later axes vary
/// faster. `listed` has the number of values that each axis has in its own list. `None` when there are too many.
pub fn combinations(listed: &[usize], changes: &Changes) -> Option<(Vec<Vec<usize>>, Vec<bool>)> {
    let mut used = vec![false; changes.excluded.len()];
    let mut all = product(listed, &[], &changes.zips)?;
    all.retain(|combination| {
        let mut kept = true;
        for (excluded, used) in changes.excluded.iter().zip(&mut used) {
            if excluded.iter().all(|(axis, value)| combination[*axis] == *value) {
                (*used, kept) = (true, false);
            }
        }
        kept
    });
    let mut seen: std::collections::HashSet<Vec<usize>> = all.iter().cloned().collect();
    for included in &changes.included {
        for combination in product(listed, included, &changes.zips)? {
            if seen.insert(combination.clone()) {
                all.push(combination);
            }
        }
    }
    (all.len() <= MAXIMUM).then_some((all, used))
}

/// All choices of values, with some of them given. Axes of one zip take the same place; a given one frees the others of
/// its zip from it.
fn product(listed: &[usize], given: &[Coordinate], zips: &[Vec<usize>]) -> Option<Vec<Vec<usize>>> {
    let is_given = |axis: usize| given.iter().any(|(other, _)| *other == axis);
    // The groups of axes that take one place together.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for axis in 0..listed.len() {
        let zip = zips.iter().find(|zip| zip.contains(&axis)).filter(|zip| !zip.iter().any(|other| is_given(*other)));
        match zip {
            _ if is_given(axis) => {}
            Some(zip) if zip[0] == axis => groups.push(zip.clone()),
            Some(_) => {}
            None => groups.push(vec![axis]),
        }
    }
    let sizes: Vec<usize> = groups.iter().map(|group| listed[group[0]]).collect();
    let count = sizes.iter().try_fold(1usize, |product, size| product.checked_mul(*size))?;
    if count > MAXIMUM {
        return None;
    }
    let mut all = Vec::with_capacity(count);
    for number in 0..count {
        let mut combination = vec![0; listed.len()];
        for (axis, value) in given {
            combination[*axis] = *value;
        }
        let mut rest = number;
        for (group, size) in groups.iter().zip(&sizes).rev() {
            for axis in group {
                combination[*axis] = rest % size;
            }
            rest /= size;
        }
        all.push(combination);
    }
    Some(all)
}

/// The values that a combination gives to some of the axes, in the order of the axes.
pub fn projection(combination: &[usize], axes: AxisSet) -> Vec<Coordinate> {
    let chosen = combination.iter().enumerate().filter(|(axis, _)| axes & (1 << axis) != 0);
    chosen.map(|(axis, value)| (axis, *value)).collect()
}

/// Whether values are one of the values of an axis: `axes[i].values[j]` by its label.
pub fn find(axes: &[Axis], axis: usize, label: &str) -> Option<usize> {
    axes[axis].values.iter().position(|value| value.label == label)
}
