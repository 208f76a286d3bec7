//! Several runs on one store, and a collection beside them.

use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Project, SMALL, SMALL_STAGES};

/// A stage that is at work until it is stopped.
const LONG: &str = "--set=stages.teacher.epochs=100000";

#[test]
fn every_stage_runs_once_in_all() {
    let alone = Project::new(SMALL);
    alone.run(&[]).expect(0);
    let project = Project::new(SMALL);
    let runs: Vec<_> = (0..4).map(|_| project.start(&["--jobs", "2"])).collect();
    let ran: Vec<_> = runs.into_iter().map(|run| run.wait().expect(0)).collect();
    let mut finished: Vec<String> = ran.iter().flat_map(|ran| ran.stages("stage-finished")).collect();
    finished.sort();
    let mut expected = SMALL_STAGES.map(str::to_owned);
    expected.sort();
    assert_eq!(finished, expected);
    for ran in &ran {
        assert_eq!(ran.stages("stage-finished").len() + ran.stages("stage-cached").len(), 5);
        let mut waited = ran.stages("stage-waiting");
        waited.dedup();
        assert_eq!(waited, ran.stages("stage-waiting"), "waiting is told once a stage");
    }
    assert_eq!(project.results(), alone.results());
}

#[test]
fn a_waiter_takes_over_from_a_killed_run() {
    let alone = Project::new(SMALL);
    alone.run(&["teacher", "--set=stages.teacher.epochs=300"]).expect(0);
    let project = Project::new(SMALL);
    let arguments = ["teacher", "--set=stages.teacher.epochs=300"];
    let mut first = project.start(&arguments);
    first.until(|e| e["event"] == "epoch");
    let mut second = project.start(&arguments);
    let waiting = second.until_event("stage-waiting", "teacher");
    assert_eq!(waiting["pid"], first.id());
    first.signal(Signal::KILL);
    let resumed = second.until_event("stage-resumed", "teacher");
    assert!(resumed["epoch"].as_u64().unwrap() >= 1);
    let ran = second.wait().expect(0);
    assert_eq!(ran.stages("stage-waiting"), ["teacher"]);
    assert_eq!(ran.stages("stage-finished"), ["teacher"]);
    assert_eq!(project.results(), alone.results());
}

#[test]
fn a_waiter_can_be_interrupted() {
    let project = Project::new(SMALL);
    let mut first = project.start(&[LONG]);
    first.until(|e| e["event"] == "epoch");
    let mut second = project.start(&[LONG]);
    second.until_event("stage-waiting", "teacher");
    second.signal(Signal::INT);
    second.wait().expect(130);
    first.signal(Signal::TERM);
    first.wait().expect(143);
}

#[test]
fn f7_a_collection_beside_a_run_leaves_what_it_needs() {
    // `slow` is at work while everything that nobody needs is collected, again and again.
    let slow = "[stages.slow]\nkind = \"train\"\ndata = \"digits\"\nnetwork = { arch = \"mlp\", hidden = [20] }\n\
        epochs = 300\n\n[stages.student]";
    let manifest = SMALL.replace("[stages.student]", slow);
    let project = Project::new(&manifest);
    // Results of another pipeline, which nobody needs.
    project.write("other.toml", SMALL.replace("\"small\"", "\"other\"").replace("epochs = 3", "epochs = 1"));
    project.succeed(&["run", "other.toml", "teacher"]);
    let mut running = project.start(&[]);
    running.until_event("stage-started", "slow");
    // As if all that is there were old.
    let aged = SystemTime::now() - Duration::from_secs(50 * 86_400);
    for folder in ["actions", "objects"] {
        for shard in std::fs::read_dir(project.cache().join("v1").join(folder)).unwrap() {
            for file in std::fs::read_dir(shard.unwrap().path()).unwrap() {
                // Checkpoints come and go.
                let file = std::fs::File::open(file.unwrap().path());
                file.into_iter().for_each(|file| file.set_modified(aged).unwrap());
            }
        }
    }
    for policy in [&["--older-than", "10"][..], &["--max-size", "1"], &["--stage", "teacher"], &["--grace", "0"]] {
        let ran = project.succeed(&[&["cache", "gc"], policy].concat());
        assert!(ran.stderr.contains("a run is going on"), "{}", ran.stderr);
    }
    assert!(project.results().keys().all(|label| label == "small/teacher"), "{:?}", project.results().keys());
    let ran = running.wait().expect(0);
    assert_eq!(ran.stages("stage-started").len(), 6, "nothing was made twice: {}", ran.stdout);
    assert!(ran.events().iter().all(|event| event["event"] != "warning"), "{}", ran.stdout);
    let whole = Project::new(&manifest);
    whole.run(&[]).expect(0);
    assert_eq!(project.results(), whole.results());
    // When the run has ended, nothing is pinned any more.
    project.succeed(&["cache", "gc", "--older-than", "0"]);
    assert!(project.results().is_empty());
}

