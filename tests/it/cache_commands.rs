//! The commands that look after the store and take results out of it, and what a run writes for itself.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::support::{Project, SMALL, SMALL_STAGES, overwrite};

fn finished() -> Project {
    let project = Project::new(SMALL);
    project.run(&[]).expect(0);
    project
}

#[test]
fn status_and_list_say_what_there_is() {
    let project = finished();
    let status = project.succeed(&["cache", "status"]).stdout;
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = status.lines().map(words).collect();
    for line in [["stages", "5"], ["epochs", "7"], ["corrupt", "0"], ["quarantined", "0"], ["unfinished", "0"]] {
        assert!(lines.iter().any(|found| *found == line), "{line:?}: {status}");
    }
    let list = project.succeed(&["cache", "list"]).stdout;
    let label = |line: &'_ str| line.split_whitespace().find(|word| word.starts_with("small/")).map(str::to_owned);
    let mut labels: Vec<String> = list.lines().filter_map(label).collect();
    labels.sort_unstable();
    let mut expected = SMALL_STAGES.map(|stage| format!("small/{stage}"));
    expected.sort();
    assert_eq!(labels, expected);
}

#[test]
fn verify_finds_and_puts_aside() {
    let project = finished();
    let ran = project.succeed(&["cache", "verify"]);
    assert!(ran.stderr.is_empty() && ran.stdout.contains("16 records read"), "{}", ran.stdout);
    let weights = project.object("student", "weights");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 0x10;
    overwrite(&weights, &bytes);
    overwrite(&project.record_file("score"), b"{}");
    let ran = project.pleach(&["cache", "verify"]).expect(30);
    assert!(ran.stderr.contains(weights.file_name().unwrap().to_str().unwrap()), "{}", ran.stderr);
    assert!(ran.stderr.contains("put aside") && ran.stderr.contains("run the pipelines again"), "{}", ran.stderr);
    project.succeed(&["cache", "verify"]);
    let again = project.run(&[]).expect(0);
    assert_eq!(again.stages("stage-finished"), ["student", "score"]);
}

#[test]
fn collection_takes_checkpoints_and_old_results() {
    let project = finished();
    let results = project.results();
    let would = project.succeed(&["cache", "gc", "--dry-run"]).stdout;
    assert!(would.contains("\nwould delete 4 epochs, 0 other records"), "{would}");
    // What goes, and what made it.
    let lines: Vec<&str> = would.lines().filter(|line| line.ends_with("; a later epoch is kept")).collect();
    assert_eq!(lines.len(), 4, "{would}");
    assert!(lines[0].starts_with("small/student  epoch 1  ") && lines[0].contains("used within the hour"), "{would}");
    let kept = project.succeed(&["cache", "gc", "--keep-epochs"]).stdout;
    assert!(kept.starts_with("deleted 0 epochs"), "{kept}");
    let gone = project.succeed(&["cache", "gc"]).stdout;
    assert!(gone.starts_with("deleted 4 epochs, 0 other records"), "{gone}");
    assert_eq!(project.results(), results);
    assert_eq!(project.run(&[]).expect(0).stages("stage-cached").len(), 5);
    // The checkpoints' objects go with them; what nothing names yet would stay for an hour.
    assert!(gone.contains(" 4 objects (") && gone.ends_with(" are left\n"), "{gone}");
    let swept = project.succeed(&["cache", "gc", "--grace", "0"]).stdout;
    assert!(swept.contains(" 0 objects (0 B)"), "{swept}");
    let old = project.succeed(&["cache", "gc", "--older-than", "1"]).stdout;
    assert!(old.starts_with("deleted 0 epochs, 0 other records"), "{old}");
    assert_eq!(project.results(), results);
}

/// The record of a stage, as if it had not been used for so many days.
fn unused_for(project: &Project, stage: &str, days: u64) {
    let time = SystemTime::now() - Duration::from_secs(days * 86_400);
    std::fs::File::open(project.record_file(stage)).unwrap().set_modified(time).unwrap();
}

/// The stages whose results are in the store, in order.
fn left(project: &Project) -> Vec<String> {
    project.results().into_keys().map(|label| label.trim_start_matches("small/").to_owned()).collect()
}

#[test]
fn gc_of_results_in_use_keeps_them() {
    let project = finished();
    let age = |days| SMALL_STAGES.iter().for_each(|stage| unused_for(&project, stage, days));
    let gc = || project.succeed(&["cache", "gc", "--older-than", "30"]).stdout;
    // A run, a report and an export use what they take, and with it what that was made from.
    age(40);
    project.run(&[]).expect(0);
    assert!(gc().contains("0 other records"));
    age(40);
    project.succeed(&["report", "pleach.toml"]);
    assert!(gc().contains("0 other records"));
    age(40);
    project.succeed(&["export", "pleach.toml", "student", "-o", "student.safetensors"]);
    let told = project.succeed(&["cache", "gc", "--older-than", "30", "--dry-run"]).stdout;
    assert!(told.contains("small/tuned  stage  ") && told.contains("used 40 days ago; not used for so long"), "{told}");
    assert_eq!(left(&project).len(), 5);
    gc();
    assert_eq!(left(&project), ["student", "teacher"]);
    // A plan or a list is no use.
    age_of(&project, &["student", "teacher"]);
    project.succeed(&["plan", "pleach.toml"]);
    project.succeed(&["cache", "list"]);
    gc();
    assert!(left(&project).is_empty());
    assert_eq!(project.run(&[]).expect(0).stages("stage-finished").len(), 5);
}

