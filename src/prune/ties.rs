//! The order in which scored things go, with ties shared out over layers.

use std::collections::BTreeMap;

/// A score, the layer (or group) that it is in, and the index there.
pub type Scored = (f64, usize, usize);

/// How far apart two scores may be, as a share of the larger, and still be equal: sums that are equal in mathematics differ
/// by less in `f64`, and sums of different `f32` weights by more.
const TOLERANCE: f64 = 1e-12;

/// Sorts by score, the lowest first. Of equal scores every layer loses the same share at any point: the k-th of n equals in
/// a layer stands at (k + ½) / n of the way. Within a layer the earlier of equals goes first.
pub fn sort(scored: &mut [Scored]) {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    for equals in scored.chunk_by_mut(|a, b| are_equal(a.0, b.0)) {
        if equals.iter().all(|(_, layer, _)| *layer == equals[0].1) {
            continue;
        }
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        equals.iter().for_each(|(_, layer, _)| *counts.entry(*layer).or_default() += 1);
        let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
        let placed = equals.iter().map(|scored| {
            let rank = seen.entry(scored.1).or_default();
            *rank += 1;
            ((*rank as f64 - 0.5) / counts[&scored.1] as f64, *scored)
        });
        let mut placed: Vec<(f64, Scored)> = placed.collect();
        // Stable: what stands at the same place stays in the order of the layers.
        placed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.1.cmp(&b.1.1)));
        equals.iter_mut().zip(placed).for_each(|(slot, (_, scored))| *slot = scored);
    }
}

/// For neighbours of a sorted list, `a` the lower. What is masked already has a score of −∞, which no other is near.
fn are_equal(a: f64, b: f64) -> bool {
    a == b || (a.is_finite() && b - a <= TOLERANCE * a.abs().max(b.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(scores: &[&[f64]]) -> Vec<(usize, usize)> {
        let of = |(layer, scores): (usize, &&[f64])| -> Vec<Scored> {
            scores.iter().enumerate().map(|(index, score)| (*score, layer, index)).collect()
        };
        let mut scored: Vec<Scored> = scores.iter().enumerate().flat_map(of).collect();
        sort(&mut scored);
        scored.into_iter().map(|(_, layer, index)| (layer, index)).collect()
    }

    #[test]
    fn equals_are_shared_out_and_others_keep_their_order() {
        assert_eq!(order(&[&[3.0, 1.0], &[2.0, 0.0]]), [(1, 1), (0, 1), (1, 0), (0, 0)]);
        assert_eq!(order(&[&[1.0; 2], &[1.0; 4]]), [(1, 0), (0, 0), (1, 1), (1, 2), (0, 1), (1, 3)]);
        // The tie is in the middle, and one layer has more of it.
        assert_eq!(order(&[&[5.0, 5.0, 9.0], &[1.0, 5.0]]), [(1, 0), (0, 0), (1, 1), (0, 1), (0, 2)]);
        // What is masked already stays before everything else, wherever it is.
        let masked = f64::NEG_INFINITY;
        assert_eq!(order(&[&[masked; 2], &[0.0, masked]]), [(0, 0), (1, 1), (0, 1), (1, 0)]);
        assert_eq!(order(&[&[masked; 4], &[7.0]])[4], (1, 0));
    }

    #[test]
    fn rounding_makes_no_order() {
        // Three tenths added are not 0.3.
        let sum = 0.1 + 0.1 + 0.1;
        assert!(sum != 0.3);
        assert_eq!(order(&[&[sum; 2], &[0.3; 2]]), [(0, 0), (1, 0), (0, 1), (1, 1)]);
        assert_eq!(order(&[&[1e-30, 1e-30 * (1.0 + 1e-9)], &[0.0, 1e-30]]).last(), Some(&(0, 1)));
    }
}
