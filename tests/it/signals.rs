//! Ctrl-C, and being asked to end: at once, nothing lost, and the next run goes on.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{PATIENCE, Project, Running, SMALL};

const LONG: &str = "--set=stages.teacher.epochs=100000";

/// Whether what these tests start hears a signal: where they run under `nohup`, it does not.
fn is_heard(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    ignored >> (signal.as_raw() - 1) & 1 == 0
}

#[test]
fn a_signal_ends_a_run_after_its_step() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 143)] {
        if !is_heard(signal) {
            continue;
        }
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
    // Nobody reads the pipe, which is full from the start: after the first signal the run cannot end by itself.
    let (_reader, mut writer) = std::io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'x'; 512]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags).unwrap();
    let project = Project::new(SMALL);
    let mut child =
        project.command(&["run", "pleach.toml", "--json"]).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let pause = || {
        assert!(begun.elapsed() < PATIENCE, "the run does not listen");
        std::thread::sleep(Duration::from_millis(5));
    };
    // With its journal, the run has begun, and listens to signals.
    while std::fs::read_dir(project.cache().join("v1/runs")).map_or(0, Iterator::count) == 0 {
        pause();
    }
    let pid = Pid::from_raw(child.id() as i32).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let status = loop {
        pause();
        match child.try_wait().unwrap() {
            Some(status) => break status,
            // Again and again, as nothing tells from outside when the first was heard.
            None => kill_process(pid, Signal::TERM).unwrap(),
        }
    };
    // Of two that wait together, the kernel chooses which is heard first.
    assert!(matches!(status.code(), Some(130 | 143)), "{status}");
    project.run(&[]).expect(0);
}

/// A long run of a process that was made deaf to a signal before it began.
fn deaf(project: &Project, signal: &str) -> Running {
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(project.path()).env_remove("PLEACH_CACHE");
    let script = format!("trap '' {signal}; exec \"$0\" run pleach.toml --json \"$1\"");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_pleach"), LONG]);
    Running::start(shell)
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let all = [("HUP", Signal::HUP), ("INT", Signal::INT), ("TERM", Signal::TERM), ("XCPU", Signal::XCPU)];
    for (name, signal) in all {
        let project = Project::new(SMALL);
        let mut running = deaf(&project, name);
        running.until(|e| e["event"] == "epoch");
        running.signal(signal);
        let last = running.until(|e| e["event"] == "epoch")["epoch"].as_u64().unwrap();
        running.until(|e| e["event"] == "epoch" && e["epoch"].as_u64().unwrap() > last + 3);
        let (other, code) = if name == "TERM" { (Signal::INT, 130) } else { (Signal::TERM, 143) };
        running.signal(other);
        running.wait().expect(code);
    }
}

#[test]
fn the_end_says_which_signal_it_was() {
    for (signal, code, by) in [
        (Signal::INT, 130, "Ctrl-C (SIGINT)"),
        (Signal::TERM, 143, "SIGTERM"),
        (Signal::XCPU, 143, "the limit on processor time (`ulimit -t`, SIGXCPU)"),
    ] {
        if !is_heard(signal) {
            continue;
        }
        let project = Project::new(SMALL);
        let mut running = project.start(&[LONG]);
        running.until(|e| e["event"] == "epoch");
        running.signal(signal);
        if signal == Signal::XCPU {
            // It comes once a second, and is no impatience.
            running.signal(signal);
        }
        let ran = running.wait().expect(code);
        let why = format!("stopped by {by}; what was finished is kept");
        assert!(ran.stderr.contains(&why), "{}", ran.stderr);
        let events = ran.events();
        let last = events.last().unwrap();
        assert_eq!((last["event"].as_str(), last["reason"].as_str()), (Some("run-finished"), Some(&*why)));
    }
}
