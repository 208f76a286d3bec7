//! Garbage collection.

use super::*;
use crate::error::Kind;
use std::time::{Duration, SystemTime};

const AT_ONCE: GcPolicy = GcPolicy {
    wait: false,
    keep_epochs: false,
    older_than: None,
    max_size: None,
    chosen: None,
    inputs: made_from,
    grace: Duration::ZERO,
    dry_run: false,
};

/// What these tests write into a record's fields: the objects that it was made from.
fn made_from(record: &Record) -> Vec<Digest> {
    record.fields.iter().filter(|(name, _)| name == "from").map(|(_, content)| Digest::of(content.as_bytes())).collect()
}

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
    assert_eq!((collected.epochs(), collected.objects, collected.bytes, collected.left), (2, 3, 19, 26));
    let told: Vec<_> = collected.gone.iter().map(|gone| (gone.epoch, &*gone.label, gone.bytes, gone.why)).collect();
    assert!(told.contains(&(1, "e1", 6, Why::Superseded)) && told.len() == 2, "{told:?}");
    assert_eq!(counted, collected);
    let left = labels(&store);
    assert_eq!(left, ["e10", "i1", "i2", "stage"], "an interrupted stage goes on, and a finished one can be longer");
    check_invariants(store.root());
    let again = store.gc(&AT_ONCE).unwrap();
    assert_eq!(again, Collected { left: 26, ..Collected::default() });
    assert!(store.take_warnings().is_empty());
}

#[test]
fn a_stage_whose_result_is_lost_is_not_finished() {
    let store = filled();
    fs::remove_file(store.object(&Digest::of(b"network"))).unwrap();
    let collected = store.gc(&AT_ONCE).unwrap();
    assert_eq!((collected.epochs(), collected.corrupt, collected.objects), (0, 1, 1));
    assert_eq!(labels(&store), ["e1", "e10", "e2", "i1", "i2"]);
}

#[test]
fn what_a_removed_record_named_goes_at_once_and_the_rest_after_its_grace() {
    let store = filled();
    let collected = store.gc(&GcPolicy::default()).unwrap();
    assert_eq!((collected.epochs(), collected.objects, collected.bytes), (2, 2, 12));
    assert!(store.get(&Digest::of(b"unnamed")).unwrap().is_some(), "somebody may be about to name it");
}

#[test]
fn checkpoints_can_be_kept() {
    let store = filled();
    let collected = store.gc(&GcPolicy { keep_epochs: true, ..AT_ONCE }).unwrap();
    assert_eq!((collected.epochs(), collected.objects), (0, 1));
    assert_eq!(labels(&store), ["e1", "e10", "e2", "i1", "i2", "stage"]);
}

/// Makes it as if the record had not been used for so many seconds; negative: as by a clock that was ahead.
fn unused_for(store: &Store, label: &str, seconds: i64) {
    let now = SystemTime::now();
    let span = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { now + span } else { now - span };
    fs::File::open(store.tree.action(&Digest::of(label.as_bytes()))).unwrap().set_modified(time).unwrap();
}

const DAY: i64 = 86_400;

#[test]
fn records_go_by_their_last_use_and_the_future_counts_as_now() {
    let store = place();
    store.put(b"x").unwrap();
    let ages = [("1970", 50 * 365 * DAY), ("old", 5000), ("new", 50), ("soon", -5000), ("end", -10 * 365 * DAY)];
    for (label, age) in ages {
        // The day of making says nothing.
        store.commit(Record { created: 0, ..record(label, &[("x", b"x")]) }, false).unwrap();
        unused_for(&store, label, age);
    }
    let policy = GcPolicy { older_than: Some(Duration::from_secs(1000)), ..AT_ONCE };
    assert_eq!(store.gc(&policy).unwrap().gone.len(), 2);
    assert_eq!(labels(&store), ["end", "new", "soon"]);
    assert_eq!(store.status().unwrap().objects, 1, "the object is still named");
}

