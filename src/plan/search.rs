//! What a search has to run next, and what it has found: a pure function of the results that are there, so that a search
//! goes on where it was, and a plan can say how far it is.
//!
//! A candidate that diverges, itself or in the network that is evaluated, and be it for one seed of several, has lost.
//! Other failures decide nothing: what is missing because of them is still to be run.
//!
//! Every value of the searched axis has its stages in the graph; the search decides which of them are wanted. Results
//! with different seeds are averaged, and every choice of the other axes is a search of its own.
//!
//! - `bisect` takes the values in their order, the mildest first, for ever less accurate ones, and looks for the last that
//!   keeps the reference's accuracy within a given drop: about log2(n) of n values are run.
//! - `halving` (Jamieson & Talwalkar 2016, "Non-stochastic Best Arm Identification and Hyperparameter Optimization") takes
//!   the values as rungs, such as numbers of epochs: all candidates run on the first, the best of them on the next, and so on.
//!   Epochs that a longer run has in common with a shorter one are not run again.

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::graph::StageGraph;
use crate::manifest::matrix::{Coordinate, template_of};
use crate::manifest::{Manifest, Search, Strategy};
use crate::stage::Parameters;
use crate::stage::evaluate::{Metrics, ModelMetrics};
use crate::store::{Record, Store};

/// How many right answers evaluations found. Counts, so that equal ones stay equal however they are added up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Of the searched model.
    pub right: u64,
    /// Of the reference, if the evaluations have one.
    pub right_of_reference: Option<u64>,
    /// How many images were looked at.
    pub images: u64,
}

impl Seen {
    /// The accuracy of the model.
    pub fn model(&self) -> f64 {
        self.right as f64 / self.images as f64
    }

    /// The accuracy of the reference.
    pub fn reference(&self) -> Option<f64> {
        self.right_of_reference.map(|right| right as f64 / self.images as f64)
    }
}

/// What is known of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// It has a result.
    Measured(Seen),
    /// It has none, because something that it needs diverged, or the result says that a network in it has.
    Diverged,
}

/// The stages that have no result because `diverged` have none: these, and all that need them.
pub fn without_result(graph: &StageGraph, diverged: &HashSet<usize>) -> HashSet<usize> {
    let mut all = HashSet::new();
    let mut next: Vec<usize> = diverged.iter().copied().collect();
    while let Some(stage) = next.pop() {
        if all.insert(stage) {
            next.extend(graph.consumers(stage));
        }
    }
    all
}

/// What the record of an evaluation says to the search; `None` of other stages, and when it cannot be read.
pub fn seen(manifest: &Manifest, stage: usize, record: &Record, store: &Store) -> Option<Outcome> {
    let search = manifest.search.as_ref()?;
    let stage = &manifest.stages[stage];
    let Parameters::Evaluate { reference, .. } = &stage.parameters else { return None };
    if stage.template != search.evaluate {
        return None;
    }
    let model = search.model.as_deref()?;
    let place = stage.inputs.values().position(|reference| template_of(&reference.stage) == model)?;
    let bytes = store.get(&record.outputs.get("metrics")?.digest).ok()??;
    let metrics: Metrics = serde_json::from_slice(&bytes).ok()?;
    let reference = reference.and_then(|reference| metrics.models.get(reference as usize));
    let model = metrics.models.get(place)?;
    if model.has_diverged() || reference.is_some_and(ModelMetrics::has_diverged) {
        return Some(Outcome::Diverged);
    }
    Some(Outcome::Measured(Seen {
        right: model.right(metrics.images),
        right_of_reference: reference.map(|reference| reference.right(metrics.images)),
        images: metrics.images,
    }))
}

/// What a search came to, as far as it is known.
#[derive(Debug, Default)]
pub struct Decision {
    /// Stages that a run has to have, with what they need.
    pub wanted: HashSet<usize>,
    /// Stages that may be wanted later.
    pub open: HashSet<usize>,
    /// One a choice of the other axes, in the order of the manifest.
    pub settings: Vec<Setting>,
}

/// The search in one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The other axes, each with its value.
    pub coordinates: Vec<Coordinate>,
    /// Values that were tried, or candidates on rungs, and how many there are.
    pub tried: usize,
    /// See `tried`.
    pub of: usize,
    /// How many of those that were tried diverged.
    pub diverged: usize,
    /// Whether nothing was found because every candidate that was left diverged.
    pub all_diverged: bool,
    /// What is found; `None` while it is not known.
    pub found: Option<Found>,
}

/// What a search found in one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The axes that were searched with their values; none when even the mildest value loses too much, or every candidate
    /// of a round diverged.
    pub coordinates: Vec<Coordinate>,
    /// Right answers at these, of all seeds.
    pub seen: Option<Seen>,
}

/// Stages of the searched evaluation in one setting: by candidate, then by value of the axis, those of all seeds.
type Members = IndexMap<Vec<Coordinate>, IndexMap<usize, Vec<usize>>>;

