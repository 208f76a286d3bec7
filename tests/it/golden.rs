//! A store that an earlier version made, kept for ever: today's code must still find its results. If a change of what
//! keys are made of is meant, the stages' implementation version or the key version rises, and a new store is added
//! beside this one; results of an old version may then be missed, but must never be misread.

use crate::support::{Project, copy, repository};

/// The pipeline whose results are in `golden/v1`; it must not change.
const MANIFEST: &str = r#"
[pipeline]
name = "golden"
seed = 11

[data.digits]
source = "digits"
validation = 0.1
limit = 100

[stages.net]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = [3] }
epochs = 1

[stages.pruned]
kind = "prune"
data = "digits"
from = "net"
method = { kind = "inactive", layer = "hidden1", threshold = 0.0, minimum = 1 }

[stages.score]
kind = "evaluate"
data = "digits"
models = ["net", "pruned"]
reference = "net"
"#;

#[test]
fn the_first_format_is_still_read() {
    let project = Project::new(MANIFEST);
    copy(&repository("tests/it/golden/v1"), &project.cache().join("v1"));
    let ran = project.run(&[]).expect(0);
    assert_eq!(ran.stages("stage-cached"), ["net", "pruned", "score"], "{}{}", ran.stdout, ran.stderr);
    assert!(!ran.stdout.contains("\"warning\""), "{}", ran.stdout);
    let report = project.succeed(&["report", "pleach.toml"]);
    assert!(report.stdout.contains("447 test images"), "{}", report.stdout);
    project.succeed(&["cache", "verify"]);
    // Its epoch is still found too.
    let ran = project.run(&["net", "--set=stages.net.epochs=2"]).expect(0);
    assert_eq!(ran.event("stage-resumed")["epoch"], 1);
}

/// Whatever machine made them.
#[test]
fn its_results_come_out_again() {
    let (stored, project) = (Project::new(MANIFEST), Project::new(MANIFEST));
    copy(&repository("tests/it/golden/v1"), &stored.cache().join("v1"));
    project.run(&["--device=cpu"]).expect(0);
    assert_eq!(project.results(), stored.results());
}

/// Its networks carry no signature, and the implementation versions have risen since.
#[test]
fn a_store_from_before_signatures_is_missed_and_not_misread() {
    let project = Project::new(MANIFEST);
    copy(&repository("tests/it/golden/before-signatures"), &project.cache().join("v1"));
    let ran = project.run(&[]).expect(0);
    assert_eq!(ran.stages("stage-finished"), ["net", "pruned", "score"], "{}{}", ran.stdout, ran.stderr);
    assert!(!ran.stdout.contains("\"warning\""), "{}", ran.stdout);
    project.succeed(&["report", "pleach.toml"]);
    project.succeed(&["cache", "verify"]);
}

/// Makes the store anew: `cargo test --test it make_the_golden_store -- --ignored`. Only before a release.
#[test]
#[ignore = "writes into the repository"]
fn make_the_golden_store() {
    let project = Project::new(MANIFEST);
    project.run(&[]).expect(0);
    let target = repository("tests/it/golden/v1");
    if target.exists() {
        std::fs::remove_dir_all(&target).unwrap();
    }
    for folder in ["objects", "actions"] {
        copy(&project.cache().join("v1").join(folder), &target.join(folder));
    }
}