#[test]
fn what_is_recalled_is_used_and_once_a_day_is_enough() {
    let store = place();
    let time = |label: &str| store.used(&Digest::of(label.as_bytes()));
    for (label, age, is_noted) in [("old", 40 * DAY, true), ("today", DAY / 2, false), ("ahead", -40 * DAY, true)] {
        let key = Digest::of(label.as_bytes());
        store.commit(record(label, &[]), false).unwrap();
        unused_for(&store, label, age);
        let before = time(label);
        store.lookup(&key).unwrap().unwrap();
        assert_eq!(time(label), before, "a look is no use");
        store.recall(&key).unwrap().unwrap();
        assert_eq!(time(label) != before, is_noted, "{label}");
        assert!(!is_noted || temps::age(time(label)) < Duration::from_secs(60));
    }
    assert!(store.recall(&Digest::of(b"absent")).unwrap().is_none());
    check_invariants(store.root());
}

/// A record that was made from others' objects.
fn from(label: &str, own: &[u8], inputs: &[&str]) -> Record {
    let fields = inputs.iter().map(|content| ("from".to_owned(), (*content).to_owned())).collect();
    Record { fields, created: inputs.len() as u64, ..record(label, &[("weights", own)]) }
}

/// A teacher with two students, of which one is used; a network that nothing was made from; and epochs.
fn family() -> Place {
    let store = place();
    for bytes in [&b"teacher"[..], b"student", b"unused", b"alone", b"epoch 1", b"epoch 2"] {
        store.put(bytes).unwrap();
    }
    let records = [
        from("teacher", b"teacher", &[]),
        from("student", b"student", &["teacher"]),
        from("unused", b"unused", &["teacher"]),
        // Its input is its output too, as of a prune that removes nothing.
        from("alone", b"alone", &["alone"]),
        epoch("e1", "student", b"epoch 1"),
        epoch("e2", "student", b"epoch 2"),
    ];
    for (record, days) in records.into_iter().zip([40, 1, 39, 20, 40, 40]) {
        let label = record.label.clone();
        store.commit(record, false).unwrap();
        unused_for(&store, &label, days * DAY);
    }
    store
}

#[test]
fn what_a_used_result_was_made_from_is_used_too() {
    let store = family();
    let days = |days: u64| Some(Duration::from_secs(days * DAY as u64));
    store.gc(&GcPolicy { older_than: days(30), ..AT_ONCE }).unwrap();
    assert_eq!(labels(&store), ["alone", "e2", "student", "teacher"]);
    store.gc(&GcPolicy { older_than: days(10), ..AT_ONCE }).unwrap();
    assert_eq!(labels(&store), ["e2", "student", "teacher"]);
    store.gc(&GcPolicy { older_than: days(0), ..AT_ONCE }).unwrap();
    assert_eq!(store.status().unwrap(), Status::default());
}

#[test]
fn a_size_is_kept_by_what_was_not_used_for_longest() {
    // Teacher and student 14 bytes, unused 6, alone 5, an epoch 7.
    for (limit, left) in [
        (1000, vec!["alone", "e2", "student", "teacher", "unused"]),
        (32, vec!["alone", "e2", "student", "teacher", "unused"]),
        (31, vec!["alone", "student", "teacher", "unused"]),
        (24, vec!["alone", "student", "teacher"]),
        (14, vec!["student", "teacher"]),
        (13, vec!["teacher"]),
        (0, vec![]),
    ] {
        let store = family();
        let policy = GcPolicy { max_size: Some(limit), ..AT_ONCE };
        let told = store.gc(&GcPolicy { dry_run: true, ..policy.clone() }).unwrap();
        assert_eq!(labels(&store).len(), 6);
        let collected = store.gc(&policy).unwrap();
        assert_eq!(told, collected);
        assert_eq!(labels(&store), left, "{limit}");
        assert_eq!(collected.left, store.status().unwrap().bytes);
        assert!(collected.left <= limit);
        check_invariants(store.root());
    }
}

#[test]
fn what_is_named_goes_and_nothing_else() {
    let keys = |labels: &[&str]| Some(labels.iter().map(|label| Digest::of(label.as_bytes())).collect::<HashSet<_>>());
    let store = family();
    // With its epochs, as these are of no use without it.
    store.gc(&GcPolicy { chosen: keys(&["student"]), ..AT_ONCE }).unwrap();
    assert_eq!(labels(&store), ["alone", "teacher", "unused"]);
    let days = Some(Duration::from_secs(30 * DAY as u64));
    store.gc(&GcPolicy { chosen: keys(&["alone", "unused"]), older_than: days, ..AT_ONCE }).unwrap();
    assert_eq!(labels(&store), ["alone", "teacher"], "what is named, and old");
    store.gc(&GcPolicy { chosen: keys(&["teacher"]), max_size: Some(0), ..AT_ONCE }).unwrap();
    assert_eq!(labels(&store), ["alone"]);
}

