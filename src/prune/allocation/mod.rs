//! Which units go: from scores to a choice that leaves something of every layer.
//!
//! - this file: what is asked for, and which units are ranked together;
//! - `ledger`: what stays so far, with the least that every layer keeps;
//! - `rounding`: widths that are multiples of a number;
//! - `search`: how many units go for the network to cost what it may;
//! - `notes`: what did not come out as asked, by the names of layers.

mod ledger;
mod notes;
mod rounding;
mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::cost::Measure;
use super::groups::{Group, groups};
use super::shrink::Keep;
use super::ties;
use super::{ChannelScope, coupling};
use crate::error::Result;
use crate::network::{Graph, Op, Shape, pattern};
use ledger::{Book, Ledger};
pub use notes::listed;
pub use rounding::Rounding;

/// How much goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// This share of the units.
    Ratio(f64),
    /// What makes the network cost this share of what it cost.
    Cost(Measure, f64),
}

/// What is asked for; see [`super::Method::Channels`].
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// How much goes.
    pub amount: Amount,
    /// Which units are ranked together.
    pub scope: ChannelScope,
    /// What widths are multiples of.
    pub rounding: Rounding,
    /// The share of every layer that stays at least.
    pub minimum: f64,
    /// Layers that stay as they are.
    pub ignore: &'a [String],
    /// Ratios of their own.
    pub layers: &'a BTreeMap<String, f64>,
    /// Whether scores of different groups mean the same.
    pub comparable: bool,
    /// Whether groups without a normalization stay whole, because the criterion has no score for them.
    pub normalized_only: bool,
    /// How much of the way to go, in (0, 1].
    pub share: f64,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Allocation {
    /// Which units stay.
    pub keep: Keep,
    /// What did not come out as asked.
    pub notes: Vec<String>,
}

/// How a group takes part.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    /// Its units stay, as the manifest says.
    Ignored,
    /// Its units stay, because the criterion has no score for them.
    Unranked,
    /// Its units stay, because one of its layers is narrower than what widths are to be multiples of.
    Narrow,
    /// It loses this share, whatever the others lose.
    Own(f64),
    /// With the others.
    Common,
}

impl Request<'_> {
    /// Of several ratios that fit a group's layers the smallest holds: what one layer may keep, the layers that are
    /// coupled to it must keep.
    fn part(&self, graph: &Graph, group: &Group, whole: &Widths) -> Part {
        let fits =
            |wanted: &str| group.makers(graph).any(|member| pattern::matches(wanted, &graph.layers[member.layer].name));
        if self.ignore.iter().any(|ignored| fits(ignored)) {
            return Part::Ignored;
        }
        if self.normalized_only && !group.is_normalized(graph) {
            return Part::Unranked;
        }
        if group.makers(graph).any(|member| self.rounding.keeps_whole(whole.of(graph, member.layer))) {
            return Part::Narrow;
        }
        let own = self.layers.iter().filter(|(wanted, _)| fits(wanted)).map(|(_, ratio)| *ratio).reduce(f64::min);
        own.map_or(Part::Common, Part::Own)
    }

    /// The name of the pool in which a group is ranked.
    fn pool(&self, graph: &Graph, group: &Group, part: Part) -> String {
        match (part, self.scope) {
            (Part::Own(_), _) | (_, ChannelScope::Uniform) => {
                let member =
                    |member: &super::groups::Member| format!("{} {:?}", graph.layers[member.layer].name, member.side);
                group.members.iter().map(member).collect::<Vec<_>>().join(", ")
            }
            (_, ChannelScope::Global) => String::new(),
            (_, ChannelScope::Isomorphic) => structure(graph, group),
        }
    }
}

/// How many channels every layer made before any pruning, by name.
struct Widths<'a>(BTreeMap<&'a str, usize>);

impl<'a> Widths<'a> {
    fn new(graph: &'a Graph, shapes: &[Shape]) -> Self {
        Self(graph.layers.iter().zip(shapes).map(|(layer, shape)| (layer.name.as_str(), shape.channels())).collect())
    }