fn age_of(project: &Project, stages: &[&str]) {
    stages.iter().for_each(|stage| unused_for(project, stage, 40));
}

#[test]
fn a_size_is_kept_and_everything_still_runs_with_the_same_bits() {
    let project = finished();
    let results = project.results();
    for (stage, days) in [("pruned", 9), ("tuned", 3), ("score", 2)] {
        unused_for(&project, stage, days);
    }
    let warned = project.succeed(&["cache", "gc", "--max-size", "1"]);
    assert!(left(&project).is_empty() && warned.stderr.is_empty(), "{}", warned.stderr);
    project.run(&[]).expect(0);
    let size = |text: &str| text.rsplit_once("; ").unwrap().1.trim_end_matches(" are left\n").to_owned();
    let all = project.succeed(&["cache", "gc"]).stdout;
    let text = project.succeed(&["cache", "gc", "--max-size", "20K"]).stdout;
    assert!(size(&text) < size(&all) && text.contains("deleted "), "{text}");
    project.run(&[]).expect(0);
    assert_eq!(project.results(), results);
}

#[test]
fn results_of_stages_and_of_manifests_are_collected() {
    let project = finished();
    project.write("other.toml", SMALL.replace("epochs = 3", "epochs = 4"));
    project.succeed(&["run", "other.toml", "teacher"]);
    let ran = project.pleach(&["cache", "gc", "--stage", "teecher"]).expect(2);
    assert!(ran.stderr.contains("no result of a stage `teecher`"), "{}", ran.stderr);
    let records = || project.records().len();
    assert_eq!(records(), 6);
    let told = project.succeed(&["cache", "gc", "--not-in", "pleach.toml", "--dry-run"]).stdout;
    assert!(told.contains("small/teacher  stage  ") && told.contains("; named\n"), "{told}");
    project.succeed(&["cache", "gc", "--not-in", "pleach.toml"]);
    assert_eq!((records(), left(&project).len()), (5, 5));
    assert_eq!(project.run(&[]).expect(0).stages("stage-cached").len(), 5);
    project.succeed(&["cache", "gc", "--stage", "small/score", "--stage", "tuned"]);
    assert_eq!(left(&project), ["pruned", "student", "teacher"]);
    project.succeed(&["cache", "gc", "--in", "pleach.toml", "--stage", "pruned"]);
    assert_eq!(left(&project), ["student", "teacher"]);
    project.succeed(&["cache", "gc", "--in", "pleach.toml"]);
    assert!(left(&project).is_empty());
}

#[test]
fn journals_are_collected() {
    let project = finished();
    for _ in 0..3 {
        project.run(&[]).expect(0);
    }
    let runs = || std::fs::read_dir(project.cache().join("v1/runs")).unwrap().count();
    let files = |run: std::fs::DirEntry| std::fs::read_dir(run.path()).unwrap().count();
    let all: usize = std::fs::read_dir(project.cache().join("v1/runs")).unwrap().map(|run| files(run.unwrap())).sum();
    assert_eq!((runs(), all), (4, 4), "nothing but journals is left of runs");
    project.succeed(&["cache", "gc"]);
    assert_eq!(runs(), 4, "for a week");
    project.succeed(&["cache", "gc", "--older-than", "0"]);
    assert_eq!(runs(), 4, "for the grace");
    project.succeed(&["cache", "gc", "--older-than", "0", "--grace", "0"]);
    assert_eq!(runs(), 0);
}

#[test]
fn an_exported_network_loads() {
    let project = finished();
    for (stage, units) in [("teacher", 24), ("student", 12)] {
        let file = format!("{stage}.safetensors");
        let ran = project.succeed(&["export", "pleach.toml", stage, "-o", &file]);
        assert!(ran.stdout.contains(&file), "{}", ran.stdout);
        let bytes = std::fs::read(project.path().join(&file)).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let shapes: Vec<Vec<usize>> = tensors.iter().map(|(_, tensor)| tensor.shape().to_vec()).collect();
        assert!(shapes.iter().any(|shape| shape.contains(&units) && shape.contains(&64)), "{shapes:?}");
        assert!(tensors.iter().all(|(_, tensor)| tensor.dtype() == safetensors::Dtype::F32));
    }
    project.succeed(&["export", "pleach.toml", "pruned", "-o", "graph.json"]);
    let graph: serde_json::Value =
        serde_json::from_slice(&std::fs::read(project.path().join("graph.json")).unwrap()).unwrap();
    assert!(graph.is_object());
}

