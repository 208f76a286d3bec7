//! A fault at every single operation on the file system, one after the other.

use super::fault::{Effect, Mode, Operation, Scope, Step, arm_thread, parse};
use super::*;
use crate::error::{Kind, Result};
use std::process::{Command, Stdio};

const FOLDER: &str = "PLEACH_TEST_CRASH_FOLDER";
const FAULT: &str = "PLEACH_TEST_CRASH_FAULT";

/// EIO, ENOMEM, EACCES, EPERM, EINVAL, EMFILE, ENOSPC, EROFS, EDQUOT.
const ERRORS: [i32; 9] = [5, 12, 13, 1, 22, 24, 28, 30, 122];

type Outcome = Result<(Digest, Digest, Option<Record>)>;

/// Something that a run does: two objects, a record of them, and a look.
fn work(root: &Path) -> Outcome {
    let store = Store::open(root, &Options::default())?;
    let Some(mut pins) = store.pins("run", &mut |_| std::ops::ControlFlow::Break(()))? else {
        panic!("nobody is in the way");
    };
    pins.add([Digest::of(b"teacher")], &mut |_| std::ops::ControlFlow::Break(()))?;
    pins.settle();
    let first = store.put(b"weights")?;
    let second = store.put(b"metrics")?;
    let good = record("teacher", &[("network", b"weights"), ("metrics", b"metrics")]);
    let Some(_lock) = store.lock(&good.key, &mut |_| std::ops::ControlFlow::Break(()))? else {
        panic!("nobody is in the way");
    };
    store.commit(good.clone(), false)?;
    Ok((first, second, store.lookup(&good.key)?))
}

/// A run after the fault: with the same result as if there had been none.
fn recover(root: &Path) {
    let (first, second, found) = work(root).expect("a run after a fault succeeds");
    assert_eq!((first, second), (Digest::of(b"weights"), Digest::of(b"metrics")));
    assert!(found.is_some());
    let store = Store::open(root, &Options::default()).unwrap();
    for bytes in [b"weights", b"metrics"] {
        assert_eq!(store.get(&Digest::of(bytes)).unwrap().unwrap(), bytes);
    }
    assert!(store.verify().unwrap().findings.is_empty());
    check_invariants(root);
}

/// In memory where the system has such a place: these tests sync thousands of times.
fn quick_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn all(effect: Effect, at: u64) -> Mode {
    Mode { effect, at, scope: Scope::All }
}

/// What was let through, and what was hit first.
type Trace = (Vec<Step>, Option<Operation>);

/// Runs the work with a fault at operation 1, 2, … until one run goes untouched; gives the number of operations.
fn at_every_operation(effect: Effect, after: impl Fn(&Path, &Outcome, &Trace)) -> u64 {
    for at in 1.. {
        let folder = quick_folder();
        let root = folder.path().join("cache");
        let armed = arm_thread(all(effect, at), None);
        let result = work(&root);
        let (hits, trace) = (armed.hits(), (armed.steps(), armed.first_hit()));
        drop(armed);
        check_invariants(&root);
        after(&root, &result, &trace);
        recover(&root);
        if hits == 0 {
            assert!(result.is_ok());
            return at - 1;
        }
    }
    unreachable!()
}

fn committed(steps: &[Step]) -> bool {
    let record = |to: &PathBuf| to.parent().and_then(Path::parent).is_some_and(|folder| folder.ends_with("v1/actions"));
    steps.iter().any(|step| step.to.as_ref().is_some_and(record))
}

#[test]
fn one_failure_anywhere_publishes_nothing_half() {
    for errno in ERRORS {
        let operations = at_every_operation(Effect::Fail(errno), |root, result, trace| {
            let store = Store::open(root, &Options::default()).unwrap();
            let (steps, hit_operation) = (&trace.0, trace.1);
            let hit = store.lookup(&Digest::of(b"teacher")).unwrap().is_some();
            match result {
                Ok(_) => assert!(hit, "a run that succeeded has committed"),
                Err(error) => {
                    assert_eq!(error.kind, Kind::Store, "{error}");
                    assert!(error.path.is_some(), "{error}");
                    assert!(!hit || committed(steps), "what failed before the commit point publishes nothing");
                }
            }
            // Unless the removal is what failed.
            let removed = usize::from(hit_operation != Some(Operation::Unlink));
            assert!(store.status().unwrap().temps as usize + removed <= 1, "a temp is removed at once");
        });
        assert!(operations > 60, "{operations}");
    }
}

