//! The teacher's logits in the store.

use std::collections::BTreeMap;

use super::{Fixture, mlp, training};
use crate::network::{HostTensor, Model, ParameterSpec, Role, weights};
use crate::store::{Digest, Record, Store};
use crate::train::parameters::{Loss, Training};

fn kd() -> Training {
    let losses = vec![Loss::Kd { temperature: 4.0, alpha: 1.0, smoothing: 0.0, weight: 1.0, standardize: false }];
    Training { losses, ..training(2) }
}

fn kept(store: &Store) -> Record {
    let mut records = store.records().filter(|record| record.kind == "answer");
    let record = records.next().expect("logits are kept");
    assert!(records.next().is_none(), "once");
    record
}

/// Puts other logits, or anything else, in the place of those that are kept.
fn replace(store: &Store, bytes: Vec<u8>) {
    store.put_and_commit(kept(store), &BTreeMap::from([("logits".to_owned(), bytes)]), true).unwrap();
}

#[test]
fn they_are_worked_out_once_and_read_by_other_students() {
    let mut fixture = Fixture::new();
    fixture.shorten(200);
    let teacher = mlp(64);
    let trained = |store: &str, student: Model| fixture.run(store, &kd(), student, Some(&teacher)).0.model;
    let first = trained("one", mlp(12));
    let before = kept(&fixture.store("one"));
    // Another network, another chain of epochs in the same store: bits are those of a store of its own.
    let chain = Digest::of(b"another student");
    let second = |name: &str| {
        let store = fixture.store(name);
        let (training, progress) = (kd(), |_| ());
        let mut task = fixture.task(&training, &store, &super::NEVER, &progress);
        task.chain = chain;
        super::train(&task, mlp(7), Some(&fixture.tutor(&teacher)), &super::Cpu::default()).unwrap().model
    };
    assert_eq!(second("one"), second("alone"));
    assert_eq!(kept(&fixture.store("one")), before);
    // That they are read shows when something else is in their place.
    let store = fixture.store("two");
    trained("two", mlp(7));
    let zeros = HostTensor { dims: vec![200, 10], data: vec![0.0; 2000] };
    replace(&store, weights::encode(&BTreeMap::from([("logits".to_owned(), zeros)])).unwrap());
    assert_ne!(second("two"), second("alone"));
    assert_eq!(trained("one", mlp(12)), first);
}

#[test]
fn what_cannot_be_used_is_made_again() {
    let mut fixture = Fixture::new();
    fixture.shorten(100);
    let run = |store: &str| fixture.run(store, &kd(), mlp(12), Some(&mlp(64))).0.model;
    let expected = run("store");
    let store = fixture.store("store");
    let whole = kept(&store);
    let forget_epochs = || {
        let epochs: Vec<Digest> = store.records().filter(|r| r.kind == "epoch").map(|r| r.key).collect();
        assert_eq!(epochs.len(), 2);
        epochs.iter().for_each(|key| store.forget(key).unwrap());
    };
    let other = HostTensor { dims: vec![99, 10], data: vec![0.0; 990] };
    let other = weights::encode(&BTreeMap::from([("logits".to_owned(), other)])).unwrap();
    for bytes in [b"nothing".to_vec(), other] {
        forget_epochs();
        replace(&store, bytes);
        assert_eq!(run("store"), expected);
        assert_eq!(kept(&store).outputs, whole.outputs);
    }
    // A flipped bit is found when the object is read.
    forget_epochs();
    let digest = whole.outputs["logits"].digest.to_string();
    let path = fixture.folder.path().join("store/v1/objects").join(&digest[..2]).join(&digest);
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(run("store"), expected);
    let spec = ParameterSpec { name: "logits".into(), dims: vec![100, 10], role: Role::Weight };
    let again = store.get(&kept(&store).outputs["logits"].digest).unwrap().expect("made again");
    assert!(weights::decode(&again, &[spec]).is_ok());
}

#[test]
fn a_refreshed_stage_works_them_out_again() {
    let mut fixture = Fixture::new();
    fixture.shorten(100);
    let run = |resume| {
        let store = fixture.store("store");
        let (training, progress) = (kd(), |_| ());
        let mut task = fixture.task(&training, &store, &super::NEVER, &progress);
        task.resume = resume;
        super::train(&task, mlp(7), Some(&fixture.tutor(&mlp(64))), &super::Cpu::default()).unwrap();
        kept(&store)
    };
    let whole = run(true);
    replace(&fixture.store("store"), b"nothing".to_vec());
    assert_eq!(run(false).outputs, whole.outputs);
}
