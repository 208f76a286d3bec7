//! Earlier results of stages, to compare with. The store is read only when something is not cached.

use std::cell::OnceCell;
use std::cmp::{Ordering, Reverse};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::stage::key::Fields;
use crate::store::{Digest, Record, Store};
use crate::train::checkpoint::Chains;

/// Results of stages in a store.
pub struct Earlier<'a> {
    store: &'a Store,
    index: OnceCell<Index>,
}

struct Index {
    families: HashSet<Digest>,
    /// Newest first; the key decides between those of one second.
    records: Vec<Comparable>,
    by_label: HashMap<String, Vec<usize>>,
    by_kind: HashMap<String, Vec<usize>>,
    chains: Chains,
}

/// A record with a hash for each of its fields, sorted: a sweep compares thousands of stages with thousands of records.
struct Comparable {
    record: Record,
    hashes: Vec<u64>,
}

/// How many records of a kind are looked at, the newest first, for a stage whose label has none.
const SIMILAR: usize = 500;

impl<'a> Earlier<'a> {
    /// The results in `store`.
    pub fn new(store: &'a Store) -> Self {
        Self { store, index: OnceCell::new() }
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut chains = Chains::default();
            let records = self.store.records().inspect(|record| chains.note(record));
            let records = records.filter(|record| record.kind == "stage");
            let comparable = |record: Record| Comparable { hashes: hashes(&record.fields), record };
            let mut records: Vec<Comparable> = records.map(comparable).collect();
            records.sort_by_key(|comparable| (Reverse(comparable.record.created), comparable.record.key));
            let (mut by_label, mut by_kind) = (HashMap::<_, Vec<usize>>::new(), HashMap::<_, Vec<usize>>::new());
            for (number, Comparable { record, .. }) in records.iter().enumerate() {
                by_label.entry(record.label.clone()).or_default().push(number);
                let of_kind = by_kind.entry(value(&record.fields, "kind").unwrap_or_default().to_owned()).or_default();
                if of_kind.len() < SIMILAR {
                    of_kind.push(number);
                }
            }
            let families = records.iter().map(|comparable| comparable.record.family).collect();
            Index { families, records, by_label, by_kind, chains }
        })
    }

    /// Whether some result has these parameters, whatever its inputs were.
    pub fn has_family(&self, family: &Digest) -> bool {
        self.index().families.contains(family)
    }

    /// The checkpoints of stages that train.
    pub fn chains(&self) -> &Chains {
        &self.index().chains
    }

    /// The result nearest to `fields`: among those with the same label if there are any, else among the newest of the same
    /// kind of which at least half the fields are equal. Fewest differences first, then the newest.
    pub fn nearest(&self, label: &str, fields: &Fields) -> Option<&Record> {
        let index = self.index();
        let (own, kind) = (hashes(fields), value(fields, "kind").unwrap_or_default());
        let best = |numbers: &[usize]| {
            let candidates = numbers.iter().map(|number| &index.records[*number]);
            let of_kind = candidates.filter(|candidate| value(&candidate.record.fields, "kind") == Some(kind));
            of_kind
                .map(|candidate| (differences(&candidate.hashes, &own), &candidate.record))
                .min_by_key(|(count, _)| *count)
        };
        let same = index.by_label.get(label).and_then(|numbers| best(numbers));
        let similar = || {
            let nearest = index.by_kind.get(kind).and_then(|numbers| best(numbers));
            nearest.filter(|(count, _)| *count <= fields.len() / 2)
        };
        same.or_else(similar).map(|(_, record)| record)
    }
}

fn value<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

fn hashes(fields: &Fields) -> Vec<u64> {
    let mut hashes: Vec<u64> = fields
        .iter()
        .map(|field| {
            let mut hasher = DefaultHasher::new();
            field.hash(&mut hasher);
            hasher.finish()
        })
        .collect();
    hashes.sort_unstable();
    hashes
}

/// How many elements of the longer of two sorted lists are not in the other: fields that changed, came or went.
fn differences(a: &[u64], b: &[u64]) -> usize {
    let (mut i, mut j, mut common) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            Ordering::Less => i += 1,
            Ordering::Greater => j += 1,
            Ordering::Equal => (i, j, common) = (i + 1, j + 1, common + 1),
        }
    }
    a.len().max(b.len()) - common
}