#[test]
fn failure_from_any_point_on_is_survived() {
    for errno in ERRORS {
        at_every_operation(Effect::FailFrom(errno), |root, result, (steps, _)| {
            if result.is_err() && !committed(steps) {
                let store = Store::open(root, &Options::default()).unwrap();
                assert_eq!(store.lookup(&Digest::of(b"teacher")).unwrap(), None);
            }
        });
    }
}

/// Several runs on one store, each with an error at some operation, once or from there on, and then one without: ten thousand
/// errors in all. `cargo test --features fault-injection --lib ten_thousand_errors -- --ignored`
#[test]
#[ignore = "ten thousand runs: a minute or two"]
fn ten_thousand_errors_give_no_wrong_byte() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |limit: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % limit
    };
    let mut hit = 0;
    while hit < 10_000 {
        let folder = quick_folder();
        let root = folder.path().join("cache");
        for _ in 0..3 {
            let errno = ERRORS[random(ERRORS.len() as u64) as usize];
            let effect = if random(2) == 0 { Effect::Fail(errno) } else { Effect::FailFrom(errno) };
            let armed = arm_thread(all(effect, 1 + random(140)), None);
            let result = work(&root);
            hit += u64::from(armed.hits() > 0);
            drop(armed);
            check_invariants(&root);
            assert!(
                result.is_err()
                    || Store::open(&root, &Options::default()).unwrap().get(&Digest::of(b"weights")).unwrap().is_some()
            );
        }
        recover(&root);
    }
}

#[test]
fn short_writes_lose_nothing() {
    at_every_operation(Effect::Short, |root, result, _| {
        assert!(result.is_ok());
        let store = Store::open(root, &Options::default()).unwrap();
        assert_eq!(store.get(&Digest::of(b"weights")).unwrap().unwrap(), b"weights");
    });
}

/// Not a test of its own: the process that `a_crash_at_any_operation_leaves_the_store_sound` starts.
#[test]
#[ignore = "started by another test in a process of its own"]
fn work_until_the_crash() {
    let root = std::env::var_os(FOLDER).expect("started by another test");
    fault::arm(parse(&std::env::var(FAULT).unwrap()).unwrap());
    let result = work(Path::new(&root));
    fault::disarm();
    result.unwrap();
}