#[test]
fn a_collection_beside_a_run_leaves_its_epochs() {
    let project = Project::new(SMALL);
    let mut running = project.start(&[LONG]);
    running.until(|e| e["event"] == "epoch");
    let ran = project.succeed(&["cache", "gc", "--older-than", "0", "--grace", "0", "--max-size", "1"]);
    assert!(ran.stdout.contains("deleted 0 epochs"), "{}", ran.stdout);
    assert!(ran.stderr.contains("a run is going on") && ran.stderr.contains("`--max-size`"), "{}", ran.stderr);
    running.until(|e| e["event"] == "epoch");
    running.signal(Signal::KILL);
    running.wait();
    let collected = project.succeed(&["cache", "gc", "--grace", "0"]);
    assert!(
        collected.stdout.contains("deleted 0 epochs") && collected.stderr.is_empty(),
        "an unfinished stage keeps its epochs, and a run that was killed pins nothing: {}",
        collected.stdout
    );
    let mut again = project.start(&[LONG]);
    assert!(again.until_event("stage-resumed", "teacher")["epoch"].as_u64().unwrap() >= 2);
}

#[test]
fn a_run_waits_for_a_collection_and_a_collection_for_what_cannot_pin() {
    let project = Project::new(SMALL);
    project.run(&["teacher"]).expect(0);
    let lock = std::fs::File::open(project.cache().join("v1/locks/use")).unwrap();
    lock.lock().unwrap();
    let mut running = project.start(&["teacher"]);
    let told = running.until(|e| e["event"] == "warning");
    assert!(told["message"].as_str().unwrap().contains("waiting while garbage is collected"), "{told}");
    lock.unlock().unwrap();
    running.wait().expect(0);
    // As a run on a store that it cannot write, or one of an earlier version.
    lock.lock_shared().unwrap();
    let ran = project.pleach(&["cache", "gc"]).expect(31);
    assert!(ran.stderr.contains("--wait") && ran.stderr.contains("nothing was deleted"), "{}", ran.stderr);
    let waiting = crate::support::Running::start(project.command(&["cache", "gc", "--wait"]));
    lock.unlock().unwrap();
    waiting.wait().expect(0);
}

#[test]
fn objects_that_vanish_during_a_run_are_made_again() {
    // `slow` is at work while the teacher's results vanish, which the student then needs.
    let slow = "[stages.slow]\nkind = \"train\"\ndata = \"digits\"\nnetwork = { arch = \"mlp\", hidden = [20] }\n\
        epochs = 300\n\n[stages.student]";
    let manifest = SMALL.replace("[stages.student]", slow);
    let project = Project::new(&manifest);
    let mut running = project.start(&[]);
    running.until_event("stage-finished", "teacher");
    running.until_event("stage-started", "slow");
    running.stop();
    std::fs::remove_file(project.object("teacher", "weights")).unwrap();
    std::fs::remove_file(project.object("teacher", "history")).unwrap();
    running.signal(Signal::CONT);
    let ran = running.wait().expect(0);
    let started = ran.stages("stage-started");
    assert_eq!(started.iter().filter(|stage| *stage == "teacher").count(), 2, "{started:?}");
    let warnings: Vec<Value> = ran.events().into_iter().filter(|e| e["event"] == "warning").collect();
    assert!(!warnings.is_empty(), "what was lost is said");
    let whole = Project::new(&manifest);
    whole.run(&[]).expect(0);
    assert_eq!(project.results(), whole.results());
}

#[test]
fn a_store_that_vanishes_during_a_run_is_made_again() {
    let project = Project::new(SMALL);
    let mut running = project.start(&["--set=stages.teacher.epochs=300"]);
    running.until(|e| e["event"] == "epoch");
    running.stop();
    std::fs::remove_dir_all(project.cache()).unwrap();
    running.signal(Signal::CONT);
    running.wait().expect(0);
    let again = project.run(&["--set=stages.teacher.epochs=300"]).expect(0);
    assert_eq!(again.stages("stage-cached").len(), 5);
}