    /// Of a layer of `graph`, which has the same names.
    fn of(&self, graph: &Graph, layer: usize) -> usize {
        self.0.get(graph.layers[layer].name.as_str()).copied().unwrap_or_default()
    }
}

/// What two groups must have in common to be ranked together: the operations of their members, in order, with their
/// windows and sides (Isomorphic pruning, Fang 2024).
fn structure(graph: &Graph, group: &Group) -> String {
    let member = |member: &super::groups::Member| {
        let op = &graph.layers[member.layer].op;
        let what = match op {
            Op::Convolution { kernel: [height, width], .. } => format!("{:?} {height}x{width}", coupling::runs(op)),
            Op::Linear { .. } => "linear".to_owned(),
            _ => "norm".to_owned(),
        };
        format!("{what} {:?}", member.side)
    };
    group.members.iter().map(member).collect::<Vec<_>>().join(", ")
}

/// Groups whose units are ranked together.
#[derive(Debug, Clone, Default)]
struct Pool {
    /// How many units there were before any went.
    before: usize,
    /// Those that are left, the first to go first.
    units: Vec<(usize, usize)>,
    /// How many more may go; `None` for as many as there are.
    quota: Option<usize>,
}

impl Pool {
    fn gone(&self) -> usize {
        self.before.saturating_sub(self.units.len())
    }

    /// Sets how many go when `ratio` of those from before do.
    fn limit(&mut self, ratio: f64) {
        self.quota = Some(((ratio * self.before as f64).round() as usize).saturating_sub(self.gone()));
    }
}

/// Chooses the units that stay. `scores` has one number for each unit of each of the `now` groups, the lowest go first;
/// `before` is the graph as it was before the first of several steps.
///
/// Units are ranked in pools by scope; every pool loses the same share, and one unit goes after another wherever the
/// share is furthest behind, so that less is always a part of more. A unit without which some layer had too few channels
/// is passed over.
///
/// # Errors
/// When a graph is not sound.
pub fn allocate(
    request: &Request,
    graph: &Graph,
    now: &[Group],
    scores: &[Vec<f64>],
    before: &Graph,
) -> Result<Allocation> {
    let shapes = graph.shapes()?;
    let whole = Widths::new(before, &before.shapes()?);
    let least = |layer: usize| {
        // A little less, so that 0.7 of 10 is 7 in floating point too.
        ((request.minimum * whole.of(graph, layer) as f64 - 1e-9).ceil() as usize).clamp(1, shapes[layer].channels())
    };
    let scores = comparable(request, scores);
    let parts: Vec<Part> = now.iter().map(|group| request.part(graph, group, &whole)).collect();
    let open = parts.iter().map(|part| matches!(part, Part::Own(_) | Part::Common)).collect();
    let multiple = |layer: usize| request.rounding.multiple_of(whole.of(graph, layer));
    let book = Book::new(graph, &shapes, now, &scores, open, least, multiple);

    let (mut own, mut common) = (BTreeMap::new(), BTreeMap::new());
    for group in &groups(before)? {
        let part = request.part(before, group, &whole);
        add(request, before, group, part, (&mut own, &mut common), |pool| pool.before += group.units);
    }
    for (number, group) in now.iter().enumerate() {
        let units = book.ranked[number].iter().map(|unit| (number, *unit));
        add(request, graph, group, parts[number], (&mut own, &mut common), |pool| pool.units.extend(units));
    }
    for (pool, _) in own.values_mut().chain(common.values_mut()) {
        let mut scored: Vec<ties::Scored> =
            pool.units.iter().map(|(group, unit)| (scores[*group][*unit], *group, *unit)).collect();
        ties::sort(&mut scored);
        pool.units = scored.into_iter().map(|(_, group, unit)| (group, unit)).collect();
        // A depthwise convolution with one channel left is none any more, and its groups are new.
        pool.before = pool.before.max(pool.units.len());
    }

    let mut ledger = book.ledger();
    for (pool, ratio) in own.values_mut() {
        pool.limit(request.share * *ratio);
    }
    let mut own: Vec<Pool> = own.into_values().map(|(pool, _)| pool).collect();
    take(&book, &mut ledger, &mut own);
    let mut common: Vec<Pool> = common.into_values().map(|(pool, _)| pool).collect();
    if let Amount::Ratio(ratio) = request.amount {
        common.iter_mut().for_each(|pool| pool.limit(request.share * ratio));
    }
    let mut notes = Vec::new();
    let mut failed = Vec::new();
    match request.amount {
        Amount::Ratio(_) => {
            take(&book, &mut ledger, &mut common);
            let asked = ledger.gone();
            failed = rounding::round(&book, &mut ledger);
            let pools = || own.iter().chain(&common);
            let all: usize = pools().map(|pool| pool.before).sum();
            let earlier: usize = all - pools().map(|pool| pool.units.len()).sum::<usize>();
            notes.extend(notes::rounded(request.rounding, earlier + asked, earlier + ledger.gone(), all));
        }
        Amount::Cost(measure, target) => {
            let mut furthest = ledger.clone();
            let order = take(&book, &mut furthest, &mut common);
            common.clear();
            let goal = 1.0 - request.share * (1.0 - target);
            let movable = parts.iter().map(|part| *part == Part::Common).collect();
            let search = search::Search { book: &book, movable, graph, before, measure, goal };
            let found = search.run(&ledger, &order)?;
            ledger = found.ledger;
            notes.extend(found.note);
            failed.extend(found.failed);
        }
    }
    let short: usize = own.iter().chain(&common).map(|pool| pool.quota.unwrap_or(0)).sum();
    if short > 0 {
        notes.push(format!("{short} units that were to go are the least that their layers keep"));
    }
    notes::of_layers(request, graph, &parts, &book, &ledger, &failed, &mut notes);
    Ok(Allocation { keep: ledger.keep, notes })
}

