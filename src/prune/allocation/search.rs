//! How many units go for the network to cost what it may.

use super::ledger::{Book, Ledger};
use super::rounding;
use crate::error::Result;
use crate::network::Graph;
use crate::prune::cost::{Costs, Measure};

/// How far from the goal is still on it, as a share of the goal.
const TOLERANCE: f64 = 0.02;

/// The most single steps after the search by halves.
const STEPS: usize = 200;

/// A search along an order in which units go.
pub struct Search<'a> {
    /// The units.
    pub book: &'a Book<'a>,
    /// For each group, whether single units of it may come and go.
    pub movable: Vec<bool>,
    /// The graph as it is now.
    pub graph: &'a Graph,
    /// The graph whose cost is the whole.
    pub before: &'a Graph,
    /// What is counted.
    pub measure: Measure,
    /// The share of the cost that is to stay.
    pub goal: f64,
}

/// What was found.
pub struct Found {
    /// Which units stay.
    pub ledger: Ledger,
    /// That the goal was not met.
    pub note: Option<String>,
    /// Layers that could not be rounded.
    pub failed: Vec<usize>,
}

struct Candidate {
    ledger: Ledger,
    costs: Costs,
    failed: Vec<usize>,
}

/// Units of one group that come or go together.
struct Step {
    group: usize,
    units: Vec<usize>,
    go: bool,
}

impl Step {
    fn count(&self, costs: &mut Costs, book: &Book) {
        for unit in &self.units {
            let change = if self.go { Costs::remove } else { Costs::restore };
            change(costs, &book.groups[self.group], *unit);
        }
    }
}

impl Search<'_> {
    /// Halves the number of units of `order` that go, on top of what is gone in `start`; then, if the nearest number is
    /// not near enough, single units (or as many as keep widths multiples) come or go, always the one that brings the
    /// cost nearest.
    ///
    /// # Errors
    /// When a graph is not sound.
    pub fn run(&self, start: &Ledger, order: &[(usize, usize)]) -> Result<Found> {
        let whole = Costs::of(self.before)?.total(self.measure) as f64;
        let costs = Costs::of(self.graph)?;
        let goal = self.goal * whole;
        let off = |candidate: &Candidate| (candidate.costs.total(self.measure) as f64 - goal).abs();
        // The fewest units whose absence costs no more than the goal.
        let (mut low, mut high) = (0, order.len());
        while low < high {
            let middle = (low + high) / 2;
            let candidate = self.after(start, &costs, &order[..middle]);
            if candidate.costs.total(self.measure) as f64 <= goal { high = middle } else { low = middle + 1 }
        }
        let mut best = self.after(start, &costs, &order[..low]);
        if low > 0 {
            let one_more = self.after(start, &costs, &order[..low - 1]);
            if off(&one_more) < off(&best) {
                best = one_more;
            }
        }
        for _ in 0..STEPS {
            if off(&best) <= TOLERANCE * goal {
                break;
            }
            let distance = |step: &Step| (self.cost_after(&best, step) - goal).abs();
            let steps = (0..self.book.groups.len()).filter(|group| self.movable[*group]);
            let steps = steps.flat_map(|group| [self.narrower(&best, group), self.wider(&best, group)]).flatten();
            let better = steps.min_by(|a, b| distance(a).total_cmp(&distance(b)));
            match better.filter(|better| distance(better) < off(&best)) {
                Some(better) => self.carry_out(&mut best, &better),
                None => break,
            }
        }
        let reached = best.costs.total(self.measure) as f64 / whole;
        let what = match self.measure {
            Measure::Macs => "MACs",
            Measure::Parameters => "parameters",
        };
        let missed = (reached - self.goal).abs() > TOLERANCE * self.goal;
        let note = missed.then(|| {
            format!(
                "{:.1} % of the {what} stay, not {:.1} %: the closest that was found",
                100.0 * reached,
                100.0 * self.goal
            )
        });
        // A single step may have found a multiple for a layer after all.
        let still = |layer: &usize| !best.ledger.widths[*layer].is_multiple_of(self.book.multiples[*layer]);
        let failed = best.failed.into_iter().filter(still).collect();
        Ok(Found { ledger: best.ledger, note, failed })
    }

    fn after(&self, start: &Ledger, costs: &Costs, gone: &[(usize, usize)]) -> Candidate {
        let mut ledger = start.clone();
        for (group, unit) in gone {
            ledger.remove(self.book, *group, *unit);
        }
        let failed = rounding::round(self.book, &mut ledger);
        let mut costs = costs.clone();
        for (group, keep) in ledger.keep.iter().enumerate() {
            for (unit, _) in keep.iter().enumerate().filter(|(_, kept)| !**kept) {
                costs.remove(&self.book.groups[group], unit);
            }
        }
        Candidate { ledger, costs, failed }
    }

    /// The units of a group that go next: the fewest that leave multiples; `None` when there are none.
    fn narrower(&self, from: &Candidate, group: usize) -> Option<Step> {
        let mut ledger = from.ledger.clone();
        let mut units = Vec::new();
        for unit in self.book.ranked[group].iter().copied() {
            if ledger.may_remove(self.book, group, unit) {
                ledger.remove(self.book, group, unit);
                units.push(unit);
                if self.is_aligned(&ledger, group) {
                    return Some(Step { group, units, go: true });
                }
            }
        }
        None
    }

    /// The units of a group that went last: the fewest that make multiples; `None` when there are none.
    fn wider(&self, from: &Candidate, group: usize) -> Option<Step> {
        let mut ledger = from.ledger.clone();
        let mut units = Vec::new();
        for unit in self.book.ranked[group].iter().rev().copied() {
            if !ledger.keep[group][unit] {
                ledger.restore(self.book, group, unit);
                units.push(unit);
                if self.is_aligned(&ledger, group) {
                    return Some(Step { group, units, go: false });
                }
            }
        }
        None
    }

    fn is_aligned(&self, ledger: &Ledger, group: usize) -> bool {
        self.book.made(group, 0).all(|(layer, _)| self.book.is_aligned(ledger, layer))
    }

    fn cost_after(&self, from: &Candidate, step: &Step) -> f64 {
        let mut costs = from.costs.clone();
        step.count(&mut costs, self.book);
        costs.total(self.measure) as f64
    }

    fn carry_out(&self, candidate: &mut Candidate, step: &Step) {
        step.count(&mut candidate.costs, self.book);
        for unit in &step.units {
            let change = if step.go { Ledger::remove } else { Ledger::restore };
            change(&mut candidate.ledger, self.book, step.group, *unit);
        }
    }
}
