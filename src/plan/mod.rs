//! What a run would do, and why: DAG and store in, `cached`, `run` with its reason, or `maybe` out. Changes nothing.
//!
//! - `mod.rs`: the plan itself;
//! - `begun`: how far stages are that have no result yet;
//! - `describe`: a stage of the manifest and the results it takes, made into a description with its key;
//! - `disk`: how much a plan would add to the store;
//! - `imports`: whether files with weights fit their networks;
//! - `earlier`: results in the store that a stage can be compared with;
//! - `reason`: old → new values, with the place of the new one;
//! - `search`: which of a searched axis' stages are wanted;
//! - `estimate`: how long it will take;
//! - `explain`: everything one stage's key is made of.

mod begun;
mod describe;
pub mod disk;
mod earlier;
pub mod estimate;
pub mod explain;
mod imports;
mod reason;
pub mod search;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use crate::error::Result;
use crate::graph::StageGraph;
use crate::manifest::Manifest;
use crate::stage::divergence;
use crate::stage::key::{self, Fields};
use crate::store::{Digest, Record, Store};
use crate::train::checkpoint::Reach;
pub use begun::begun;
pub use describe::{Resolved, data_digests, label, resolve};
pub use earlier::Earlier;
pub use imports::check_imports;
pub use reason::{Change, Origin, Reason};
use search::Outcome;

/// What would happen to the stages that a run was asked for, inputs first.
#[derive(Debug)]
pub struct Plan {
    /// One entry a stage. Stages that a search has ruled out have none.
    pub stages: Vec<Planned>,
    /// What the manifest's search has come to.
    pub search: Option<search::Decision>,
}

/// One stage of a plan.
#[derive(Debug)]
pub struct Planned {
    /// Its index in the manifest.
    pub stage: usize,
    /// Its key, if its inputs are known.
    pub key: Option<Digest>,
    /// What would happen to it.
    pub state: State,
    /// The first stage of the plan with the same key, if that is another one: they have one result, which is made once.
    pub same: Option<usize>,
    /// Of a stage that would train: which of its epochs are there already, if any are known.
    pub reach: Option<Reach>,
}

/// What a run would do with a stage.
#[derive(Debug)]
pub enum State {
    /// Nothing: its result is in the store.
    Cached(Box<Record>),
    /// Carry it out.
    Run(Reason),
    /// It depends on what these stages turn out to make.
    Maybe(Vec<usize>),
    /// The search may want it.
    Open,
}

impl Plan {
    /// The stages that diverged when they ran before, with what was said of each.
    pub fn diverged(&self) -> impl Iterator<Item = (usize, &str)> {
        self.stages.iter().filter_map(|planned| match &planned.state {
            State::Run(Reason::Diverged(message)) => Some((planned.stage, message.as_str())),
            _ => None,
        })
    }

    /// How many results are cached, would be made, and may be made. Stages with one key have one result.
    pub fn counts(&self) -> (usize, usize, usize) {
        let results = || self.stages.iter().filter(|stage| stage.same.is_none());
        let count = |which: fn(&State) -> bool| results().filter(|s| which(&s.state)).count();
        (
            count(|s| matches!(s, State::Cached(_))),
            count(|s| matches!(s, State::Run(_))),
            count(|s| matches!(s, State::Maybe(_) | State::Open)),
        )
    }
}

/// Hashes of what stages read from outside the store.
#[derive(Debug, Clone, Default)]
pub struct DataDigests {
    /// Of data sets, by their names in the manifest.
    pub sets: BTreeMap<String, Digest>,
    /// Of files with weights, by their paths.
    pub files: BTreeMap<PathBuf, Digest>,
    /// What was noticed in data sets: images that are there twice.
    pub warnings: Vec<String>,
}

