//! Which records a collection removes: a function of what is in the store, of the policy, and of what live runs pin.

use super::GcPolicy;
use crate::store::pins::Pinned;
use crate::store::{Digest, Record, temps};
use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

/// What counts about a record.
#[derive(Debug)]
pub(super) struct Entry {
    pub key: Digest,
    pub kind: String,
    pub label: String,
    pub family: Digest,
    pub epoch: u64,
    /// The objects that it names, with their sizes.
    outputs: Vec<(Digest, u64)>,
    /// The objects that it was made from.
    inputs: Vec<Digest>,
    created: u64,
    /// When it was used last, or what was made from it.
    pub used: SystemTime,
    /// Why it goes.
    pub goes: Option<Why>,
}

/// Why a record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The checkpoint of a finished stage, and not its last.
    Superseded,
    /// It was named.
    Chosen,
    /// It was not used for as long as the policy says.
    Unused,
    /// The store was larger than the policy says.
    Size,
}

impl Entry {
    pub fn new(record: Record, used: SystemTime, policy: &GcPolicy) -> Self {
        Self {
            epoch: record.epoch(),
            inputs: (policy.inputs)(&record),
            outputs: record.outputs.values().map(|output| (output.digest, output.size)).collect(),
            key: record.key,
            kind: record.kind,
            label: record.label,
            family: record.family,
            created: record.created,
            used,
            goes: None,
        }
    }

    fn is_checkpoint(&self) -> bool {
        self.kind == "epoch"
    }

    /// Bytes of its objects.
    pub fn bytes(&self) -> u64 {
        self.outputs.iter().map(|(_, size)| size).sum()
    }

    pub fn outputs(&self) -> impl Iterator<Item = Digest> {
        self.outputs.iter().map(|(digest, _)| *digest)
    }
}

/// Marks the entries that go. `unnamed` are the bytes of objects that no record names and that stay.
pub(super) fn choose(entries: &mut [Entry], policy: &GcPolicy, pinned: &Pinned, unnamed: u64) {
    use_inputs_with_results(entries);
    let is_pinned = |entry: &Entry| pinned.keys.contains(&entry.key) || pinned.keys.contains(&entry.family);
    // A run may be about to take what was just made or used.
    let is_young = |entry: &Entry| pinned.live && temps::age(entry.used) < policy.grace;
    let is_kept = |entry: &Entry| is_pinned(entry) || is_young(entry);
    let superseded = if policy.keep_epochs { HashSet::new() } else { superseded(entries) };
    let of_choice = |entry: &Entry| {
        let chosen = |keys: &HashSet<Digest>| keys.contains(&entry.key) || keys.contains(&entry.family);
        policy.chosen.as_ref().is_none_or(chosen)
    };
    let all_chosen = policy.chosen.is_some() && policy.older_than.is_none() && policy.max_size.is_none();
    for entry in entries.iter_mut() {
        let unused = || policy.older_than.is_some_and(|limit| temps::age(entry.used) > limit);
        entry.goes = if is_pinned(entry) {
            None
        } else if superseded.contains(&entry.key) {
            Some(Why::Superseded)
        } else if is_young(entry) || !of_choice(entry) {
            None
        } else if all_chosen {
            Some(Why::Chosen)
        } else {
            unused().then_some(Why::Unused)
        };
    }
    if let Some(limit) = policy.max_size {
        let eligible = |entry: &Entry| entry.goes.is_none() && !is_kept(entry) && of_choice(entry);
        shrink(entries, &eligible, unnamed, limit);
    }
}

/// What a result was made from was used when the result was: whoever finds a student has found its teacher before. So were
/// its checkpoints, as a longer run goes on from the last.
fn use_inputs_with_results(entries: &mut [Entry]) {
    let mut makers: HashMap<Digest, Vec<usize>> = HashMap::new();
    for (number, entry) in entries.iter().enumerate().filter(|(_, entry)| !entry.is_checkpoint()) {
        entry.outputs().for_each(|output| makers.entry(output).or_default().push(number));
    }
    let mut todo: Vec<usize> = (0..entries.len()).collect();
    while let Some(number) = todo.pop() {
        let used = entries[number].used;
        for maker in
            entries[number].inputs.iter().filter_map(|input| makers.get(input)).flatten().copied().collect::<Vec<_>>()
        {
            if entries[maker].used < used {
                entries[maker].used = used;
                todo.push(maker);
            }
        }
    }
    let stages: HashMap<Digest, SystemTime> =
        entries.iter().filter(|entry| entry.kind == "stage").map(|entry| (entry.key, entry.used)).collect();
    for entry in entries.iter_mut().filter(|entry| entry.is_checkpoint()) {
        entry.used = stages.get(&entry.family).map_or(entry.used, |used| entry.used.max(*used));
    }
}

/// The checkpoints of finished stages but the last of each, where a longer run goes on.
fn superseded(entries: &[Entry]) -> HashSet<Digest> {
    let finished: HashSet<Digest> =
        entries.iter().filter(|entry| entry.kind == "stage").map(|entry| entry.key).collect();
    let mut last: HashMap<Digest, (u64, Digest)> = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.is_checkpoint()) {
        let own = (entry.epoch, entry.key);
        last.entry(entry.family).and_modify(|last| *last = own.max(*last)).or_insert(own);
    }
    let of_finished = entries.iter().filter(|entry| entry.is_checkpoint() && finished.contains(&entry.family));
    of_finished.filter(|entry| last[&entry.family].1 != entry.key).map(|entry| entry.key).collect()
}

/// Marks entries until the objects of the rest take at most `limit` bytes: checkpoints of finished stages first, then what
/// was not used for longest, and of equals what was made last, as it was made from the others.
fn shrink(entries: &mut [Entry], eligible: &dyn Fn(&Entry) -> bool, unnamed: u64, limit: u64) {
    let finished: HashSet<Digest> =
        entries.iter().filter(|entry| entry.kind == "stage").map(|entry| entry.key).collect();
    let mut named: HashMap<Digest, u32> = HashMap::new();
    let mut total = unnamed;
    for entry in entries.iter().filter(|entry| entry.goes.is_none()) {
        for (object, size) in &entry.outputs {
            let count = named.entry(*object).or_default();
            total += if *count == 0 { *size } else { 0 };
            *count += 1;
        }
    }
    let mut order: Vec<usize> = (0..entries.len()).filter(|number| eligible(&entries[*number])).collect();
    order.sort_by_key(|number| {
        let entry = &entries[*number];
        let in_use = !(entry.is_checkpoint() && finished.contains(&entry.family));
        (in_use, entry.used, std::cmp::Reverse(entry.created), entry.key)
    });
    for number in order {
        if total <= limit {
            return;
        }
        entries[number].goes = Some(Why::Size);
        for (object, size) in &entries[number].outputs {
            let count = named.get_mut(object).expect("it was counted");
            *count -= 1;
            total -= if *count == 0 { *size } else { 0 };
        }
    }
}