/// What is wanted of the stages that are asked for, given the results of evaluations; without a search, all of them.
pub fn decide(
    manifest: &Manifest,
    graph: &StageGraph,
    asked: &HashSet<usize>,
    seen: &dyn Fn(usize) -> Option<Outcome>,
) -> Decision {
    let mut decision = Decision::default();
    let Some(search) = &manifest.search else {
        decision.wanted = asked.clone();
        return decision;
    };
    let searched = search.axes();
    let is_searched = |stage: usize| manifest.stages[stage].coordinates.iter().any(|(axis, _)| searched.contains(axis));
    // What may still be found, with its setting.
    let mut possible: Vec<Vec<Coordinate>> = Vec::new();
    let (mut next, mut open) = (Vec::new(), Vec::new());
    for (coordinates, members) in settings(manifest, search, asked) {
        let mut state = State { seen, next: Vec::new(), open: Vec::new(), possible: Vec::new(), tried: 0, diverged: 0 };
        let found = match &search.strategy {
            Strategy::Bisect { drop } => bisect(search.axis, *drop, &members, &mut state),
            Strategy::Halving { keep, .. } => halving(search.axis, *keep, &members, &mut state),
        };
        let of = members.values().map(IndexMap::len).sum();
        next.extend(std::mem::take(&mut state.next));
        open.extend(std::mem::take(&mut state.open));
        possible
            .extend(std::mem::take(&mut state.possible).into_iter().map(|found| [coordinates.clone(), found].concat()));
        let State { tried, diverged, .. } = state;
        // Halving finds something if one of its candidates has a result.
        let nothing = found.as_ref().is_some_and(|found| found.coordinates.is_empty());
        let all_diverged = nothing && (diverged == tried || matches!(search.strategy, Strategy::Halving { .. }));
        decision.settings.push(Setting { coordinates, tried, of, diverged, all_diverged, found });
    }
    // What no search decides on is always wanted; what follows from a choice, once it is made.
    let follows =
        |stage: &usize| decision.settings.iter().any(|setting| setting.leads_to(&manifest.stages[*stage].coordinates));
    let all = (0..manifest.stages.len()).filter(|stage| asked.contains(stage));
    let mut targets: Vec<usize> = all.clone().filter(|stage| !is_searched(*stage)).collect();
    targets.extend(next);
    targets.extend(all.clone().filter(|stage| is_searched(*stage) && follows(stage)));
    decision.wanted = graph.needed(&targets).into_iter().collect();
    // Stages that lead to the searched evaluation are open by its own account; the others are what may follow.
    let may_follow = |stage: &usize| {
        let stage = &manifest.stages[*stage];
        stage.template != search.evaluate && possible.iter().any(|found| agree(found, &stage.coordinates))
    };
    open.extend(all.filter(|stage| is_searched(*stage) && may_follow(stage)));
    decision.open = graph.needed(&open).into_iter().filter(|stage| !decision.wanted.contains(stage)).collect();
    decision
}

impl Setting {
    /// Whether a stage with these coordinates follows from what was found.
    pub fn leads_to(&self, coordinates: &[Coordinate]) -> bool {
        let Some(found) = &self.found else { return false };
        !found.coordinates.is_empty() && agree(&self.coordinates, coordinates) && agree(&found.coordinates, coordinates)
    }
}

/// Whether no axis has different values in both.
fn agree(a: &[Coordinate], b: &[Coordinate]) -> bool {
    a.iter().all(|(axis, value)| b.iter().all(|(other, of_other)| other != axis || of_other == value))
}

/// The evaluations of each setting that are asked for.
fn settings(manifest: &Manifest, search: &Search, asked: &HashSet<usize>) -> IndexMap<Vec<Coordinate>, Members> {
    let over: &[usize] = match &search.strategy {
        Strategy::Halving { over, .. } => over,
        Strategy::Bisect { .. } => &[],
    };
    let mut settings: IndexMap<Vec<Coordinate>, Members> = IndexMap::new();
    let looks_at = |index: &usize| asked.contains(index) && manifest.stages[*index].template == search.evaluate;
    for index in (0..manifest.stages.len()).filter(looks_at) {
        let stage = &manifest.stages[index];
        let Some((_, value)) = stage.coordinates.iter().find(|(axis, _)| *axis == search.axis) else { continue };
        let others = || stage.coordinates.iter().filter(|(axis, _)| *axis != search.axis).copied();
        let candidate: Vec<Coordinate> = others().filter(|(axis, _)| over.contains(axis)).collect();
        let is_setting = |(axis, _): &Coordinate| !over.contains(axis) && !manifest.axes[*axis].is_seed();
        let members = settings.entry(others().filter(is_setting).collect()).or_default();
        members.entry(candidate).or_default().entry(*value).or_default().push(index);
    }
    settings
}