/// Plans `targets` and everything they need. Stages in `refresh` run whatever the store has.
///
/// # Errors
/// When the store cannot be read.
pub fn plan(
    manifest: &Manifest,
    graph: &StageGraph,
    targets: &[usize],
    store: &Store,
    data: &DataDigests,
    refresh: &HashSet<usize>,
) -> Result<Plan> {
    let earlier = Earlier::new(store);
    let needed = graph.needed(targets);
    // The position in `stages` of each stage that is cached.
    let mut cached: Vec<Option<usize>> = vec![None; manifest.stages.len()];
    let mut stages: Vec<Planned> = Vec::with_capacity(needed.len());
    // Equal for stages that have, or will have, one key.
    let mut identities: HashMap<usize, Digest> = HashMap::new();
    for stage in needed {
        let resolved = resolve(manifest, stage, data, &|i| match &stages[cached[i]?].state {
            State::Cached(record) => Some(record),
            _ => None,
        });
        identities.insert(stage, identity(manifest, stage, &resolved, &identities));
        let state = if refresh.contains(&stage) {
            State::Run(Reason::Refresh)
        } else if resolved.missing.is_empty() {
            match store.lookup(&resolved.key)? {
                Some(record) => State::Cached(Box::new(record)),
                None => State::Run(match divergence::known(store, &resolved.key)? {
                    Some(message) => Reason::Diverged(message),
                    None => reason::reason(manifest, stage, &resolved.fields, &earlier, false),
                }),
            }
        } else if earlier.has_family(&resolved.family) {
            State::Maybe(resolved.missing.clone())
        } else {
            let own: Fields =
                resolved.fields.iter().filter(|(name, _)| !name.starts_with("inputs.")).cloned().collect();
            State::Run(reason::reason(manifest, stage, &own, &earlier, true))
        };
        let key = resolved.missing.is_empty().then_some(resolved.key);
        let training = resolved.description.parameters.training().filter(|_| resolved.missing.is_empty());
        let reach = match (&state, training) {
            (State::Run(Reason::Refresh), _) | (_, None) => None,
            (State::Run(_), Some(training)) => {
                // The run itself says what of it is whole.
                earlier.chains().reach(&key::chain(&resolved.fields), training)
            }
            _ => None,
        };
        if matches!(state, State::Cached(_)) {
            cached[stage] = Some(stages.len());
        }
        stages.push(Planned { stage, key, state, same: None, reach });
    }
    let search = manifest.search.is_some().then(|| searched(manifest, graph, store, &mut stages));
    let mut first: HashMap<Digest, usize> = HashMap::new();
    for Planned { stage, state, same, .. } in &mut stages {
        // What is asked for with `--refresh` is made once for each stage.
        if !matches!(state, State::Run(Reason::Refresh)) {
            *same = Some(*first.entry(identities[stage]).or_insert(*stage)).filter(|first| first != stage);
        }
    }
    Ok(Plan { stages, search })
}

/// The key of a stage; as long as inputs are missing, what it is made of with the identities of the stages that make them.
fn identity(manifest: &Manifest, stage: usize, resolved: &Resolved, known: &HashMap<usize, Digest>) -> Digest {
    if resolved.missing.is_empty() {
        return resolved.key;
    }
    let of_input = |(role, reference): (&String, &crate::manifest::Reference)| {
        let producer = manifest.stages.get_index_of(&reference.stage)?;
        Some((format!("inputs.{role}"), known.get(&producer)?.to_string()))
    };
    let own = resolved.fields.iter().filter(|(name, _)| !name.starts_with("inputs.")).cloned();
    key::key(&own.chain(manifest.stages[stage].inputs.iter().filter_map(of_input)).collect())
}

/// Leaves out what the search does not want.
fn searched(manifest: &Manifest, graph: &StageGraph, store: &Store, stages: &mut Vec<Planned>) -> search::Decision {
    let mut seen = vec![None; manifest.stages.len()];
    let mut diverged = HashSet::new();
    for Planned { stage, state, .. } in stages.iter() {
        match state {
            State::Cached(record) => seen[*stage] = search::seen(manifest, *stage, record, store),
            State::Run(Reason::Diverged(_)) => diverged.extend([*stage]),
            _ => {}
        }
    }
    let lost = search::without_result(graph, &diverged);
    let asked = stages.iter().map(|planned| planned.stage).collect();
    let of = |stage: usize| if lost.contains(&stage) { Some(Outcome::Diverged) } else { seen[stage] };
    let decision = search::decide(manifest, graph, &asked, &of);
    stages.retain_mut(|planned| {
        let open = decision.open.contains(&planned.stage);
        if open && !matches!(planned.state, State::Cached(_)) {
            planned.state = State::Open;
        }
        open || decision.wanted.contains(&planned.stage)
    });
    decision
}
