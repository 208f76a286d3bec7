//! What the store promises of objects, records and journals.

use super::*;
use crate::error::Kind;
use serde_json::json;

#[test]
fn the_store_can_be_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Store>();
    shared::<Journal>();
    shared::<KeyLock>();
}

#[test]
fn an_object_comes_back_and_lies_where_it_should() {
    let store = place();
    let large: Vec<u8> = (0..3_000_000u32).map(|index| (index % 251) as u8).collect();
    for bytes in [&b""[..], b"weights", &large] {
        let digest = store.put(bytes).unwrap();
        assert_eq!(digest, Digest::of(bytes));
        assert_eq!(store.get(&digest).unwrap().as_deref(), Some(bytes));
        assert_eq!(store.put(bytes).unwrap(), digest, "putting again changes nothing");
        let hex = digest.to_string();
        assert!(store.root().join("v1/objects").join(&hex[..2]).join(&hex).is_file());
    }
    assert_eq!(store.get(&Digest::of(b"never put")).unwrap(), None);
    assert_eq!(store.status().unwrap().objects, 3);
    assert_eq!(count(&store.tree.temps()), 0);
    check_invariants(store.root());
    assert!(store.take_warnings().is_empty());
}

#[test]
fn no_damage_to_an_object_is_ever_read() {
    let bytes: Vec<u8> = (0..64).collect();
    let digest = Digest::of(&bytes);
    let mut damaged = vec![Vec::new(), [&bytes[..], b"x"].concat(), vec![0; 64]];
    damaged.extend((0..bytes.len()).map(|length| bytes[..length].to_vec()));
    damaged.extend((0..bytes.len()).map(|position| {
        let mut flipped = bytes.clone();
        flipped[position] ^= 1;
        flipped
    }));
    let store = place();
    for wrong in damaged {
        let store = store.reopen();
        store.put(&bytes).unwrap();
        overwrite(&store.tree.object(&digest), &wrong);
        assert_eq!(store.get(&digest).unwrap(), None);
        assert_eq!(store.get(&digest).unwrap(), None);
        let warnings = store.take_warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(&digest.short()) && warnings[0].contains("quarantine"), "{warnings:?}");
        assert_eq!(store.put(&bytes).unwrap(), digest);
        assert_eq!(store.get(&digest).unwrap().as_ref(), Some(&bytes));
    }
}

#[test]
fn putting_heals_a_corrupt_object_once() {
    let store = place();
    let digest = store.put(b"weights").unwrap();
    for wrong in [&b"weighty"[..], b"weight", b"weights and more", b""] {
        let run = store.reopen();
        overwrite(&store.object(&digest), wrong);
        run.put(b"weights").unwrap();
        assert_eq!(run.get(&digest).unwrap().unwrap(), b"weights");
        assert_eq!(run.take_warnings().len(), 1);
        overwrite(&store.object(&digest), wrong);
        let error = run.put(b"weights").unwrap_err();
        assert_eq!(error.kind, Kind::Store);
        assert!(error.message.contains("corrupt again"), "{error}");
        store.reopen().put(b"weights").unwrap();
    }
    assert_eq!(count(&store.tree.quarantine()), 8);
    check_invariants(store.root());
}

#[test]
fn what_is_no_plain_file_is_no_object() {
    let store = place();
    let elsewhere = store.folder.path().join("elsewhere");
    fs::write(&elsewhere, b"weights").unwrap();
    type Make = fn(&Path, &Path);
    let odd: [Make; 3] = [
        |path, target| std::os::unix::fs::symlink(target, path).unwrap(), // even though the bytes would be right
        |path, _| fs::create_dir(path).unwrap(),
        |path, _| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success()),
    ];
    for make in odd {
        let store = store.reopen();
        let digest = store.put(b"weights").unwrap();
        let path = store.tree.object(&digest);
        fs::remove_file(&path).unwrap();
        make(&path, &elsewhere);
        assert_eq!(store.get(&digest).unwrap(), None);
        assert_eq!(store.take_warnings().len(), 1);
        store.put(b"weights").unwrap();
        assert_eq!(store.get(&digest).unwrap().unwrap(), b"weights");
    }
    check_invariants(store.root());
    assert_eq!(fs::read(elsewhere).unwrap(), b"weights");
}