#[test]
fn what_a_live_run_pins_stays_and_the_rest_goes_beside_it() {
    let store = family();
    let other = store.reopen();
    let mut pinned = pins(&other, "run");
    let mut busy = |_| std::ops::ControlFlow::Break(());
    assert!(pinned.add([Digest::of(b"student"), Digest::of(b"alone")], &mut busy).unwrap());
    let policy = GcPolicy { older_than: Some(Duration::ZERO), ..AT_ONCE };
    let error = store.gc(&policy).unwrap_err();
    assert_eq!(error.kind, Kind::LockTimeout, "a run is about to pin more");
    pinned.settle();
    store.put(b"about to be named").unwrap();
    let collected = store.gc(&policy).unwrap();
    assert!(collected.beside_a_run);
    let left = ["alone", "e1", "e2", "student"];
    assert_eq!(labels(&store), left, "with the epochs of a pinned stage, and without what it was made from");
    assert!(store.get(&Digest::of(b"about to be named")).unwrap().is_some());
    store.gc(&GcPolicy { max_size: Some(0), ..AT_ONCE }).unwrap();
    store.gc(&GcPolicy { chosen: Some([Digest::of(b"alone")].into()), ..AT_ONCE }).unwrap();
    assert_eq!(labels(&store), left);
    // More can be pinned at any time, but not while a collection is under way.
    assert!(pinned.add([Digest::of(b"more")], &mut busy).unwrap());
    let alone = store.attempt(&store.tree.use_lock(), false).unwrap().unwrap();
    assert!(!pinned.add([Digest::of(b"even more")], &mut busy).unwrap());
    assert!(other.pins("second", &mut busy).unwrap().is_none());
    drop(alone);
    drop(pinned);
    assert!(!store.gc(&policy).unwrap().beside_a_run);
    assert!(labels(&store).is_empty());
}

#[test]
fn what_a_dead_run_left_pins_nothing() {
    let store = family();
    let folder = store.run_directory("dead").unwrap();
    fs::write(folder.join("pins"), format!("{}\n", Digest::of(b"student"))).unwrap();
    fs::write(folder.join("live"), "1         \n").unwrap();
    store.gc(&GcPolicy { older_than: Some(Duration::ZERO), ..AT_ONCE }).unwrap();
    assert!(labels(&store).is_empty());
}

#[test]
fn journals_of_runs_that_ended_go_after_a_week() {
    let store = place();
    for (run, days) in [("old", 8), ("new", 6), ("today", 0)] {
        let journal = store.journal(run).unwrap();
        let time = SystemTime::now() - Duration::from_secs(days * DAY as u64);
        fs::File::open(journal.path()).unwrap().set_modified(time).unwrap();
        fs::File::open(journal.path().parent().unwrap()).unwrap().set_modified(time).unwrap();
    }
    let other = store.reopen();
    let mut live = pins(&other, "live");
    live.settle();
    let runs = || files::list(&store.tree.runs()).unwrap().len();
    assert_eq!((store.gc(&GcPolicy::default()).unwrap().runs, runs()), (1, 3));
    let policy = GcPolicy { older_than: Some(Duration::from_secs(5 * DAY as u64)), ..AT_ONCE };
    assert_eq!((store.gc(&policy).unwrap().runs, runs()), (1, 2));
    drop(live);
    assert_eq!(store.gc(&GcPolicy { older_than: Some(Duration::ZERO), ..AT_ONCE }).unwrap().runs, 2);
    assert_eq!(runs(), 0);
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
    assert_eq!((collected.corrupt, collected.quarantined, collected.temps), (1, 2, 1));
    assert!(!store.tree.lock(&Digest::of(b"free")).exists());
    assert!(store.tree.lock(&Digest::of(b"held")).exists());
    assert!(store.try_lock(&Digest::of(b"held")).unwrap().is_none());
    drop(held);
    check_invariants(store.root());
}

#[test]
fn nothing_is_collected_while_a_run_begins_to_pin() {
    let store = filled();
    let second = store.reopen();
    let (one, two) = (pins(&store, "one"), pins(&second, "two"));
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
    assert_eq!(collected.unwrap().unwrap().epochs(), 2);
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
