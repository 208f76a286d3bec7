//! How many weights each layer loses, and which of them are ranked together.

use super::Target;
use crate::network::{Graph, ParameterSpec, Role, pattern};
use crate::prune::WeightScope;

/// Tensors whose weights are ranked together.
#[derive(Debug, PartialEq)]
pub(super) struct Pool {
    /// In the order of the graph.
    pub tensors: Vec<String>,
    /// How many weights are masked afterwards.
    pub gone: usize,
    /// Whether it is a layer with a sparsity of its own.
    pub apart: bool,
}

/// The pools of a network. `sparsity` says how much of a final sparsity is to be reached now.
pub(super) fn pools(graph: &Graph, target: &Target, sparsity: &dyn Fn(f64) -> f64) -> Vec<Pool> {
    let (apart, rest) = chosen(graph, target);
    let one = |spec: &ParameterSpec, gone: usize, apart| Pool { tensors: vec![spec.name.clone()], gone, apart };
    let count = |size: usize, share: f64| (share * size as f64).round() as usize;
    let mut pools: Vec<Pool> =
        apart.iter().map(|(spec, own)| one(spec, count(size(spec), sparsity(*own)), true)).collect();
    let share = sparsity(target.sparsity);
    match target.scope {
        WeightScope::Uniform => pools.extend(rest.iter().map(|spec| one(spec, count(size(spec), share), false))),
        WeightScope::Erk => {
            let densities =
                erdos_renyi_kernel(&rest.iter().map(|spec| &spec.dims[..]).collect::<Vec<_>>(), 1.0 - share);
            let gone = |(spec, density): (&ParameterSpec, f64)| one(spec, count(size(spec), 1.0 - density), false);
            pools.extend(rest.iter().zip(densities).map(gone));
        }
        WeightScope::Global | WeightScope::Lamp => {
            let all = rest.iter().map(size).sum();
            let tensors = rest.iter().map(|spec| spec.name.clone()).collect();
            pools.push(Pool { tensors, gone: count(all, share), apart: false });
        }
    }
    pools
}

/// The weight tensors that take part: those with a sparsity of their own, and the others.
fn chosen(graph: &Graph, target: &Target) -> (Vec<(ParameterSpec, f64)>, Vec<ParameterSpec>) {
    let (mut apart, mut rest) = (Vec::new(), Vec::new());
    for spec in graph.parameters().into_iter().filter(|spec| spec.role == Role::Weight) {
        let layer = spec.name.rsplit_once('.').map_or("", |(layer, _)| layer);
        if target.ignore.iter().any(|ignored| pattern::matches(ignored, layer)) {
            continue;
        }
        let matching = target.layers.iter().filter(|(own, _)| pattern::matches(own, layer));
        match matching.map(|(_, own)| *own).min_by(f64::total_cmp) {
            Some(own) => apart.push((spec, own)),
            None => rest.push(spec),
        }
    }
    (apart, rest)
}

fn size(spec: &ParameterSpec) -> usize {
    spec.dims.iter().product()
}

/// The density of each layer, so that all together have `density`: in proportion to (n_in + n_out + k_h + k_w) /
/// (n_in n_out k_h k_w) of a convolution and (n_in + n_out) / (n_in n_out) of a linear layer, at most 1, and what is above
/// that shared out among the others (Erdős-Rényi-Kernel, Evci 2020, as
/// the authors' `get_sparsities_erdos_renyi` has it). `shapes` are the weights' dimensions (O, I / groups, Kh, Kw) or (O, I).
pub(super) fn erdos_renyi_kernel(shapes: &[&[usize]], density: f64) -> Vec<f64> {
    let size = |shape: &[usize]| shape.iter().product::<usize>() as f64;
    let raw: Vec<f64> = shapes.iter().map(|shape| shape.iter().sum::<usize>() as f64 / size(shape)).collect();
    let budget = density * shapes.iter().map(|shape| size(shape)).sum::<f64>();
    let mut full = vec![false; shapes.len()];
    loop {
        let (whole, rest): (Vec<usize>, Vec<usize>) = (0..shapes.len()).partition(|layer| full[*layer]);
        let left = budget - whole.iter().map(|layer| size(shapes[*layer])).sum::<f64>();
        let weighted: f64 = rest.iter().map(|layer| raw[*layer] * size(shapes[*layer])).sum();
        let factor = if weighted > 0.0 { left / weighted } else { 0.0 };
        let over: Vec<usize> = rest.into_iter().filter(|layer| factor * raw[*layer] > 1.0).collect();
        if over.is_empty() {
            return (0..shapes.len()).map(|layer| if full[layer] { 1.0 } else { factor * raw[layer] }).collect();
        }
        over.into_iter().for_each(|layer| full[layer] = true);
    }
}

/// What would have no weight left, in words for a message, and at which sparsity; nothing when everything keeps some.
/// Where layers share the sparsity, one weight in each stays, so only the network as a whole can be asked to lose all; with
/// a `minimum` nothing can.
pub fn emptied(graph: &Graph, target: &Target) -> Option<(String, f64)> {
    if target.minimum > 0.0 {
        return None;
    }
    let all_go = |size: usize, sparsity: f64| size > 0 && (sparsity * size as f64).round() as usize >= size;
    let (mut apart, rest) = chosen(graph, target);
    let total = rest.iter().map(size).sum();
    if target.scope == WeightScope::Uniform {
        apart.extend(rest.into_iter().map(|spec| (spec, target.sparsity)));
    } else if all_go(total, target.sparsity) {
        return Some(("the network".to_owned(), target.sparsity));
    }
    let layer = apart.into_iter().find(|(spec, sparsity)| all_go(size(spec), *sparsity));
    layer.map(|(spec, sparsity)| (format!("`{}`", spec.name), sparsity))
}
