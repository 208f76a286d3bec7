//! How much a plan would add to the store.

use std::collections::HashMap;

use super::{DataDigests, Plan, State, resolve};
use crate::manifest::Manifest;
use crate::network::Graph;
use crate::network::arch::Architecture;
use crate::stage::demand::parameters;
use crate::stage::disk::{Origin, disk, origin};
use crate::store::{Digest, Record, Store};

/// The bytes that the stages of a plan would add, at most. A network that is not known yet counts as the one that it is
/// made from; what is written before it is published, and journals, do not count.
pub fn estimate(manifest: &Manifest, plan: &Plan, data: &DataDigests, store: &Store) -> u64 {
    let mut records: HashMap<usize, &Record> = HashMap::new();
    let mut sizes: HashMap<usize, u64> = HashMap::new();
    let mut known = Known { store, built: Vec::new(), stored: HashMap::new() };
    let mut all: u64 = 0;
    for planned in &plan.stages {
        if let State::Cached(record) = &planned.state {
            records.insert(planned.stage, record);
            continue;
        }
        let description = resolve(manifest, planned.stage, data, &|i| records.get(&i).copied()).description;
        let definition = &manifest.stages[planned.stage];
        let outline = definition.data.as_ref().and_then(|name| manifest.data[name].outline.as_ref());
        let network = match origin(&description.parameters) {
            Origin::None => 0,
            Origin::Built(architecture) => {
                outline.map_or(0, |outline| known.built(architecture, outline.shape, outline.classes))
            }
            Origin::Input(role) => match description.inputs.get(role) {
                Some(input) => known.stored(&input.network),
                None => {
                    let producer = definition.inputs.get(role).and_then(|r| manifest.stages.get_index_of(&r.stage));
                    producer.and_then(|producer| sizes.get(&producer).copied()).unwrap_or(0)
                }
            },
        };
        sizes.insert(planned.stage, network);
        if planned.same.is_none() {
            all = all.saturating_add(disk(&description, outline, network).most);
        }
    }
    all
}

/// The parameters of networks, each counted once: a sweep has thousands of stages with few networks.
struct Known<'a> {
    store: &'a Store,
    built: Vec<(Architecture, [usize; 3], usize, u64)>,
    stored: HashMap<Digest, u64>,
}

impl Known<'_> {
    fn built(&mut self, architecture: &Architecture, shape: [usize; 3], classes: usize) -> u64 {
        let same = self.built.iter().find(|(one, of, among, _)| (one, of, *among) == (architecture, &shape, classes));
        if let Some((.., count)) = same {
            return *count;
        }
        let count = architecture.build(shape, classes).map_or(0, |graph| parameters(&graph));
        self.built.push((architecture.clone(), shape, classes, count));
        count
    }

    fn stored(&mut self, network: &Digest) -> u64 {
        *self.stored.entry(*network).or_insert_with(|| {
            let bytes = self.store.get(network).ok().flatten();
            bytes.and_then(|bytes| Graph::from_json(&bytes).ok()).map_or(0, |graph| parameters(&graph))
        })
    }
}