type Pools = BTreeMap<String, (Pool, f64)>;

fn add(
    request: &Request,
    graph: &Graph,
    group: &Group,
    part: Part,
    (own, common): (&mut Pools, &mut Pools),
    change: impl FnOnce(&mut Pool),
) {
    let (pools, ratio) = match part {
        Part::Ignored | Part::Unranked | Part::Narrow => return,
        Part::Own(ratio) => (own, ratio),
        Part::Common => (common, 0.0),
    };
    let (pool, _) = pools.entry(request.pool(graph, group, part)).or_insert((Pool::default(), ratio));
    change(pool);
}

/// Scores that groups can be ranked together by.
fn comparable(request: &Request, scores: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let divided = |scores: &Vec<f64>| {
        let mean = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
        if mean > 0.0 && mean.is_finite() { scores.iter().map(|score| score / mean).collect() } else { scores.clone() }
    };
    if request.comparable { scores.to_vec() } else { scores.iter().map(divided).collect() }
}

/// Takes units out of `pools` until every quota is spent or nothing may go any more. The units in the order in which they
/// went.
fn take(book: &Book, ledger: &mut Ledger, pools: &mut [Pool]) -> Vec<(usize, usize)> {
    let mut order = Vec::new();
    let mut at = vec![0; pools.len()];
    let mut gone: Vec<usize> = pools.iter().map(Pool::gone).collect();
    loop {
        // The pool that reaches its next unit at the smallest ratio.
        let due = |pool: usize| (gone[pool] as f64 + 0.5) / pools[pool].before as f64;
        let active = |pool: &usize| at[*pool] < pools[*pool].units.len() && pools[*pool].quota != Some(0);
        let next = (0..pools.len()).filter(active).min_by(|a, b| due(*a).total_cmp(&due(*b)));
        let Some(pool) = next else { return order };
        let (group, unit) = pools[pool].units[at[pool]];
        at[pool] += 1;
        if !ledger.may_remove(book, group, unit) {
            continue;
        }
        ledger.remove(book, group, unit);
        order.push((group, unit));
        gone[pool] += 1;
        pools[pool].quota = pools[pool].quota.map(|quota| quota - 1);
    }
}
