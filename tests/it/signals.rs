//! Ctrl-C, and being asked to end: at once, nothing lost, and the next run goes on.

use rustix::process::Signal;

use crate::support::{Project, Running, SMALL};

const LONG: &str = "--set=stages.teacher.epochs=100000";

#[test]
fn a_signal_ends_a_run_after_its_step() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 143)] {
        let project = Project::new(SMALL);
        let mut running = project.start(&[LONG]);
        let epoch = running.until(|e| e["event"] == "epoch")["epoch"].as_u64().unwrap();
        running.signal(signal);
        let ran = running.wait().expect(code);
        assert!(ran.stderr.contains("what was finished is kept"), "{}", ran.stderr);
        assert!(ran.stderr.contains("run the same command to go on"), "{}", ran.stderr);
        assert_eq!(ran.event("run-finished")["code"], code);
        assert_eq!(ran.stages("stage-skipped").len(), 5);
        assert!(project.records().is_empty());
        let mut again = project.start(&[LONG]);
        let resumed = again.until_event("stage-resumed", "teacher");
        assert!(resumed["epoch"].as_u64().unwrap() >= epoch);
    }
}

#[test]
fn an_interrupted_run_comes_to_the_same_bits() {
    let epochs = "--set=stages.teacher.epochs=300";
    let project = Project::new(SMALL);
    let mut running = project.start(&[epochs]);
    running.until(|e| e["event"] == "epoch" && e["epoch"] == 2);
    running.signal(Signal::INT);
    running.wait().expect(130);
    project.run(&[epochs]).expect(0);
    let whole = Project::new(SMALL);
    whole.run(&[epochs]).expect(0);
    assert_eq!(project.results(), whole.results());
}

#[test]
fn a_second_signal_ends_at_once() {
    // The epoch is long: without the second signal the process would still stop within a step. So it is stopped first,
    // and finds both signals when it goes on.
    let project = Project::new(SMALL);
    let mut running = project.start(&[LONG]);
    running.until(|e| e["event"] == "epoch");
    running.signal(Signal::INT);
    running.signal(Signal::TERM);
    let ran = running.wait();
    // Which of the two is heard first is the kernel's choice; either way nothing is left in the way of the next run.
    assert!(matches!(ran.code, 130 | 143), "{}", ran.code);
    project.run(&["--set=stages.teacher.epochs=2"]).expect(0);
}

#[test]
fn nohup_is_kept() {
    let project = Project::new(SMALL);
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(project.path()).env_remove("PLEACH_CACHE");
    shell.args(["-c", "trap '' HUP; exec \"$0\" run pleach.toml --json \"$1\"", env!("CARGO_BIN_EXE_pleach"), LONG]);
    let mut running = Running::start(shell);
    running.until(|e| e["event"] == "epoch");
    running.signal(Signal::HUP);
    let last = running.until(|e| e["event"] == "epoch")["epoch"].as_u64().unwrap();
    running.until(|e| e["event"] == "epoch" && e["epoch"].as_u64().unwrap() > last + 3);
    running.signal(Signal::INT);
    running.wait().expect(130);
}