#[test]
fn a_commit_is_found_and_the_first_one_wins() {
    let store = place();
    store.put(b"one").unwrap();
    store.put(b"two").unwrap();
    let first = record("teacher", &[("network", b"one")]);
    assert_eq!(store.lookup(&first.key).unwrap(), None);
    assert_eq!(store.commit(first.clone(), false).unwrap(), Commit::Stored);
    assert_eq!(store.lookup(&first.key).unwrap(), Some(first.clone()));
    let later = Record { created: 1_800_000_000, label: "renamed".into(), ..first.clone() };
    assert_eq!(store.commit(later, false).unwrap(), Commit::Same);
    let other = record("teacher", &[("network", b"two")]);
    assert_eq!(store.commit(other.clone(), false).unwrap(), Commit::Kept(first.clone()));
    assert_eq!(store.reopen().lookup(&first.key).unwrap(), Some(first.clone()));
    assert_eq!(store.commit(other.clone(), true).unwrap(), Commit::Stored);
    assert_eq!(store.lookup(&first.key).unwrap(), Some(other.clone()));
    assert_eq!(store.records().collect::<Vec<_>>(), [other]);
    check_invariants(store.root());
    store.forget(&first.key).unwrap();
    store.forget(&first.key).unwrap();
    assert_eq!(store.lookup(&first.key).unwrap(), None);
    assert!(store.take_warnings().is_empty());
}

#[test]
fn a_record_may_name_only_what_is_there() {
    let store = place();
    store.put(b"one").unwrap();
    let mut lie = record("teacher", &[("network", b"one")]);
    lie.outputs.get_mut("network").unwrap().size = 4;
    for bad in [record("teacher", &[("network", b"absent")]), lie] {
        let error = store.commit(bad.clone(), false).unwrap_err();
        assert_eq!(error.kind, Kind::Internal);
        assert!(error.message.contains("network"), "{error}");
        assert_eq!(store.lookup(&bad.key).unwrap(), None);
    }
    assert_eq!(store.records().count(), 0);
    let empty = record("nothing came of it", &[]);
    assert_eq!(store.commit(empty.clone(), false).unwrap(), Commit::Stored);
    assert_eq!(store.lookup(&empty.key).unwrap(), Some(empty));
}

#[test]
fn a_damaged_record_is_a_miss_is_removed_and_can_be_committed_again() {
    let store = place();
    store.put(b"one").unwrap();
    let good = record("teacher", &[("network", b"one")]);
    let foreign = record("another", &[("network", b"one")]).encode().unwrap();
    let whole = good.encode().unwrap();
    let mut lie = good.clone();
    lie.outputs.get_mut("network").unwrap().size = 4;
    let lie = lie.encode().unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 4;
    for wrong in [&b""[..], b"{}", &whole[..whole.len() - 1], &flipped, &foreign, &lie, &[0xff; 300]] {
        let store = store.reopen();
        store.commit(good.clone(), false).unwrap();
        let path = store.tree.action(&good.key);
        overwrite(&path, wrong);
        assert_eq!(store.records().filter(|found| found.key != good.key).count(), 0);
        store.take_warnings();
        assert_eq!(store.lookup(&good.key).unwrap(), None);
        assert_eq!(store.take_warnings().len(), 1);
        assert!(!path.exists());
        fs::write(&path, wrong).unwrap();
        assert_eq!(store.commit(good.clone(), false).unwrap(), Commit::Stored, "a bad record stands in nobody's way");
        assert_eq!(store.lookup(&good.key).unwrap().as_ref(), Some(&good));
    }
    assert_eq!(store.get(&Digest::of(b"one")).unwrap().unwrap(), b"one", "the object was never to blame");
}

