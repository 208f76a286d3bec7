//! Faults that have no file of their own, and `docs/faults.md`, the table of faults, held against the tests.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::support::{Project, SMALL, repository};

/// F1 to F27.
const FAULTS: usize = 27;

fn sources(folder: &Path, text: &mut String) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Every fault has a row, and every test that a row names is there.
#[test]
fn the_table_of_faults_names_tests_that_are_there() {
    let table = std::fs::read_to_string(repository("docs/faults.md")).unwrap();
    let mut text = String::new();
    sources(&repository("src"), &mut text);
    sources(&repository("tests"), &mut text);
    let mut rows = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| F")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [number, _, _, tests] = cells[..] else { panic!("four cells: {row}") };
        assert!(rows.insert(number.to_owned()), "{number} is there twice");
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{number} has no test");
        for name in names {
            let test = name.rsplit("::").next().unwrap();
            assert!(text.contains(&format!("fn {test}(")), "{number}: there is no test `{name}`");
        }
    }
    assert_eq!(rows, (1..=FAULTS).map(|number| format!("F{number}")).collect());
}

fn each_file(folder: &Path, act: &dyn Fn(&Path)) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { each_file(&path, act) } else { act(&path) }
    }
}

/// F8: times of files decide neither hits nor what is collected wrongly, in the past or the future.
#[test]
fn clocks_that_are_wrong_change_no_result() {
    let project = Project::new(SMALL);
    project.run(&[]).expect(0);
    let results = project.results();
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800); // 2100
    for time in [SystemTime::UNIX_EPOCH, far] {
        each_file(&project.cache(), &|path| std::fs::File::open(path).unwrap().set_modified(time).unwrap());
        let ran = project.run(&[]).expect(0);
        assert_eq!(ran.stages("stage-cached").len(), 5, "{}", ran.stdout);
        project.succeed(&["plan", "pleach.toml"]);
        project.succeed(&["cache", "gc"]);
        assert_eq!(project.results(), results);
        assert_eq!(project.run(&[]).expect(0).stages("stage-cached").len(), 5);
    }
}

/// F22: a file system without locks is told once; one that cannot sync is used as it is.
#[cfg(feature = "fault-injection")]
#[test]
fn a_run_on_a_file_system_without_locks_or_syncs_comes_to_the_same() {
    let whole = Project::new(SMALL);
    whole.run(&[]).expect(0);
    for (fault, warnings) in [("fail-from:1:ENOTSUP:lock", 1), ("fail-from:1:ENOTSUP:sync", 0)] {
        let project = Project::new(SMALL);
        let mut command = project.command(&["run", "pleach.toml", "--json"]);
        command.env("PLEACH_FAULT", fault);
        let ran = crate::support::Running::start(command).wait().expect(0);
        let told = ran.events().iter().filter(|event| event["event"] == "warning").count();
        assert_eq!(told, warnings, "{fault}: {}", ran.stdout);
        assert_eq!(project.results(), whole.results(), "{fault}");
    }
}

/// F19: what leads elsewhere is no file of the store, and nothing is written through it.
#[test]
fn links_in_the_store_lead_nowhere() {
    let project = Project::new(SMALL);
    project.run(&[]).expect(0);
    let results = project.results();
    project.write("outside", "not of the store");
    let objects = [project.object("teacher", "weights"), project.object("student", "history")];
    for path in objects.iter().chain([&project.record_file("tuned")]) {
        std::fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink(project.path().join("outside"), path).unwrap();
    }
    project.run(&[]).expect(0);
    assert_eq!(project.results(), results);
    assert_eq!(std::fs::read(project.path().join("outside")).unwrap(), b"not of the store");
}

/// F27: ten thousand stages are planned, in a fraction of the time that `PATIENCE` gives.
#[test]
fn ten_thousand_stages_are_planned() {
    let shares: Vec<String> = (1..=9_900).map(|number| (f64::from(number) / 10_000.0).to_string()).collect();
    let manifest = SMALL.replace("sparsity = 0.5", "sparsity = \"${matrix.share}\"");
    let manifest = format!("[matrix]\nshare = [{}]\n{manifest}", shares.join(","));
    let manifest =
        manifest.replace("models = [\"teacher\", \"student\", \"tuned\"]", "models = [\"teacher\", \"student\"]");
    let (start, end) = (manifest.find("[stages.tuned]").unwrap(), manifest.find("[stages.score]").unwrap());
    let manifest = format!("{}{}", &manifest[..start], &manifest[end..]);
    let project = Project::new(&manifest);
    let ran = project.succeed(&["plan", "pleach.toml"]);
    assert!(ran.stdout.contains("9,90") || ran.stdout.contains("990"), "{}", &ran.stdout[ran.stdout.len() - 200..]);
}