#[test]
fn a_crash_at_any_operation_leaves_the_store_sound() {
    for at in 1.. {
        let folder = quick_folder();
        let root = folder.path().join("cache");
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::faults::work_until_the_crash", "--ignored"])
            .env(FOLDER, &root)
            .env(FAULT, format!("abort:{at}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        check_invariants(&root);
        recover(&root);
        assert_eq!(count(&root.join("v1/tmp")), 0, "what the dead process left is swept");
        if status.success() {
            assert!(at > 60, "{at}");
            return;
        }
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(6));
    }
}

#[test]
fn the_first_file_of_a_folder_is_written_and_synced_once() {
    let store = place();
    let armed = arm_thread(all(Effect::Fail(5), u64::MAX), None);
    store.put(b"weights").unwrap();
    let count = |operation| armed.steps().iter().filter(|step| step.operation == operation).count();
    assert_eq!((count(Operation::Create), count(Operation::Sync), count(Operation::MakeDirectory)), (1, 1, 1));
}

/// After each number of operations, the power fails in the worst way: of what was not synced, the bytes are lost and so
/// are the names of objects, but the names of records are not.
#[test]
fn a_power_cut_never_leaves_a_record_without_its_objects() {
    at_every_operation(Effect::FailFrom(5), |root, _, (steps, _)| {
        let later = |from: usize, path: &Path| {
            steps[from..].iter().any(|step| step.operation == Operation::Sync && step.path == path)
        };
        for (index, step) in steps.iter().enumerate() {
            let Some(to) = step.to.as_ref().filter(|to| to.exists()) else { continue };
            let write = steps.iter().rposition(|one| one.operation == Operation::Write && one.path == step.path);
            let synced = write.is_none_or(|write| later(write, &step.path));
            if !synced {
                overwrite(to, b"");
            } else if to.starts_with(root.join("v1/objects")) {
                let shard = to.parent().unwrap();
                if !later(index, shard) || !later(index, shard.parent().unwrap()) {
                    fs::remove_file(to).unwrap();
                }
            }
        }
        check_invariants(root);
    });
}

#[test]
fn a_full_disk_is_said_with_needed_and_free_bytes() {
    let store = place();
    for errno in ["ENOSPC", "EDQUOT", "EIO"] {
        for operation in ["create", "write", "sync", "rename"] {
            let armed = arm_thread(parse(&format!("fail-from:1:{errno}:{operation}")).unwrap(), None);
            let error = store.put(b"weights").unwrap_err();
            drop(armed);
            assert_eq!(error.kind, Kind::Store);
            assert_eq!(error.path, Some(store.object(&Digest::of(b"weights"))));
            assert!(error.message.contains("needed 7 bytes") && error.message.contains("are free"), "{error}");
            assert!(error.hints.iter().any(|hint| hint.contains("pleach cache gc")), "{:?}", error.hints);
            assert_eq!(count(&store.tree.temps()), 0);
            assert_eq!(store.get(&Digest::of(b"weights")).unwrap(), None);
        }
    }
}

#[test]
fn a_full_disk_can_be_opened_read_and_collected() {
    let store = place();
    store.put(b"garbage").unwrap();
    store.put(b"weights").unwrap();
    let good = record("teacher", &[("network", b"weights")]);
    store.commit(good.clone(), false).unwrap();
    drop(pins(&store, "run"));
    for scope in ["write", "make-directory", "rename"] {
        let _armed = arm_thread(parse(&format!("fail-from:1:ENOSPC:{scope}")).unwrap(), None);
        let full = store.reopen();
        assert_eq!(full.lookup(&good.key).unwrap().as_ref(), Some(&good));
        assert_eq!(full.get(&Digest::of(b"weights")).unwrap().unwrap(), b"weights");
        let policy = GcPolicy { grace: std::time::Duration::ZERO, ..GcPolicy::default() };
        full.gc(&policy).unwrap();
        assert_eq!(full.get(&Digest::of(b"garbage")).unwrap(), None);
    }
}

#[test]
fn a_store_that_cannot_be_written_is_refused_read_or_gets_a_private_folder_in_front() {
    let store = place();
    store.put(b"weights").unwrap();
    let good = record("teacher", &[("network", b"weights")]);
    store.commit(good.clone(), false).unwrap();
    for errno in ["EROFS", "EACCES", "EPERM"] {
        let mode = parse(&format!("fail-from:1:{errno}:changes")).unwrap();
        let _armed = arm_thread(mode, Some(store.root()));
        let error = Store::open(store.root(), &Options::default()).unwrap_err();
        assert!(error.kind == Kind::Store && error.message.contains("cannot be written"), "{error}");
        assert!(error.hints.iter().any(|hint| hint.contains("--cache")), "{:?}", error.hints);
        let read = Store::open(store.root(), &Options { access: Access::Read, ..Options::default() }).unwrap();
        assert!(!read.is_writable() && !read.keeps_nothing());
        assert_eq!(read.lookup(&good.key).unwrap().as_ref(), Some(&good));
        drop(pins(&read, "run"));
        assert_eq!(read.put(b"new").unwrap_err().kind, Kind::Store);
        assert!(read.take_warnings().is_empty());

        let place = tempfile::tempdir().unwrap();
        let options = Options { access: Access::InFront(place.path().to_owned()), ..Options::default() };
        let front = Store::open(store.root(), &options).unwrap();
        assert!(!front.is_writable() && front.keeps_nothing());
        assert_eq!(front.take_warnings().len(), 1);
        assert_eq!(front.lookup(&good.key).unwrap().as_ref(), Some(&good));
        let pins = pins(&front, "run");
        let _lock = front.lock(&good.key, &mut |_| std::ops::ControlFlow::Break(())).unwrap().unwrap();
        front.put(b"new").unwrap();
        let new = record("new", &[("x", b"new"), ("y", b"weights")]);
        assert_eq!(front.commit(new.clone(), false).unwrap(), Commit::Stored);
        assert_eq!(front.lookup(&new.key).unwrap(), Some(new));
        assert_eq!(front.get(&Digest::of(b"new")).unwrap().unwrap(), b"new");
        assert!(front.take_warnings().is_empty());
        let full = arm_thread(parse("fail-from:1:ENOSPC:write").unwrap(), None);
        let error = front.put(b"more").unwrap_err();
        drop(full);
        assert!(error.hints.len() == 1 && error.hints[0].contains("TMPDIR"), "{:?}", error.hints);
        drop(pins);
        drop(front);
        assert_eq!(count(place.path()), 0);
    }
    assert_eq!(store.status().unwrap().objects, 1);
}

/// A handle that found the store read-only once used to go on in a private folder, unasked; what was put through it was
/// gone for whoever opened the store next, whose commit said that "the record of ``" named what was not there.
#[test]
fn one_refusal_on_opening_hides_no_object_from_the_next_handle() {
    let store = place();
    for errno in ERRORS {
        for at in 1.. {
            let armed = arm_thread(all(Effect::Fail(errno), at), None);
            let put = Store::open(store.root(), &Options::default()).and_then(|store| store.put(b"weights"));
            let hits = armed.hits();
            drop(armed);
            if put.is_ok() {
                let key = format!("{errno} {at}");
                store.reopen().commit(record(&key, &[("network", b"weights")]), false).unwrap();
            }
            if hits == 0 {
                break;
            }
        }
    }
}

#[test]
fn a_record_without_a_label_is_called_by_its_kind() {
    let store = place();
    let epoch = Record { kind: "epoch".into(), label: String::new(), ..record("x", &[("network", b"weights")]) };
    let error = store.commit(epoch, false).unwrap_err();
    assert!(error.message.starts_with("the record of `epoch` names object"), "{error}");
}

#[test]
fn a_device_that_fails_once_costs_no_record() {
    let store = place();
    store.put(b"weights").unwrap();
    let good = record("teacher", &[("network", b"weights")]);
    store.commit(good.clone(), false).unwrap();
    let armed = arm_thread(parse("fail:1:EIO:read").unwrap(), None);
    assert_eq!(store.lookup(&good.key).unwrap().as_ref(), Some(&good));
    assert_eq!(armed.hits(), 1);
    drop(armed);
    let _armed = arm_thread(parse("fail:2:EIO:read").unwrap(), None);
    assert!(store.verify().unwrap().findings.is_empty());
}

#[test]
fn a_file_system_without_modes_is_used_all_the_same() {
    for errno in ["EPERM", "EACCES", "ENOTSUP"] {
        let folder = tempfile::tempdir().unwrap();
        let armed = arm_thread(parse(&format!("fail-from:1:{errno}:mark")).unwrap(), None);
        let (_, _, found) = work(&folder.path().join("cache")).unwrap();
        assert!(found.is_some() && armed.hits() > 0, "{errno}");
    }
}

#[test]
fn a_file_system_without_locks_is_said_once() {
    for errno in ["ENOTSUP", "ENOLCK"] {
        let store = place();
        let _armed = arm_thread(parse(&format!("fail-from:1:{errno}:lock")).unwrap(), None);
        for key in ["a", "b"] {
            let lock = store.lock(&Digest::of(key.as_bytes()), &mut |_| std::ops::ControlFlow::Break(()));
            assert!(lock.unwrap().is_some());
        }
        drop(pins(&store, "run"));
        assert_eq!(store.take_warnings().len(), 1);
    }
}

#[test]
fn a_file_system_that_cannot_sync_is_used_all_the_same() {
    for (errno, fine) in [("ENOTSUP", true), ("EINVAL", true), ("EIO", false), ("ENOSPC", false)] {
        let folder = tempfile::tempdir().unwrap();
        let _armed = arm_thread(parse(&format!("fail-from:1:{errno}:sync")).unwrap(), None);
        assert_eq!(work(&folder.path().join("cache")).is_ok(), fine, "{errno}");
    }
}

#[test]
fn a_collection_that_fails_anywhere_leaves_only_misses() {
    for at in 1.. {
        let store = place();
        for bytes in [&b"weights"[..], b"garbage", b"old", b"last"] {
            store.put(bytes).unwrap();
        }
        let good = record("teacher", &[("network", b"weights")]);
        store.commit(good.clone(), false).unwrap();
        for (number, bytes) in [("1", &b"old"[..]), ("2", b"last")] {
            let fields = vec![("epoch".to_owned(), number.to_owned())];
            let epoch = record(number, &[("checkpoint", bytes)]);
            let epoch = Record { kind: "epoch".into(), family: good.key, fields, ..epoch };
            store.commit(epoch, false).unwrap();
        }
        let armed = arm_thread(all(Effect::FailFrom(5), at), None);
        let policy = GcPolicy { grace: std::time::Duration::ZERO, ..GcPolicy::default() };
        let result = store.gc(&policy);
        let hits = armed.hits();
        drop(armed);
        check_invariants(store.root());
        assert_eq!(store.lookup(&good.key).unwrap(), Some(good));
        if hits == 0 {
            result.unwrap();
            assert_eq!(store.status().unwrap().objects, 2);
            return;
        }
    }
}

#[test]
fn the_next_commit_in_known_shards_syncs_four_things() {
    let store = place();
    let key = Digest::of(b"epoch");
    for (number, syncs) in [(1, 6), (2, 4), (3, 4)] {
        // Contents that lie in one shard, as do records of one key.
        let in_shard = |content: &[u8; 4]| Digest::of(content).to_string().starts_with("ab");
        let content = (0u32..).map(u32::to_le_bytes).filter(in_shard).nth(number).unwrap();
        let armed = arm_thread(all(Effect::Fail(5), u64::MAX), None);
        let files = BTreeMap::from([("checkpoint".to_owned(), content.to_vec())]);
        let empty = Record { key, outputs: BTreeMap::new(), ..record("epoch", &[]) };
        store.put_and_commit(empty, &files, true).unwrap();
        let count = armed.steps().iter().filter(|step| step.operation == Operation::Sync).count();
        assert_eq!(count, syncs, "object, its shard, record, its shard; and the folders above new shards");
    }
    // A shard that was made anew is not taken for durable.
    let shard = store.action(&key).parent().unwrap().to_owned();
    fs::remove_dir_all(&shard).unwrap();
    let armed = arm_thread(all(Effect::Fail(5), u64::MAX), None);
    store.commit(Record { key, ..record("epoch", &[]) }, true).unwrap();
    assert!(armed.steps().iter().any(|step| step.operation == Operation::Sync && step.path == store.tree.actions()));
}

#[test]
fn a_discarded_record_takes_its_objects_along() {
    let folder = quick_folder();
    for at in 1.. {
        let root = folder.path().join(at.to_string());
        let store = Store::open(&root, &Options::default()).unwrap();
        for (key, bytes) in [("old", &b"old"[..]), ("new", b"new")] {
            store.put(bytes).unwrap();
            store.commit(record(key, &[("checkpoint", bytes)]), false).unwrap();
        }
        let armed = arm_thread(all(Effect::Fail(5), at), None);
        let result = store.discard(&Digest::of(b"old"), |record| record.label == "old");
        let hits = armed.hits();
        drop(armed);
        check_invariants(&root);
        assert!(store.lookup(&Digest::of(b"new")).unwrap().is_some());
        if hits == 0 {
            result.unwrap();
            assert_eq!((store.status().unwrap().objects, store.records().count()), (1, 1));
            store.discard(&Digest::of(b"old"), |_| true).unwrap();
            store.discard(&Digest::of(b"new"), |_| false).unwrap();
            assert_eq!(store.records().count(), 1);
            return;
        }
    }
}

#[test]
fn a_journal_line_that_fails_leaves_room_for_the_next() {
    let store = place();
    let journal = store.journal("run").unwrap();
    journal.append(&serde_json::json!({"n": 1})).unwrap();
    let armed = arm_thread(parse("fail:1:ENOSPC:write").unwrap(), None);
    assert_eq!(journal.append(&serde_json::json!({"n": 2})).unwrap_err().kind, Kind::Store);
    drop(armed);
    journal.append(&serde_json::json!({"n": 3})).unwrap();
    let (values, torn) = read_journal(journal.path()).unwrap();
    assert_eq!((values.len(), torn), (2, false));
}
