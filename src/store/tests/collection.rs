//! Garbage collection.

use super::*;
use crate::error::Kind;
use std::time::{Duration, SystemTime};

const AT_ONCE: GcPolicy =
    GcPolicy { wait: false, keep_epochs: false, older_than: None, grace: Duration::ZERO, dry_run: false };

fn epoch(key: &str, stage: &str, bytes: &[u8]) -> Record {
    let fields = vec![("epoch".to_owned(), key[1..].to_owned())];
    let family = Digest::of(stage.as_bytes());
    Record { kind: "epoch".into(), family, fields, ..record(key, &[("checkpoint", bytes)]) }
}

fn filled() -> Place {
    let store = place();
    for bytes in [&b"network"[..], b"done 1", b"done 2", b"done 10", b"open 1", b"open 2", b"unnamed"] {
        store.put(bytes).unwrap();
    }
    let finished = record("stage", &[("network", b"network")]);
    for record in [
        finished,
        epoch("e1", "stage", b"done 1"),
        epoch("e2", "stage", b"done 2"),
        epoch("e10", "stage", b"done 10"),
        epoch("i1", "interrupted", b"open 1"),
        epoch("i2", "interrupted", b"open 2"),
    ] {
        assert_eq!(store.commit(record, false).unwrap(), Commit::Stored);
    }
    store
}

fn labels(store: &Store) -> Vec<String> {
    let mut labels: Vec<_> = store.records().map(|record| record.label).collect();
    labels.sort();
    labels
}

#[test]
fn checkpoints_of_finished_stages_and_unnamed_objects_go() {
    let store = filled();
    let counted = store.gc(&GcPolicy { dry_run: true, ..AT_ONCE }).unwrap();
    assert_eq!(store.status().unwrap().objects, 7, "a dry run removes nothing");
    assert_eq!(labels(&store), ["e1", "e10", "e2", "i1", "i2", "stage"]);
    let collected = store.gc(&AT_ONCE).unwrap();
    assert_eq!(collected, Collected { epochs: 2, objects: 3, bytes: 19, ..Collected::default() });
    assert_eq!(counted, collected);
    let left = labels(&store);
    assert_eq!(left, ["e10", "i1", "i2", "stage"], "an interrupted stage goes on, and a finished one can be longer");
    check_invariants(store.root());
    assert_eq!(store.gc(&AT_ONCE).unwrap(), Collected::default());
    assert!(store.take_warnings().is_empty());
}

#[test]
fn a_stage_whose_result_is_lost_is_not_finished() {
    let store = filled();
    fs::remove_file(store.object(&Digest::of(b"network"))).unwrap();
    let collected = store.gc(&AT_ONCE).unwrap();
    assert_eq!((collected.epochs, collected.records, collected.objects), (0, 1, 1));
    assert_eq!(labels(&store), ["e1", "e10", "e2", "i1", "i2"]);
}

#[test]
fn what_a_removed_record_named_goes_at_once_and_the_rest_after_its_grace() {
    let store = filled();
    let collected = store.gc(&GcPolicy::default()).unwrap();
    assert_eq!(collected, Collected { epochs: 2, objects: 2, bytes: 12, ..Collected::default() });
    assert!(store.get(&Digest::of(b"unnamed")).unwrap().is_some(), "somebody may be about to name it");
}

#[test]
fn checkpoints_can_be_kept() {
    let store = filled();
    let collected = store.gc(&GcPolicy { keep_epochs: true, ..AT_ONCE }).unwrap();
    assert_eq!((collected.epochs, collected.objects), (0, 1));
    assert_eq!(labels(&store), ["e1", "e10", "e2", "i1", "i2", "stage"]);
}

