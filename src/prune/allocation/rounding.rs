//! Widths that are multiples of a number, which hardware computes faster.

use super::ledger::{Book, Ledger};

/// Brings the channels of every layer that loses some to the nearest multiple of `multiple`; of two that are equally
/// near, to the larger. Returns the layers for which that was not possible.
///
/// A layer that is narrower than `multiple` is left alone, and so is one that loses nothing. Layers are taken in the
/// order of the graph, and groups that an earlier layer settled are not touched again: where several groups make up one
/// layer (behind ResNet's shortcuts without parameters), the layers before it decide over the groups they share. If the
/// nearest multiple cannot be had, because channels may not go or all are there already, the next nearest is tried; if
/// none can be had, the layer stays as it was.
pub fn round(book: &Book, ledger: &mut Ledger, multiple: usize) -> Vec<usize> {
    let mut failed = Vec::new();
    if multiple <= 1 {
        return failed;
    }
    let mut of_layer: Vec<Vec<usize>> = vec![Vec::new(); book.widths.len()];
    for group in 0..book.groups.len() {
        for member in &book.makers[group] {
            of_layer[book.groups[group].members[*member].layer].push(group);
        }
    }
    let mut settled = vec![false; book.groups.len()];
    for (layer, groups) in of_layer.iter().enumerate() {
        let (width, wanted) = (book.widths[layer], ledger.widths[layer]);
        if width < multiple || groups.is_empty() {
            continue;
        }
        let free: Vec<usize> = groups.iter().copied().filter(|group| !settled[*group]).collect();
        groups.iter().for_each(|group| settled[*group] = true);
        if wanted == width || wanted.is_multiple_of(multiple) {
            continue;
        }
        let mut targets: Vec<usize> = (1..=width / multiple).map(|times| times * multiple).collect();
        targets.sort_by_key(|target| (target.abs_diff(wanted), width - target));
        if !targets.into_iter().any(|target| bring(book, ledger, layer, &free, target)) {
            failed.push(layer);
        }
    }
    failed
}

/// Brings `layer` to `target` channels by its `free` groups, or changes nothing. Whether it could.
fn bring(book: &Book, ledger: &mut Ledger, layer: usize, free: &[usize], target: usize) -> bool {
    let mut trial = ledger.clone();
    for group in free.iter().copied().filter(|group| book.open[*group]) {
        match trial.widths[layer] {
            width if width > target => trial.narrow(book, layer, group, width - target),
            width => trial.widen(book, layer, group, target - width),
        };
    }
    let reached = trial.widths[layer] == target;
    if reached {
        *ledger = trial;
    }
    reached
}