#[test]
fn a_damaged_record_stays_while_somebody_holds_its_lock() {
    let store = place();
    let good = record("teacher", &[]);
    store.commit(good.clone(), false).unwrap();
    let path = store.action(&good.key);
    overwrite(&path, b"damaged");
    let lock = store.try_lock(&good.key).unwrap().unwrap();
    assert_eq!(store.lookup(&good.key).unwrap(), None);
    assert!(path.exists());
    assert_eq!(store.commit(good.clone(), false).unwrap(), Commit::Stored, "the holder replaces it");
    drop(lock);
    assert_eq!(store.lookup(&good.key).unwrap(), Some(good));
}

#[test]
fn a_record_whose_object_is_gone_or_damaged_is_a_miss() {
    let store = place();
    let good = record("teacher", &[("network", b"one"), ("metrics", b"two")]);
    type Damage = fn(&Path);
    let damages: [(Damage, &str); 3] = [
        (|path| fs::remove_file(path).unwrap(), "missing"),
        (|path| overwrite(path, b"longer than it was"), "corrupt"),
        (|path| overwrite(path, b""), "corrupt"),
    ];
    for (damage, said) in damages {
        let store = store.reopen();
        for bytes in [b"one", b"two"] {
            store.put(bytes).unwrap();
        }
        assert_eq!(store.commit(good.clone(), false).unwrap(), Commit::Stored);
        damage(&store.tree.object(&Digest::of(b"two")));
        assert_eq!(store.lookup(&good.key).unwrap(), None);
        assert_eq!(store.lookup(&good.key).unwrap(), None);
        let warnings = store.take_warnings();
        assert!(warnings.len() == 1 && warnings[0].contains(said), "{warnings:?}");
    }
}

#[test]
fn folders_that_vanish_are_made_again() {
    let store = place();
    let good = record("teacher", &[("network", b"one")]);
    for folder in ["", "v1", "v1/tmp", "v1/objects", "v1/actions", "v1/locks", "v1/quarantine", "v1/runs"] {
        fs::remove_dir_all(store.root().join(folder)).unwrap();
        assert_eq!(
            store.lookup(&good.key).unwrap().is_some(),
            !["", "v1", "v1/objects", "v1/actions"].contains(&folder)
        );
        let store = store.reopen();
        fs::remove_dir_all(store.root().join(folder)).unwrap();
        store.put(b"one").unwrap();
        store.commit(good.clone(), false).unwrap();
        assert_eq!(store.get(&Digest::of(b"one")).unwrap().unwrap(), b"one", "after {folder} was gone");
        assert!(store.lookup(&good.key).unwrap().is_some(), "after {folder} was gone");
        drop(store.try_lock(&good.key).unwrap().unwrap());
        store.journal("run").unwrap().append(&json!(1)).unwrap();
        store.put(b"two").unwrap();
        overwrite(&store.tree.object(&Digest::of(b"two")), b"x");
        assert_eq!(store.get(&Digest::of(b"two")).unwrap(), None);
        assert_eq!(count(&store.tree.quarantine()), 1);
        for left in fs::read_dir(store.tree.quarantine()).unwrap() {
            fs::remove_file(left.unwrap().path()).unwrap();
        }
        store.status().unwrap();
        fs::create_dir_all(store.root().join(folder)).unwrap();
    }
}

#[test]
fn verification_finds_and_removes_what_is_wrong() {
    let store = place();
    for bytes in [&b"one"[..], b"two", b"three"] {
        store.put(bytes).unwrap();
    }
    let (first, second, third) = (record("a", &[("x", b"one")]), record("b", &[("x", b"two")]), record("c", &[]));
    for record in [&first, &second, &third] {
        store.commit(record.clone(), false).unwrap();
    }
    let sound = store.verify().unwrap();
    assert_eq!((sound.objects, sound.bytes, sound.records, sound.findings.len()), (3, 11, 3, 0));
    overwrite(&store.object(&Digest::of(b"two")), b"tow");
    overwrite(&store.action(&third.key), b"damaged");
    let stray = store.object(&Digest::of(b"one")).with_file_name("notes.txt");
    fs::write(&stray, b"mine").unwrap();
    let found = store.verify().unwrap();
    let paths: std::collections::BTreeSet<_> = found.findings.iter().map(|finding| finding.path.clone()).collect();
    let expected = [store.object(&Digest::of(b"two")), stray, store.action(&second.key), store.action(&third.key)];
    assert_eq!(paths, expected.into_iter().collect());
    assert_eq!(found.findings.len(), 4);
    assert!(store.verify().unwrap().findings.is_empty(), "it was all removed");
    assert_eq!(store.lookup(&first.key).unwrap(), Some(first));
    let status = store.status().unwrap();
    assert_eq!((status.objects, status.bytes, status.quarantined), (2, 8, 3));
    assert_eq!(status.records, BTreeMap::from([("stage".to_owned(), 1)]));
}

