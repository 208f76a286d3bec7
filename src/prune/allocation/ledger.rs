//! Which units stay so far, and how many channels that leaves in every layer: the guard that no layer is emptied.

use crate::network::{Graph, Op, Shape};
use crate::prune::groups::{Group, Member, Side};
use crate::prune::shrink::Keep;

/// What never changes while units are chosen.
pub struct Book<'a> {
    /// The groups of the graph as it is now.
    pub groups: &'a [Group],
    /// For each group its members that make channels, by index into its members.
    pub makers: Vec<Vec<usize>>,
    /// For each group its units, the first to go first.
    pub ranked: Vec<Vec<usize>>,
    /// For each group whether its units may go.
    pub open: Vec<bool>,
    /// For each layer, how many channels it makes now.
    pub widths: Vec<usize>,
    /// For each layer, how many channels it keeps at least.
    pub least: Vec<usize>,
    /// For each layer, what its number of channels is to be a multiple of.
    pub multiples: Vec<usize>,
}

impl<'a> Book<'a> {
    /// `least` and `multiple` are asked for every layer's index.
    pub fn new(
        graph: &Graph,
        shapes: &[Shape],
        groups: &'a [Group],
        scores: &[Vec<f64>],
        open: Vec<bool>,
        least: impl Fn(usize) -> usize,
        multiple: impl Fn(usize) -> usize,
    ) -> Self {
        let is_maker = |member: &Member| {
            let op = &graph.layers[member.layer].op;
            member.side == Side::Outputs && matches!(op, Op::Convolution { .. } | Op::Linear { .. })
        };
        let makers =
            |group: &Group| (0..group.members.len()).filter(|index| is_maker(&group.members[*index])).collect();
        let ranked = |scores: &Vec<f64>| {
            let mut units: Vec<usize> = (0..scores.len()).collect();
            // Ties go to the earlier unit, so the choice is the same everywhere.
            units.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(a.cmp(b)));
            units
        };
        Self {
            groups,
            makers: groups.iter().map(makers).collect(),
            ranked: scores.iter().map(ranked).collect(),
            open,
            widths: shapes.iter().map(Shape::channels).collect(),
            least: (0..shapes.len()).map(least).collect(),
            multiples: (0..shapes.len()).map(multiple).collect(),
        }
    }

    /// Whether a layer loses nothing, or is left with a multiple of what it is to be a multiple of.
    pub fn is_aligned(&self, ledger: &Ledger, layer: usize) -> bool {
        let width = ledger.widths[layer];
        width == self.widths[layer] || width.is_multiple_of(self.multiples[layer])
    }

    /// The layers that make a unit, each with its number of channels.
    pub fn made(&self, group: usize, unit: usize) -> impl Iterator<Item = (usize, usize)> {
        let members = &self.groups[group].members;
        self.makers[group].iter().map(move |member| (members[*member].layer, members[*member].channels[unit].len()))
    }

    /// Nothing has gone yet.
    pub fn ledger(&self) -> Ledger {
        let keep = self.groups.iter().map(|group| vec![true; group.units]).collect();
        Ledger { keep, widths: self.widths.clone() }
    }
}

/// The state of a choice.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// Which units stay.
    pub keep: Keep,
    /// For each layer, how many channels it is left with.
    pub widths: Vec<usize>,
}

impl Ledger {
    /// How many units are taken away.
    pub fn gone(&self) -> usize {
        self.keep.iter().flatten().filter(|kept| !**kept).count()
    }

    /// Whether a unit is there and every layer that makes it has enough without it.
    pub fn may_remove(&self, book: &Book, group: usize, unit: usize) -> bool {
        let enough = |(layer, channels): (usize, usize)| self.widths[layer] >= book.least[layer] + channels;
        self.keep[group][unit] && book.made(group, unit).all(enough)
    }

    /// Takes a unit away.
    pub fn remove(&mut self, book: &Book, group: usize, unit: usize) {
        self.keep[group][unit] = false;
        book.made(group, unit).for_each(|(layer, channels)| self.widths[layer] -= channels);
    }

    /// Puts a unit back.
    pub fn restore(&mut self, book: &Book, group: usize, unit: usize) {
        self.keep[group][unit] = true;
        book.made(group, unit).for_each(|(layer, channels)| self.widths[layer] += channels);
    }

    /// Puts all units of a group back.
    pub fn fill(&mut self, book: &Book, group: usize) {
        for unit in 0..self.keep[group].len() {
            if !self.keep[group][unit] {
                self.restore(book, group, unit);
            }
        }
    }

    /// Takes up to `channels` channels of `layer` away from a group, the first to go first. How many it took.
    pub fn narrow(&mut self, book: &Book, layer: usize, group: usize, channels: usize) -> usize {
        let mut left = channels;
        for unit in book.ranked[group].iter().copied() {
            let count = book.made(group, unit).find(|(made, _)| *made == layer).map_or(0, |(_, count)| count);
            if (1..=left).contains(&count) && self.may_remove(book, group, unit) {
                self.remove(book, group, unit);
                left -= count;
            }
        }
        channels - left
    }

    /// Gives up to `channels` channels of `layer` back to a group, the last to go first. How many it gave.
    pub fn widen(&mut self, book: &Book, layer: usize, group: usize, channels: usize) -> usize {
        let mut left = channels;
        for unit in book.ranked[group].iter().rev().copied() {
            let count = book.made(group, unit).find(|(made, _)| *made == layer).map_or(0, |(_, count)| count);
            if (1..=left).contains(&count) && !self.keep[group][unit] {
                self.restore(book, group, unit);
                left -= count;
            }
        }
        channels - left
    }
}
