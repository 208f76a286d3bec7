//! Locks between threads and between processes.

use super::locks::Taken;
use super::*;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

const HOLDER: &str = "PLEACH_TEST_LOCK_HOLDER";

#[test]
fn a_second_thread_waits_until_the_first_lets_go() {
    let store = Arc::new(place());
    let key = Digest::of(b"stage");
    let first = store.lock(&key, &mut |_| panic!("nobody is in the way")).unwrap().unwrap();
    let released = Arc::new(AtomicBool::new(false));
    let (waits, waiting) = mpsc::channel();
    let second = std::thread::spawn({
        let (store, released) = (store.clone(), released.clone());
        move || {
            let mut report = |holder| {
                waits.send(holder).unwrap();
                ControlFlow::Continue(())
            };
            let lock = store.lock(&key, &mut report).unwrap();
            assert!(released.load(Ordering::SeqCst));
            lock.is_some()
        }
    });
    assert_eq!(waiting.recv().unwrap(), Some(std::process::id()));
    waiting.recv().unwrap(); // it goes on asking
    let other = store.lock(&Digest::of(b"other"), &mut |_| ControlFlow::Break(())).unwrap();
    assert!(other.is_some(), "another key is free");
    released.store(true, Ordering::SeqCst);
    drop(first);
    assert!(second.join().unwrap());
}

#[test]
fn waiting_can_be_given_up() {
    let store = place();
    let key = Digest::of(b"stage");
    let _held = store.lock(&key, &mut |_| ControlFlow::Break(())).unwrap().unwrap();
    let mut calls = 0;
    let lock = store.lock(&key, &mut |_| {
        calls += 1;
        if calls == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(lock.unwrap().is_none());
    assert_eq!(calls, 3);
}

#[test]
fn a_lock_on_a_removed_file_is_none() {
    let store = place();
    let path = store.tree.lock(&Digest::of(b"stage"));
    for again in [false, true] {
        let file = files::open_or_create(&path).unwrap();
        fs::remove_file(&path).unwrap(); // a collection comes between opening and locking
        if again {
            fs::write(&path, b"").unwrap(); // and another run after it
        }
        assert!(matches!(store.take(file, &path, false).unwrap(), Taken::Gone));
    }
    assert!(store.try_lock(&Digest::of(b"stage")).unwrap().is_some());
}

#[test]
fn one_at_a_time_while_lock_files_are_swept() {
    let store = place();
    let key = Digest::of(b"stage");
    let (inside, rounds) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut mine = 0;
                while mine < 10 {
                    let Some(lock) = store.try_lock(&key).unwrap() else {
                        std::thread::yield_now();
                        continue;
                    };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(lock);
                    mine += 1;
                    rounds.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        scope.spawn(|| {
            while rounds.load(Ordering::SeqCst) < 30 {
                store.sweep_locks(false).unwrap();
                std::thread::yield_now();
            }
        });
    });
}

/// Not a test of its own: the process that `the_lock_of_a_killed_process_is_free_at_once` starts and kills.
#[test]
#[ignore = "started by another test in a process of its own"]
fn hold_a_lock_until_killed() {
    let root = std::env::var_os(HOLDER).expect("started by another test");
    let store = Store::open(Path::new(&root), &Options::default()).unwrap();
    let _lock = store.lock(&Digest::of(b"stage"), &mut |_| ControlFlow::Break(())).unwrap().unwrap();
    // Not settled, so no collection begins.
    let _pins = pins(&store, "run");
    writeln!(std::io::stdout(), "held").unwrap();
    std::thread::sleep(std::time::Duration::from_secs(60)); // an orphan ends by itself
}

#[test]
fn the_lock_of_a_killed_process_is_free_at_once() {
    let store = place();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::locking::hold_a_lock_until_killed", "--ignored", "--nocapture"])
        .env(HOLDER, store.root())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().map_while(Result::ok).any(|line| line.contains("held")));
    assert!(store.gc(&GcPolicy::default()).is_err(), "the other process pins");
    let mut calls = 0;
    let lock = store.lock(&Digest::of(b"stage"), &mut |holder| {
        calls += 1;
        if calls == 1 {
            assert_eq!(holder, Some(child.id()));
            child.kill().unwrap(); // SIGKILL
            child.wait().unwrap(); // until it is really gone
        }
        ControlFlow::Continue(())
    });
    assert!(lock.unwrap().is_some());
    assert_eq!(calls, 1, "free at the next look");
    child.wait().unwrap();
    store.gc(&GcPolicy::default()).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn the_holder_of_a_lock_is_the_process_that_has_it() {
    let store = place();
    let key = Digest::of(b"stage");
    let lock = store.lock(&key, &mut |_| ControlFlow::Break(())).unwrap().unwrap();
    // What an earlier holder wrote, as long as the new one did not write yet.
    let path = store.tree.lock(&key);
    fs::write(&path, "1\n").unwrap();
    assert_eq!(locks::holder(&path), Some(std::process::id()));
    drop(lock);
    // Where the kernel knows of no lock, a number is as good as the process that has it.
    assert_eq!(locks::holder(&path), Some(1));
    fs::write(&path, "2147483646\n").unwrap();
    assert_eq!(locks::holder(&path), None);
    fs::write(&path, "no number\n").unwrap();
    assert_eq!(locks::holder(&path), None);
}

#[test]
fn of_many_commits_at_once_one_wins_even_without_locks() {
    let store = place();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let commit = |index: u32| {
            let bytes = index.to_string();
            store.put(b"shared").unwrap();
            store.put(bytes.as_bytes()).unwrap();
            let mine = record("stage", &[("shared", b"shared"), ("mine", bytes.as_bytes())]);
            (mine.clone(), store.commit(mine, false).unwrap())
        };
        let threads: Vec<_> = (0..8).map(|index| scope.spawn(move || commit(index))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let stored: Vec<_> = outcomes.iter().filter(|(_, outcome)| *outcome == Commit::Stored).collect();
    assert_eq!(stored.len(), 1);
    let winner = &stored[0].0;
    assert_eq!(store.lookup(&winner.key).unwrap().as_ref(), Some(winner));
    assert_eq!(outcomes.iter().filter(|(_, outcome)| *outcome == Commit::Kept(winner.clone())).count(), 7);
    check_invariants(store.root());
}