#[test]
fn a_journal_torn_at_any_byte_loses_only_its_tail() {
    let store = place();
    let lines = [json!({"event": "start"}), json!({"stage": "teacher\n", "n": 1}), json!(["end"])];
    let journal = store.journal("run-1").unwrap();
    let mut ends = vec![0];
    for line in &lines {
        journal.append(line).unwrap();
        ends.push(fs::metadata(journal.path()).unwrap().len() as usize);
    }
    journal.flush().unwrap();
    assert_eq!(read_journal(journal.path()).unwrap(), (lines.to_vec(), false));
    let bytes = fs::read(journal.path()).unwrap();
    for length in 0..bytes.len() {
        let whole = ends.iter().filter(|end| **end <= length).count() - 1;
        fs::write(journal.path(), &bytes[..length]).unwrap();
        assert_eq!(
            read_journal(journal.path()).unwrap(),
            (lines[..whole].to_vec(), !ends.contains(&length)),
            "{length}"
        );
        store.journal("run-1").unwrap().append(&json!("resumed")).unwrap();
        let mended = [&lines[..whole], &[json!("resumed")]].concat();
        assert_eq!(read_journal(journal.path()).unwrap(), (mended, false), "{length}");
    }
    assert_eq!(read_journal(&store.root().join("absent")).unwrap(), (vec![], false));
    fs::write(journal.path(), b"{}\nnot json\n{}\n").unwrap();
    assert_eq!(read_journal(journal.path()).unwrap(), (vec![json!({})], true));
}

#[test]
fn a_run_keeps_files_under_plain_names_only() {
    let store = place();
    let path = store.save_in_run("run-1", "student[seed=1] last finite.safetensors", b"weights").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"weights");
    store.save_in_run("run-1", "student[seed=1] last finite.safetensors", b"newer").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"newer");
    assert_eq!(path.parent().unwrap(), store.run_directory("run-1").unwrap());
    for bad in ["", ".", "..", "../x", "a/b", "/x", ".hidden", "a\0b", "a\nb"] {
        assert_eq!(store.run_directory(bad).unwrap_err().kind, Kind::Internal, "{bad:?}");
        assert_eq!(store.save_in_run("run-1", bad, b"").unwrap_err().kind, Kind::Internal, "{bad:?}");
    }
}

#[test]
fn one_corruption_that_many_readers_meet_counts_once() {
    let store = place();
    for round in 0..20u8 {
        let digest = store.put(&[round; 5000]).unwrap();
        overwrite(&store.object(&digest), &[!round; 5000]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(store.get(&digest).unwrap(), None));
            }
        });
        assert_eq!(store.take_warnings().len(), 1);
        store.put(&[round; 5000]).expect("it is the first time that it was corrupt");
    }
}

#[test]
fn files_are_committed_with_their_record() {
    let store = place();
    let files = BTreeMap::from([("weights".to_owned(), b"w".to_vec()), ("history".to_owned(), b"h".to_vec())]);
    let expected = record("key", &[("weights", b"w"), ("history", b"h")]);
    let (found, commit) = store.put_and_commit(record("key", &[("stale", b"s")]), &files, false).unwrap();
    assert_eq!((&found, commit), (&expected, Commit::Stored));
    assert_eq!(store.lookup(&found.key).unwrap(), Some(expected));
}