#[test]
fn records_go_by_age_and_the_future_counts_as_now() {
    let store = place();
    store.put(b"x").unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    for (label, created) in
        [("1970", 0), ("old", now - 5000), ("new", now - 50), ("soon", now + 5000), ("end", u64::MAX)]
    {
        store.commit(Record { created, ..record(label, &[("x", b"x")]) }, false).unwrap();
    }
    let policy = GcPolicy { older_than: Some(Duration::from_secs(1000)), ..AT_ONCE };
    assert_eq!(store.gc(&policy).unwrap().records, 2);
    assert_eq!(labels(&store), ["end", "new", "soon"]);
    assert_eq!(store.status().unwrap().objects, 1, "the object is still named");
}

#[test]
fn the_grace_protects_what_is_young_whatever_the_clock() {
    let store = place();
    let policy = GcPolicy { grace: Duration::from_secs(3600), ..AT_ONCE };
    let far = Duration::from_secs(4_000_000_000);
    let now = SystemTime::now();
    let times =
        [(b"1970", SystemTime::UNIX_EPOCH), (b"2096", SystemTime::UNIX_EPOCH + far), (b"soon", now), (b"used", now)];
    for (bytes, time) in times {
        let digest = store.put(bytes).unwrap();
        fs::File::open(store.object(&digest)).unwrap().set_modified(time).unwrap();
    }
    let used = fs::File::open(store.object(&Digest::of(b"used"))).unwrap();
    used.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    store.put(b"used").unwrap(); // about to be committed, so it is young again
    assert_eq!(store.gc(&policy).unwrap().objects, 1);
    assert_eq!(store.get(&Digest::of(b"1970")).unwrap(), None);
    assert_eq!(store.gc(&AT_ONCE).unwrap().objects, 3, "without a grace nothing is young, not even the future");
}

#[test]
fn quarantine_orphans_locks_and_bad_records_are_swept() {
    let store = filled();
    overwrite(&store.object(&Digest::of(b"unnamed")), b"damaged");
    store.get(&Digest::of(b"unnamed")).unwrap();
    overwrite(&store.action(&Digest::of(b"i2")), b"damaged");
    drop(store.try_lock(&Digest::of(b"free")).unwrap());
    let held = store.try_lock(&Digest::of(b"held")).unwrap().unwrap();
    let orphan = store.tree.temps().join("elsewhere-1-0");
    fs::write(&orphan, b"half").unwrap();
    fs::File::options().write(true).open(&orphan).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let collected = store.gc(&AT_ONCE).unwrap();
    assert_eq!((collected.records, collected.quarantined, collected.temps), (1, 2, 1));
    assert!(!store.tree.lock(&Digest::of(b"free")).exists());
    assert!(store.tree.lock(&Digest::of(b"held")).exists());
    assert!(store.try_lock(&Digest::of(b"held")).unwrap().is_none());
    drop(held);
    check_invariants(store.root());
}

#[test]
fn nothing_is_collected_while_a_run_uses_the_store() {
    let store = filled();
    let (one, two) = (store.begin_use().unwrap(), store.reopen().begin_use().unwrap());
    let error = store.gc(&AT_ONCE).unwrap_err();
    assert_eq!(error.kind, Kind::LockTimeout);
    assert!(error.message.contains(&std::process::id().to_string()), "{error}");
    drop(one);
    assert!(store.gc(&AT_ONCE).is_err());
    let mut calls = 0;
    let mut two = Some(two);
    let collected = store.gc_waiting(&AT_ONCE, &mut |_| {
        calls += 1;
        two = None;
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!(collected.unwrap().unwrap().epochs, 2);
    assert_eq!(calls, 1);
}

#[test]
fn a_folder_that_cannot_be_read_stops_the_collection() {
    let store = filled();
    let shard = store.action(&Digest::of(b"stage")).parent().unwrap().to_owned();
    let away = store.root().join("away");
    fs::rename(&shard, &away).unwrap();
    std::os::unix::fs::symlink(&shard, &shard).unwrap(); // a loop
    assert_eq!(store.gc(&AT_ONCE).unwrap_err().kind, Kind::Store);
    fs::remove_file(&shard).unwrap();
    fs::rename(&away, &shard).unwrap();
    assert_eq!(store.status().unwrap().objects, 7);
}
