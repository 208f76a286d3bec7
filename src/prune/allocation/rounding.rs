//! Widths that are multiples of a number, which hardware computes faster.

use super::ledger::{Book, Ledger};

/// What widths are to be multiples of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounding {
    /// Widths are multiples of this.
    pub multiple: usize,
    /// Layers narrower than this are left alone: any number of their channels may stay.
    pub from: usize,
}

impl Rounding {
    /// What holds when a manifest says nothing. Convolutions of fewer than 16 channels are cheap however they are computed,
    /// and a multiple of 4 is coarse for them.
    pub const DEFAULT: Self = Self { multiple: 4, from: 16 };

    /// What a manifest asks for: `round-to`, if it is given.
    pub fn of(round_to: Option<u64>) -> Self {
        round_to.map_or(Self::DEFAULT, |multiple| Self { multiple: multiple as usize, from: 0 })
    }

    /// What the width of a layer that had `width` channels before any pruning is to be a multiple of.
    pub fn multiple_of(self, width: usize) -> usize {
        if width < self.from { 1 } else { self.multiple }
    }

    /// Whether a layer of `width` channels is so narrow that no multiple is left of it; it has to stay whole.
    pub fn keeps_whole(self, width: usize) -> bool {
        width < self.multiple_of(width)
    }
}

/// Brings the channels of every layer that loses some to the nearest multiple that the book asks for; of two that are
/// equally near, to the larger. Returns the layers for which that was not possible; these lose nothing.
///
/// A layer that loses nothing is left alone. Layers are taken in the order of the graph, and groups that an earlier layer
/// settled are not touched again: where several groups make up one layer (behind ResNet's shortcuts without parameters), the
/// layers before it decide over the groups they share. If the nearest multiple cannot be had, because channels may not go or
/// all are there already, the next nearest is tried; if none can be had, the layer stays whole, and it all begins again
/// without its groups.
pub fn round(book: &Book, ledger: &mut Ledger) -> Vec<usize> {
    let mut failed = Vec::new();
    let of_layer = groups_of_layers(book);
    let mut whole = vec![false; book.groups.len()];
    loop {
        let mut trial = ledger.clone();
        for group in (0..whole.len()).filter(|group| whole[*group]) {
            trial.fill(book, group);
        }
        let Some(layer) = round_all(book, &mut trial, &of_layer, &whole) else {
            *ledger = trial;
            return failed;
        };
        failed.push(layer);
        of_layer[layer].iter().for_each(|group| whole[*group] = true);
    }
}

/// For each layer the groups that make its channels.
fn groups_of_layers(book: &Book) -> Vec<Vec<usize>> {
    let mut of_layer: Vec<Vec<usize>> = vec![Vec::new(); book.widths.len()];
    for group in 0..book.groups.len() {
        for member in &book.makers[group] {
            of_layer[book.groups[group].members[*member].layer].push(group);
        }
    }
    of_layer
}

/// Rounds all layers; the groups that are `whole` stay so. The first layer for which that was not possible, if any of its
/// groups is not whole yet.
fn round_all(book: &Book, ledger: &mut Ledger, of_layer: &[Vec<usize>], whole: &[bool]) -> Option<usize> {
    let mut settled = whole.to_vec();
    for (layer, groups) in of_layer.iter().enumerate() {
        let (width, multiple) = (book.widths[layer], book.multiples[layer]);
        if multiple <= 1 {
            continue;
        }
        let free: Vec<usize> = groups.iter().copied().filter(|group| !settled[*group]).collect();
        groups.iter().for_each(|group| settled[*group] = true);
        let wanted = ledger.widths[layer];
        if book.is_aligned(ledger, layer) {
            continue;
        }
        let mut targets: Vec<usize> = (1..=width / multiple).map(|times| times * multiple).collect();
        targets.sort_by_key(|target| (target.abs_diff(wanted), width - target));
        let reached = targets.into_iter().any(|target| bring(book, ledger, layer, &free, target));
        if !reached && groups.iter().any(|group| !whole[*group]) {
            return Some(layer);
        }
    }
    None
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
