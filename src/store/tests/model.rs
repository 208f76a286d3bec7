//! Random sequences of operations and damage, against a model in memory: a miss is allowed where the model says that
//! something was lost, a wrong byte never.

use super::*;
use crate::error::Kind;
use proptest::prelude::*;
use std::time::Duration;

/// What can be put. Two are of equal size, so that damage by exchange is possible; one is larger than a disk block.
fn content(index: usize) -> Vec<u8> {
    match index {
        0 => Vec::new(),
        1 => b"one".to_vec(),
        2 => b"two".to_vec(),
        _ => (0..5000u32).map(|value| (value * 31 % 256) as u8).collect(),
    }
}
const CONTENTS: usize = 4;
const KEYS: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Put(usize),
    Get(usize),
    Damage(usize, Damage),
    Commit { key: usize, outputs: Vec<usize>, replace: bool },
    Lookup(usize),
    DamageRecord(usize, Damage),
    Forget(usize),
    Collect,
    Reopen,
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Flip(usize),
    Truncate(usize),
    Extend,
    Empty,
    Delete,
}

impl Damage {
    fn act(self, path: &Path) {
        let Ok(mut bytes) = fs::read(path) else { return };
        match self {
            Damage::Flip(at) if !bytes.is_empty() => {
                let at = at % bytes.len();
                bytes[at] ^= 0x10;
            }
            Damage::Truncate(at) => bytes.truncate(at % (bytes.len() + 1)),
            Damage::Extend => bytes.push(0),
            Damage::Flip(_) | Damage::Empty => bytes.clear(),
            Damage::Delete => return fs::remove_file(path).unwrap(),
        }
        overwrite(path, &bytes);
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (0..6000usize).prop_map(Damage::Flip),
        (0..6000usize).prop_map(Damage::Truncate),
        Just(Damage::Extend),
        Just(Damage::Empty),
        Just(Damage::Delete),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let outputs = proptest::collection::vec(0..CONTENTS, 0..3);
    prop_oneof![
        4 => (0..CONTENTS).prop_map(Step::Put),
        3 => (0..CONTENTS).prop_map(Step::Get),
        2 => (0..CONTENTS, damage()).prop_map(|(index, damage)| Step::Damage(index, damage)),
        4 => (0..KEYS, outputs, any::<bool>())
            .prop_map(|(key, outputs, replace)| Step::Commit { key, outputs, replace }),
        3 => (0..KEYS).prop_map(Step::Lookup),
        1 => (0..KEYS, damage()).prop_map(|(key, damage)| Step::DamageRecord(key, damage)),
        1 => (0..KEYS).prop_map(Step::Forget),
        1 => Just(Step::Collect),
        1 => Just(Step::Reopen),
    ]
}

/// What should be in the store. An object's size on disk matters, as a lookup trusts sizes and `get` trusts nothing.
#[derive(Default)]
struct Model {
    /// Whole objects.
    whole: HashSet<usize>,
    /// Committed records that were not damaged.
    records: HashMap<usize, Record>,
}

fn committed(key: usize, outputs: &[usize]) -> Record {
    let contents: Vec<_> = outputs.iter().map(|index| (format!("{index}"), content(*index))).collect();
    let named: Vec<_> = contents.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    record(&format!("key {key}"), &named)
}

fn run(steps: Vec<Step>) {
    let place = place();
    let mut store = place.reopen();
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Put(index) => match store.put(&content(index)) {
                Ok(digest) => {
                    assert_eq!(digest, Digest::of(&content(index)));
                    model.whole.insert(index);
                }
                // Healed before, and damaged again: allowed only if the object really was found corrupt twice.
                Err(error) => {
                    assert_eq!(error.kind, Kind::Store);
                    assert!(held(&store.corrupted)[&Digest::of(&content(index))] > 1 && !model.whole.contains(&index));
                }
            },
            Step::Get(index) => {
                let expected = model.whole.contains(&index).then(|| content(index));
                assert_eq!(store.get(&Digest::of(&content(index))).unwrap(), expected);
            }
            Step::Damage(index, damage) => {
                let path = place.object(&Digest::of(&content(index)));
                damage.act(&path);
                // Damage can undo earlier damage.
                match fs::read(&path).is_ok_and(|bytes| bytes == content(index)) {
                    true => model.whole.insert(index),
                    false => model.whole.remove(&index),
                };
            }
            Step::Commit { key, outputs, replace } => {
                let record = committed(key, &outputs);
                let present = outputs.iter().all(|index| model.whole.contains(index));
                match store.commit(record.clone(), replace) {
                    Ok(Commit::Stored) => drop(model.records.insert(key, record)),
                    Ok(Commit::Same) => assert_eq!(model.records[&key], record),
                    Ok(Commit::Kept(earlier)) => {
                        assert!(!replace && earlier != record);
                        assert_eq!(model.records[&key], earlier);
                    }
                    Err(error) => {
                        assert_eq!(error.kind, Kind::Internal);
                        assert!(!present, "{error}");
                    }
                }
            }
            Step::Lookup(key) => {
                let expected = model.records.get(&key);
                let found = store.lookup(&Digest::of(format!("key {key}").as_bytes())).unwrap();
                match (&found, expected) {
                    (Some(found), expected) => assert_eq!(Some(found), expected),
                    (None, Some(record)) => {
                        let lost = |output: &Output| {
                            !model.whole.iter().any(|index| Digest::of(&content(*index)) == output.digest)
                        };
                        assert!(record.outputs.values().any(lost), "a hit was expected");
                        model.records.remove(&key);
                    }
                    (None, None) => {}
                }
            }
            Step::DamageRecord(key, damage) => {
                let path = place.action(&Digest::of(format!("key {key}").as_bytes()));
                damage.act(&path);
                match fs::read(&path).ok().and_then(|bytes| Record::decode(&bytes).ok()) {
                    Some(record) => model.records.insert(key, record),
                    None => model.records.remove(&key),
                };
            }
            Step::Forget(key) => {
                store.forget(&Digest::of(format!("key {key}").as_bytes())).unwrap();
                model.records.remove(&key);
            }
            Step::Collect => {
                store.gc(&GcPolicy { grace: Duration::ZERO, ..GcPolicy::default() }).unwrap();
                model.records.retain(|key, _| place.action(&Digest::of(format!("key {key}").as_bytes())).exists());
                model.whole.retain(|index| {
                    let digest = Digest::of(&content(*index));
                    let named = |record: &Record| record.outputs.values().any(|output| output.digest == digest);
                    let kept = place.object(&digest).exists();
                    assert_eq!(kept, model.records.values().any(named), "what is named stays, the rest goes");
                    kept
                });
            }
            Step::Reopen => store = place.reopen(),
        }
    }
    store.verify().unwrap();
    check_invariants(place.root());
    for (key, record) in &model.records {
        let whole = |output: &Output| model.whole.iter().any(|index| Digest::of(&content(*index)) == output.digest);
        let hit = store.lookup(&Digest::of(format!("key {key}").as_bytes())).unwrap().is_some();
        assert_eq!(hit, record.outputs.values().all(whole));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_operations_and_damage_gives_wrong_bytes(steps in proptest::collection::vec(step(), 1..40)) {
        run(steps);
    }
}