/// A search under way.
struct State<'a> {
    seen: &'a dyn Fn(usize) -> Option<Outcome>,
    /// Evaluations that are wanted.
    next: Vec<usize>,
    /// Evaluations that may be wanted later.
    open: Vec<usize>,
    /// What may be found.
    possible: Vec<Vec<Coordinate>>,
    tried: usize,
    diverged: usize,
}

impl State<'_> {
    /// All seeds of one value together; `None`, with what is missing noted as next, when one is missing.
    fn together(&mut self, stages: &[usize]) -> Option<Outcome> {
        self.tried += 1;
        // Those that are there are still wanted: their results are to be shown.
        self.next.extend(stages);
        let mut seen = Vec::with_capacity(stages.len());
        for outcome in stages.iter().filter_map(|stage| (self.seen)(*stage)) {
            match outcome {
                Outcome::Measured(one) => seen.push(one),
                Outcome::Diverged => {
                    self.diverged += 1;
                    return Some(Outcome::Diverged);
                }
            }
        }
        if seen.len() < stages.len() {
            return None;
        }
        Some(Outcome::Measured(Seen {
            right: seen.iter().map(|seen| seen.right).sum(),
            right_of_reference: seen.iter().map(|seen| seen.right_of_reference).sum(),
            images: seen.iter().map(|seen| seen.images).sum(),
        }))
    }
}

fn bisect(axis: usize, drop: f64, members: &Members, state: &mut State) -> Option<Found> {
    let values = members.values().next()?;
    // The last that is known to hold, and the first that is known not to; beyond the ends nothing is assumed to be tried.
    let (mut holds, mut fails) = (None, values.len());
    let mut best = None;
    loop {
        let low = holds.map_or(0, |place: usize| place + 1);
        if low >= fails {
            let found = holds.map(|place| *values.get_index(place).expect("in range").0);
            let coordinates = found.map(|value| (axis, value)).into_iter().collect();
            return Some(Found { coordinates, seen: best });
        }
        let middle = low + (fails - low) / 2;
        let (_, stages) = values.get_index(middle).expect("in range");
        let Some(outcome) = state.together(stages) else {
            let others = (low..fails).filter(|place| *place != middle);
            state.open.extend(others.flat_map(|place| values.get_index(place).expect("in range").1));
            let may_hold = holds.into_iter().chain(low..fails);
            state.possible =
                may_hold.map(|place| vec![(axis, *values.get_index(place).expect("in range").0)]).collect();
            return None;
        };
        match outcome {
            // A difference that only rounding makes is none.
            Outcome::Measured(seen) if seen.reference().is_some_and(|of| seen.model() >= of - drop - 1e-9) => {
                (holds, best) = (Some(middle), Some(seen));
            }
            _ => fails = middle,
        }
    }
}

fn halving(axis: usize, keep: f64, members: &Members, state: &mut State) -> Option<Found> {
    let rungs: Vec<usize> = members.values().next()?.keys().copied().collect();
    let mut candidates: Vec<&Vec<Coordinate>> = members.keys().collect();
    for (number, rung) in rungs.iter().enumerate() {
        let seen: Vec<Option<Outcome>> =
            candidates.iter().map(|candidate| state.together(members[*candidate].get(rung)?)).collect();
        let Some(seen) = seen.into_iter().collect::<Option<Vec<Outcome>>>() else {
            let later = candidates.iter().flat_map(|candidate| &members[*candidate]);
            let later = later.filter(|(value, _)| rungs[number + 1..].contains(value));
            state.open.extend(later.flat_map(|(_, stages)| stages));
            let last = rungs[rungs.len() - 1];
            state.possible = candidates.iter().map(|candidate| [&candidate[..], &[(axis, last)]].concat()).collect();
            return None;
        };
        // What diverged is among those that go: it counts where the share is taken.
        let kept = ((candidates.len() as f64 * keep).ceil() as usize).max(1);
        let measured = candidates.into_iter().zip(seen).filter_map(|(candidate, outcome)| match outcome {
            Outcome::Measured(seen) => Some((candidate, seen)),
            Outcome::Diverged => None,
        });
        let mut ranked: Vec<(&Vec<Coordinate>, Seen)> = measured.collect();
        if ranked.is_empty() {
            return Some(Found { coordinates: Vec::new(), seen: None });
        }
        // Of equals the first stays.
        ranked.sort_by(|a, b| b.1.model().total_cmp(&a.1.model()));
        if number + 1 == rungs.len() {
            let (best, seen) = ranked[0];
            let mut coordinates = best.clone();
            coordinates.push((axis, *rung));
            coordinates.sort_unstable();
            return Some(Found { coordinates, seen: Some(seen) });
        }
        candidates = ranked.into_iter().take(kept).map(|(candidate, _)| candidate).collect();
    }
    None
}

#[cfg(test)]
mod tests;