#[test]
fn an_export_says_what_is_missing() {
    let project = Project::new(SMALL);
    let ran = project.pleach(&["export", "pleach.toml", "student", "-o", "x.safetensors"]).expect(11);
    assert!(ran.stderr.contains("pleach run pleach.toml student"), "{}", ran.stderr);
    project.run(&[]).expect(0);
    let ran = project.pleach(&["export", "pleach.toml", "score", "-o", "x.safetensors"]).expect(2);
    assert!(ran.stderr.contains("makes no network"), "{}", ran.stderr);
    let ran = project.pleach(&["export", "pleach.toml", "student", "-o", "no/folder/x.safetensors"]).expect(2);
    assert!(ran.stderr.contains("no/folder/x.safetensors"), "{}", ran.stderr);
    let weights = project.object("student", "weights");
    overwrite(&weights, &vec![0; std::fs::metadata(&weights).unwrap().len() as usize]);
    let ran = project.pleach(&["export", "pleach.toml", "student", "-o", "x.safetensors"]).expect(11);
    assert!(ran.stderr.contains("corrupt") && ran.stderr.contains("gone"), "{}", ran.stderr);
    assert!(!project.path().join("x.safetensors").exists());
    project.run(&[]).expect(0);
    project.succeed(&["export", "pleach.toml", "student", "-o", "x.safetensors"]);
}

#[test]
fn a_journal_holds_what_happened() {
    let project = Project::new(SMALL);
    let ran = project.run(&[]).expect(0);
    let run = ran.event("run-started")["run"].as_str().unwrap().to_owned();
    let path: PathBuf = project.cache().join("v1/runs").join(run).join("journal.jsonl");
    let (values, torn) = pleach::store::read_journal(&path).unwrap();
    assert!(!torn);
    let told: Vec<_> = ran.events().into_iter().filter(|event| event["event"] != "step").collect();
    assert_eq!(values, told);
    assert_eq!(values.last().unwrap()["event"], "run-finished");
}

#[test]
fn a_first_manifest_is_written_once_and_is_valid() {
    let project = Project::new("");
    let ran = project.succeed(&["init", "new/folder"]);
    assert!(ran.stdout.contains("pleach run new/folder/pleach.toml"), "{}", ran.stdout);
    project.succeed(&["check", "new/folder/pleach.toml"]);
    let written = std::fs::read_to_string(project.path().join("new/folder/pleach.toml")).unwrap();
    assert!(written.starts_with("#:schema ./pleach.schema.json\n"), "{written}");
    let for_editors = std::fs::read_to_string(project.path().join("new/folder/pleach.schema.json")).unwrap();
    assert_eq!(for_editors, project.succeed(&["schema"]).stdout);
    let short: Vec<String> =
        ["teacher", "student", "tuned"].iter().map(|stage| format!("--set=stages.{stage}.epochs=1")).collect();
    let mut arguments = vec!["run", "new/folder/pleach.toml", "--set=data.digits.limit=100"];
    arguments.extend(short.iter().map(String::as_str));
    project.succeed(&arguments);
    // A student that is smaller than its teacher, and channels that are gone.
    arguments.splice(..1, ["report"]);
    let report = project.succeed(&[&arguments[..], &["--format", "json"]].concat()).stdout;
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let parameters: Vec<f64> = rows.iter().map(|row| row["values"]["parameters"].as_f64().unwrap()).collect();
    assert!(parameters[0] > 3.0 * parameters[1] && parameters[1] > 1.5 * parameters[2], "{parameters:?}");
    let before = std::fs::read(project.path().join("new/folder/pleach.toml")).unwrap();
    let ran = project.pleach(&["init", "new/folder"]).expect(11);
    assert!(ran.stderr.contains("there already"), "{}", ran.stderr);
    assert_eq!(std::fs::read(project.path().join("new/folder/pleach.toml")).unwrap(), before);
}

#[test]
fn completions_name_the_commands() {
    let project = Project::new("");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = project.succeed(&["completions", shell]).stdout;
        assert!(script.contains("explain") && script.contains("keep-going"), "{shell}");
    }
    project.pleach(&["completions", "abacus"]).expect(2);
}

#[test]
fn a_store_further_up_is_told_where_a_new_one_is_made() {
    let project = Project::new(SMALL);
    project.succeed(&["run", "pleach.toml", "teacher"]);
    let below = project.path().join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    let run = |cache: &[&str]| {
        let mut command = project.command(&[&["run", "../../pleach.toml", "teacher"], cache].concat());
        command.current_dir(&below);
        crate::support::Running::start(command).wait().expect(0)
    };
    let new = run(&[]);
    assert!(new.stderr.contains("there is one further up: `--cache ../../cache` uses that"), "{}", new.stderr);
    let again = run(&[]);
    assert!(!again.stderr.contains("further up"), "it has results of its own now: {}", again.stderr);
    assert!(run(&["--cache", "../../cache"]).stderr.contains("1 cached"));
}
