//! Masking single weights. Norms and biases are never masked.

use rand::RngExt;

use super::{Criterion, WeightScope};
use crate::network::{Model, Role};
use crate::random;

/// Sets the share `sparsity` of weights to zero and masks them. Weights that were masked before count as the first to go.
pub fn mask(model: &mut Model, criterion: Criterion, sparsity: f64, scope: WeightScope, seed: u64) {
    let names: Vec<String> =
        model.graph.parameters().into_iter().filter(|spec| spec.role == Role::Weight).map(|spec| spec.name).collect();
    // (score, tensor, index): ties go to the earlier weight, so the choice is the same everywhere.
    let mut scored: Vec<Vec<(f32, usize, usize)>> = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let mut generator = random::generator(seed, &format!("prune {name}"), 0, 0);
        let masked = model.masks.get(name);
        let score = |(index, weight): (usize, &f32)| {
            let score = match criterion {
                Criterion::Random => generator.random::<f32>(),
                _ => weight.abs(),
            };
            let gone = masked.is_some_and(|mask| !mask[index]);
            (if gone { -1.0 } else { score }, number, index)
        };
        scored.push(model.tensors[name].data.iter().enumerate().map(score).collect());
    }
    if scope == WeightScope::Global {
        scored = vec![scored.into_iter().flatten().collect()];
    }
    for name in &names {
        let length = model.tensors[name].data.len();
        model.masks.entry(name.clone()).or_insert_with(|| vec![true; length]);
    }
    for mut group in scored {
        group.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        // What was masked before stays so, even where that is more than is asked for now.
        let masked = group.iter().filter(|(score, ..)| *score < 0.0).count();
        let gone = ((sparsity * group.len() as f64).round() as usize).max(masked);
        for (_, tensor, index) in &group[..gone] {
            let name = &names[*tensor];
            model.masks.get_mut(name).expect("just made")[*index] = false;
            model.tensors.get_mut(name).expect("a parameter of the graph").data[*index] = 0.0;
        }
    }
}
