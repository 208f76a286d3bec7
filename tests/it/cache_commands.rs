//! The commands that look after the store and take results out of it, and what a run writes for itself.

use std::path::PathBuf;

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
    assert!(would.starts_with("would delete 7 epochs, 0 other records"), "{would}");
    let kept = project.succeed(&["cache", "gc", "--keep-epochs"]).stdout;
    assert!(kept.starts_with("deleted 0 epochs"), "{kept}");
    let gone = project.succeed(&["cache", "gc"]).stdout;
    assert!(gone.starts_with("deleted 7 epochs, 0 other records"), "{gone}");
    assert_eq!(project.results(), results);
    assert_eq!(project.run(&[]).expect(0).stages("stage-cached").len(), 5);
    // The results are some milliseconds old.
    // The checkpoints' objects go with them; what nothing names yet would stay for an hour.
    assert!(!gone.contains(" 0 objects (0 B)") && gone.ends_with("younger than 60 minutes stay\n"), "{gone}");
    let swept = project.succeed(&["cache", "gc", "--grace", "0"]).stdout;
    assert!(swept.contains(" 0 objects (0 B)") && swept.ends_with("younger than 0 minutes stay\n"), "{swept}");
    let old = project.succeed(&["cache", "gc", "--older-than", "1"]).stdout;
    assert!(old.starts_with("deleted 0 epochs, 0 other records"), "{old}");
    assert_eq!(project.results(), results);
}

#[test]
fn collection_drops_what_a_longer_run_can_no_longer_use() {
    let project = finished();
    project.succeed(&["cache", "gc"]);
    let ran = project.run(&["teacher", "--set=stages.teacher.epochs=4"]).expect(0);
    assert!(ran.stages("stage-resumed").is_empty(), "checkpoints were collected");
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
    let short: Vec<String> =
        ["teacher", "student", "tuned"].iter().map(|stage| format!("--set=stages.{stage}.epochs=1")).collect();
    let mut arguments = vec!["run", "new/folder/pleach.toml", "--set=data.digits.limit=100"];
    arguments.extend(short.iter().map(String::as_str));
    project.succeed(&arguments);
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
