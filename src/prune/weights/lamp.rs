//! Layer-adaptive magnitude pruning (Lee 2021): a weight's part of what its layer would have left without all smaller
//! ones. The scores of the largest weights are near 1 in every layer, so one threshold serves all.

/// sᵢ² / Σ_{k: s_k² ≥ sᵢ²} s_k² over the weights of one layer that are `kept`; 0 for the others. With sᵢ = |wᵢ| this is
/// the paper's; other scores are put in their place.
pub(super) fn scores(scores: &[f64], kept: impl Fn(usize) -> bool) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).filter(|index| kept(*index)).collect();
    let square = |index: usize| scores[index] * scores[index];
    order.sort_by(|a, b| square(*b).total_cmp(&square(*a)).then(a.cmp(b)));
    let mut lamp = vec![0.0; scores.len()];
    let mut sum = 0.0;
    for equals in order.chunk_by(|a, b| square(*a) == square(*b)) {
        sum += equals.iter().map(|index| square(*index)).sum::<f64>();
        for index in equals {
            // A layer of zeros only: nothing to tell them apart by.
            lamp[*index] = if sum > 0.0 { square(*index) / sum } else { 0.0 };
        }
    }
    lamp
}
