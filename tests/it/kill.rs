//! `kill -9` at any moment: the next run needs no flag, repeats no stage that was committed, and comes to the same bits.

use std::collections::HashSet;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Project, SMALL};

/// Pseudo-random numbers (xorshift), so that a failure can be repeated.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn a_run_killed_at_any_moment_goes_on() {
    let whole = Project::new(SMALL);
    let begun = std::time::Instant::now();
    whole.run(&[]).expect(0);
    let length = begun.elapsed().as_micros() as u64;
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut kills = 0;
    while kills < 30 {
        let project = Project::new(SMALL);
        let mut committed = HashSet::new();
        // A few kills in a row on one store, then a run to the end.
        for _ in 0..5 {
            let running = project.start(&[]);
            std::thread::sleep(Duration::from_micros(random(&mut state) % length));
            running.signal(Signal::KILL);
            let ran = running.wait();
            kills += 1;
            let lines = ran.stdout.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            for event in lines {
                let stage = event["stage"].as_str().unwrap_or_default().to_owned();
                if event["event"] == "stage-finished" {
                    assert!(committed.insert(stage), "a committed stage ran again");
                } else if event["event"] == "stage-started" {
                    assert!(!committed.contains(&stage), "a committed stage was begun again");
                }
            }
        }
        let ran = project.run(&[]).expect(0);
        assert!(ran.stages("stage-started").iter().all(|stage| !committed.contains(stage)), "{committed:?}");
        assert!(ran.stages("warning").is_empty() && !ran.stdout.contains("\"warning\""), "{}", ran.stdout);
        assert_eq!(project.results(), whole.results());
        let left = std::fs::read_dir(project.cache().join("v1/tmp")).unwrap().count();
        assert_eq!(left, 0, "what the killed runs left is swept");
        project.succeed(&["cache", "verify"]);
    }
}

/// Aborts the real binary before its n-th change of the store, for one n after another until a run is over before that.
#[cfg(feature = "fault-injection")]
#[test]
fn a_run_aborted_at_any_change_goes_on() {
    let whole = Project::new(SMALL);
    whole.run(&[]).expect(0);
    for at in (1..).step_by(7) {
        let project = Project::new(SMALL);
        let mut command = project.command(&["run", "pleach.toml", "--json", "--jobs", "2"]);
        command.env("PLEACH_FAULT", format!("abort:{at}:changes"));
        let ran = crate::support::Running::start(command).wait();
        let committed = ran.stdout.matches("\"event\":\"stage-finished\"").count();
        let again = project.run(&[]).expect(0);
        assert!(again.stages("stage-cached").len() >= committed, "abort at {at}");
        assert_eq!(project.results(), whole.results(), "abort at {at}");
        if ran.code == 0 {
            assert!(at > 100, "a run changes the store more often than {at} times");
            return;
        }
        assert_eq!(ran.code, -1, "{}", ran.stderr);
    }
}

/// Every change of the store fails once, with a full disk and with a broken one: the run says so, publishes nothing
/// false, and the next run comes to the same bits.
#[cfg(feature = "fault-injection")]
#[test]
fn a_run_whose_writes_fail_once_goes_on() {
    let whole = Project::new(SMALL);
    whole.run(&[]).expect(0);
    for (at, errno) in (1..).step_by(11).zip(["ENOSPC", "EIO", "EACCES"].into_iter().cycle()) {
        let project = Project::new(SMALL);
        let mut command = project.command(&["run", "pleach.toml", "--json", "--keep-going"]);
        command.env("PLEACH_FAULT", format!("fail:{at}:{errno}:changes"));
        let ran = crate::support::Running::start(command).wait();
        assert!(matches!(ran.code, 0 | 30), "{at} {errno}: {} {}", ran.code, ran.stderr);
        let again = project.run(&[]).expect(0);
        assert_eq!(project.results(), whole.results(), "{errno} at {at}");
        if again.stages("stage-finished").is_empty() && at > 400 {
            return;
        }
    }
}
