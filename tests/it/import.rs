//! Networks whose weights come from a file: from pleach itself here, from elsewhere in `foreign`, with layers from a file in
//! `graphs`.

mod foreign;
mod graphs;

use serde_json::Value;

use crate::support::Project;

/// A teacher to export, and its weights taken in again from the file.
pub const MANIFEST: &str = r#"
[pipeline]
name = "import"
seed = 1

[data.digits]
source = "digits"
validation = 0.2
limit = 300

[networks.small]
arch = "mlp"
hidden = [24]

[stages.teacher]
kind = "train"
data = "digits"
network = "small"
epochs = 3

[stages.own]
kind = "evaluate"
data = "digits"
models = ["teacher"]

[stages.imported]
kind = "import"
data = "digits"
path = "weights/teacher.safetensors"
network = "small"

[stages.again]
kind = "import"
data = "digits"
path = "weights/teacher.safetensors"
network = { like = "teacher" }

[stages.student]
kind = "distill"
data = "digits"
teacher = "imported"
network = { like = "imported" }
epochs = 1

[stages.tuned]
kind = "fine-tune"
data = "digits"
from = "imported"
epochs = 1

[stages.score]
kind = "evaluate"
data = "digits"
models = ["imported", "student", "tuned", "again"]
"#;

const FILE: &str = "weights/teacher.safetensors";

/// The project with the teacher's weights exported.
fn exported() -> Project {
    let project = Project::new(MANIFEST);
    std::fs::create_dir(project.path().join("weights")).unwrap();
    project.run(&["own"]).expect(0);
    project.succeed(&["export", "pleach.toml", "teacher", "-o", FILE]);
    project
}

/// The first model's measures in the metrics of an evaluate stage.
fn measures(project: &Project, stage: &str) -> Value {
    let metrics: Value = serde_json::from_slice(&std::fs::read(project.object(stage, "metrics")).unwrap()).unwrap();
    metrics["models"][0].clone()
}

#[test]
fn an_exported_teacher_is_imported_as_it_was() {
    let project = exported();
    let ran = project.run(&[]).expect(0);
    assert_eq!(ran.stages("stage-started"), ["imported", "again", "student", "tuned", "score"]);
    assert_eq!(measures(&project, "score"), measures(&project, "own"));
    let results = project.results();
    for stage in ["imported", "again"] {
        assert_eq!(results[&format!("import/{stage}")]["weights"], results["import/teacher"]["weights"]);
    }

    // Another name or place of the file, another name of the stage: the same import.
    std::fs::rename(project.path().join(FILE), project.path().join("elsewhere")).unwrap();
    let moved = MANIFEST.replace(FILE, "elsewhere");
    project.write("pleach.toml", &moved);
    assert!(project.run(&[]).expect(0).stages("stage-started").is_empty());
    // Mean and deviation are measured on the training split; where they are given, the split and its seed decide nothing.
    let constants = "normalization = { mean = [0.3], deviation = [0.4] }\n";
    let given = moved.replace("[data.digits]\n", &format!("[data.digits]\n{constants}"));
    project.write("pleach.toml", &given);
    project.run(&["imported"]).expect(0);
    project.write("pleach.toml", given.replace("\nseed = 1", "\nseed = 2"));
    let ran = project.run(&["imported"]).expect(0);
    assert_eq!(ran.stages("stage-cached"), ["imported"]);
    project.write("pleach.toml", moved.replace("\nseed = 1", "\nseed = 2"));
    let ran = project.run(&["imported"]).expect(0);
    assert_eq!(ran.stages("stage-started"), ["imported"]);
    project.write("pleach.toml", &moved);

    // One byte of one weight: another network, and everything behind it runs again.
    let path = project.path().join("elsewhere");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.iter_mut().nth_back(4).unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let plan = project.succeed(&["plan", "pleach.toml", "imported"]);
    insta::assert_snapshot!(without_digests(&plan.untimed()));
    let ran = project.run(&[]).expect(0);
    assert_eq!(ran.stages("stage-started"), ["imported", "again", "student", "tuned", "score"]);
    let explained = project.succeed(&["explain", "pleach.toml", "imported"]);
    let (made_of, _) = explained.stdout.split_once("outputs").expect("what it made");
    insta::assert_snapshot!(without_digests(made_of));
}

/// The text with every hash made one.
fn without_digests(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let (digits, rest) = word.split_at(word.trim_end_matches(|c: char| !c.is_ascii_hexdigit()).len());
        let is_digest = digits.len() >= 12 && digits.bytes().any(|b| b.is_ascii_digit());
        out += if is_digest { "HASH" } else { digits };
        out += rest;
    }
    out
}

#[test]
fn files_that_cannot_be_imported_are_told() {
    let project = Project::new(MANIFEST);
    let mut all = String::new();
    let folder = format!("{}/", project.path().display());
    let mut told = |arguments: &[&str], code: i32| {
        let ran = project.run(&[&["imported"], arguments].concat()).expect(code);
        // Before anything begins an error is on stderr; a stage that fails is an event.
        let failed = ran.stages("stage-failed");
        let text = if failed.is_empty() { ran.stderr.clone() } else { format!("{:#}", ran.event("stage-failed")) };
        all += &format!("{}\n\n", text.replace(&folder, "").trim_end());
    };
    told(&[], 11);
    std::fs::create_dir_all(project.path().join(FILE)).unwrap();
    told(&[], 11);
    std::fs::remove_dir(project.path().join(FILE)).unwrap();
    project.write(FILE, "no weights");
    told(&[], 11);
    project.run(&["teacher"]).expect(0);
    project.succeed(&["export", "pleach.toml", "teacher", "-o", FILE]);
    told(&["--set", "networks.small.hidden=[16,16]"], 11);
    told(&["--set", "stages.imported.path=nowhere"], 11);
    insta::assert_snapshot!(all);
    project.run(&["imported"]).expect(0);
}

#[test]
fn a_file_that_changes_between_plan_and_stage_is_not_used() {
    let project = exported();
    // The file is hashed before the first stage begins, and read when the teacher is done.
    project.write(
        "pleach.toml",
        MANIFEST
            .replace("epochs = 3", "epochs = 40")
            .replace("\"small\"\n\n[stages.again]", "{ like = \"teacher\" }\n\n[stages.again]"),
    );
    let mut running = project.start(&["imported"]);
    running.until_event("stage-started", "teacher");
    let mut bytes = std::fs::read(project.path().join(FILE)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    project.write(FILE, bytes);
    let ran = running.wait().expect(11);
    assert_eq!(ran.stages("stage-failed"), ["imported"]);
    let message = ran.event("stage-failed")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("the file with the weights changed while the run was going on"), "{message}");
    project.run(&["imported"]).expect(0);
}
