//! Earlier results of stages, to compare with. The store is read only when something is not cached.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use crate::stage::key::Fields;
use crate::store::{Digest, Record, Store};

/// Results of stages in a store.
pub struct Earlier<'a> {
    store: &'a Store,
    index: OnceCell<Index>,
}

struct Index {
    families: HashSet<Digest>,
    by_label: HashMap<String, Vec<Record>>,
}

impl<'a> Earlier<'a> {
    /// The results in `store`.
    pub fn new(store: &'a Store) -> Self {
        Self { store, index: OnceCell::new() }
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut index = Index { families: HashSet::new(), by_label: HashMap::new() };
            for record in self.store.records().filter(|record| record.kind == "stage") {
                index.families.insert(record.family);
                index.by_label.entry(record.label.clone()).or_default().push(record);
            }
            index
        })
    }

    /// Whether some result has these parameters, whatever its inputs were.
    pub fn has_family(&self, family: &Digest) -> bool {
        self.index().families.contains(family)
    }

    /// The result nearest to `fields`: among those with the same label if there are any, else among those of the same
    /// kind of which at least half the fields are equal. Fewest differences first, then the newest.
    pub fn nearest(&self, label: &str, fields: &Fields) -> Option<&Record> {
        let index = self.index();
        let same = index.by_label.get(label).and_then(|records| best(records.iter(), fields));
        let similar =
            || best(index.by_label.values().flatten(), fields).filter(|(count, _)| *count <= fields.len() / 2);
        same.or_else(similar).map(|(_, record)| record)
    }
}

/// The record with the fewest differences, and how many. The newest of equals; the key decides between those of one
/// second.
fn best<'r>(records: impl Iterator<Item = &'r Record>, fields: &Fields) -> Option<(usize, &'r Record)> {
    records
        .filter(|record| value(&record.fields, "kind") == value(fields, "kind"))
        .map(|record| (differences(&record.fields, fields), record))
        .min_by_key(|(count, record)| (*count, Reverse(record.created), record.key))
}

fn value<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

fn differences(a: &Fields, b: &Fields) -> usize {
    let missing = |a: &Fields, b: &Fields| a.iter().filter(|(name, v)| value(b, name) != Some(v)).count();
    missing(a, b) + b.iter().filter(|(name, _)| value(a, name).is_none()).count()
}
