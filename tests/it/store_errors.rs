//! An error at an operation on the store, once and from there on: it costs at most the stage that runs, is said in words
//! that are true, and the next run finds everything that was committed, epochs too.

use std::collections::BTreeMap;
use std::io::Write;

use crate::support::{Project, Ran, Results, Running, copy};

/// Trains, prunes and evaluates in some hundred operations on the store.
const TINY: &str = r#"
[pipeline]
name = "tiny"

[data.digits]
source = "digits"
validation = 0.2
limit = 120

[stages.teacher]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = [8] }
epochs = 2

[stages.pruned]
kind = "prune"
from = "teacher"
method = { kind = "weights", criterion = "magnitude", sparsity = 0.5 }

[stages.score]
kind = "evaluate"
data = "digits"
models = ["teacher", "pruned"]
"#;

const ERRORS: [&str; 9] = ["EIO", "ENOSPC", "EACCES", "ENOMEM", "EDQUOT", "EINVAL", "EMFILE", "EPERM", "EROFS"];

fn run(project: &Project, fault: Option<&str>) -> Ran {
    let mut command = project.command(&["run", "pleach.toml", "--json", "--threads", "1"]);
    if let Some(fault) = fault {
        command.env("PLEACH_FAULT", fault);
    }
    Running::start(command).wait()
}

/// What evaluations come to has times in it.
fn without_times(mut results: Results) -> Results {
    for outputs in results.values_mut() {
        outputs.remove("metrics");
    }
    results
}

fn words_are_true(fault: &str, ran: &Ran) {
    assert!(matches!(ran.code, 0 | 30), "{fault}: {} {}{}", ran.code, ran.stdout, ran.stderr);
    for wrong in ["record of ``", "names object", "panicked", "is only read", "defect of pleach"] {
        assert!(!ran.stdout.contains(wrong) && !ran.stderr.contains(wrong), "{fault}: {}{}", ran.stdout, ran.stderr);
    }
    let told = ran.code == 0 || ran.stderr.contains("os error") || ran.stdout.contains("os error");
    assert!(told, "{fault}: {}{}", ran.stdout, ran.stderr);
}

/// A run from nothing under the fault, and one after it.
fn from_nothing(fault: &str, expected: &Results) -> Ran {
    let project = Project::new(TINY);
    let first = run(&project, Some(fault));
    words_are_true(fault, &first);
    let mut epochs: BTreeMap<String, u64> = BTreeMap::new();
    for event in first.events().iter().filter(|event| event["event"] == "epoch") {
        epochs.insert(event["stage"].as_str().unwrap().to_owned(), event["epoch"].as_u64().unwrap());
    }
    let again = run(&project, None).expect(0);
    let started = again.stages("stage-started");
    let lost: Vec<_> = first.stages("stage-finished").into_iter().filter(|stage| started.contains(stage)).collect();
    assert!(lost.is_empty(), "{fault}: {lost:?} ran again\n{}{}", first.stdout, first.stderr);
    for (stage, epoch) in epochs.iter().filter(|(stage, _)| started.contains(stage)) {
        let resumed = again.events().into_iter().find(|e| e["event"] == "stage-resumed" && e["stage"] == **stage);
        let from = resumed.and_then(|event| event["epoch"].as_u64()).unwrap_or(0);
        assert!(from >= *epoch, "{fault}: epoch {epoch} of {stage} ran again\n{}", again.stdout);
    }
    assert!(!again.stdout.contains("\"warning\""), "{fault}: {}", again.stdout);
    assert_eq!(&without_times(project.results()), expected, "{fault}");
    first
}

/// A run under the fault in which everything is in the store, and one after it: nothing runs again.
fn all_there(fault: &str, whole: &Project) {
    let project = Project::new(TINY);
    copy(&whole.cache(), &project.cache());
    let first = run(&project, Some(fault));
    words_are_true(fault, &first);
    assert!(first.stages("stage-started").is_empty(), "{fault}: {}", first.stdout);
    let again = run(&project, None).expect(0);
    assert_eq!(again.stages("stage-cached").len(), 3, "{fault}: {}", again.stdout);
    assert_eq!(project.results(), whole.results(), "{fault}");
}

/// Every `step`th operation, with one error after the other; every error at every operation when `step` is 1.
fn sweep(step: usize) {
    let whole = Project::new(TINY);
    run(&whole, None).expect(0);
    let expected = without_times(whole.results());
    let mut injected = 0;
    for mode in ["fail", "fail-from"] {
        let errors = ERRORS.len();
        for (turn, at) in (1..600).step_by(step).enumerate() {
            let chosen = if step == 1 { 0..errors } else { turn % errors..turn % errors + 1 };
            for errno in &ERRORS[chosen] {
                let fault = format!("{mode}:{at}:{errno}");
                from_nothing(&fault, &expected);
                injected += 1;
                if at < 130 {
                    all_there(&fault, &whole);
                    injected += 1;
                }
            }
        }
    }
    let _ = writeln!(std::io::stderr(), "{injected} faults");
}

#[test]
fn an_error_anywhere_costs_at_most_the_running_stage() {
    sweep(13);
}

/// `cargo test --features fault-injection --test it every_error_at_every_operation -- --ignored --nocapture`
#[test]
#[ignore = "ten thousand runs and more: minutes"]
fn every_error_at_every_operation() {
    sweep(1);
}
