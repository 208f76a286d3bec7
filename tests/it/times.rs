//! Times that were measured under unlike conditions, and stages whose seed decides nothing.

use serde_json::Value;

use crate::support::{Project, Running};

const TWO: &str = r#"
[data.digits]
source = "digits"
limit = 128
[stages.a]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = [16] }
epochs = 1
[stages.b]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = [16] }
epochs = 1
seed = 2
[stages.score]
kind = "evaluate"
data = "digits"
models = ["a", "b"]
reference = "a"
[report.metrics]
slower = "latency_ms / reference.latency_ms"
larger = "parameters / reference.parameters"
"#;

/// The rows of a report as JSON, by model.
fn rows(project: &Project) -> (Value, Vec<Value>) {
    let json = project.succeed(&["report", "pleach.toml", "--format=json"]).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let rows = json["rows"].as_array().unwrap().clone();
    (json, rows)
}

/// A project of which one network was measured on two threads, and later another on one thread with narrow vectors.
pub fn measured_twice() -> Project {
    let project = Project::new(TWO);
    project.write(
        "today.toml",
        TWO.replace("models = [\"a\", \"b\"]\nreference = \"a\"", "models = [\"a\"]").split("[report").next().unwrap(),
    );
    project.succeed(&["run", "today.toml", "--threads", "2"]);
    let mut command = project.command(&["run", "pleach.toml", "--threads", "1"]);
    command.env("PLEACH_SIMD", "scalar");
    Running::start(command).wait().expect(0);
    project
}

#[test]
fn times_under_unlike_conditions_are_marked_and_not_divided() {
    let project = measured_twice();
    let (json, found) = rows(&project);
    let unlike = &json["unlike-times"][0];
    assert_eq!((&unlike["evaluation"], &unlike["split"]), (&"score".into(), &"test".into()));
    assert_eq!([0, 1].map(|kind| unlike["conditions"][kind][1][0].as_str().unwrap()), ["a", "b"]);
    let conditions = |row: &Value| row["timing"]["conditions"].clone();
    assert_eq!([0, 1].map(|row| conditions(&found[row])["threads"].as_u64().unwrap()), [2, 1]);
    assert_eq!(conditions(&found[1])["lanes"], 1);
    assert!(!conditions(&found[0])["processor"].as_str().unwrap().is_empty());
    assert_eq!((found[0]["values"]["slower"].as_f64(), found[0]["values"]["larger"].as_f64()), (Some(1.0), Some(1.0)));
    assert!(found[1]["values"]["slower"].is_null(), "{}", found[1]);
    assert_eq!(found[1]["values"]["larger"].as_f64(), Some(1.0), "what no clock decides has its value");
    let text = project.succeed(&["report", "pleach.toml"]).stdout;
    assert!(text.contains("* times under unlike conditions, not to be compared; `--refresh score` measures"), "{text}");
    assert!(text.contains("    a: 2 threads of ") && text.contains("    b: 1 thread of "), "{text}");
    let explained = project.succeed(&["explain", "pleach.toml", "score"]).stdout;
    let made = explained.split_once("made by\n").unwrap().1;
    assert!(!made.contains("  threads "), "the threads of the run are not those of `a`: {made}");
    assert!(made.lines().any(|line| line.starts_with("  models.0 ") && line.contains("2 threads of")), "{made}");
    assert!(made.lines().any(|line| line.starts_with("  models.1 ") && line.contains("1 thread of")), "{made}");
    let csv = project.succeed(&["report", "pleach.toml", "--format=csv"]).stdout;
    assert!(csv.lines().next().unwrap().ends_with(",times") && csv.contains("1 thread of "), "{csv}");
    // As it says, all are measured again.
    project.succeed(&["run", "pleach.toml", "--threads", "1", "--refresh", "score"]);
    let (json, found) = rows(&project);
    assert_eq!(json["unlike-times"].as_array().unwrap().len(), 0);
    assert!(found[1]["values"]["slower"].is_number());
    assert!(!project.succeed(&["report", "pleach.toml"]).stdout.contains('*'));
}

#[test]
fn nothing_runs_beside_a_stage_that_measures() {
    let matrix = "[matrix]\nseed = [1, 2, 3, 4]\n";
    let project = Project::new(&format!("{}{matrix}", TWO.replace("seed = 2\n", "").split("[report").next().unwrap()));
    project.succeed(&["run", "pleach.toml", "--jobs", "3", "--threads", "3"]);
    let (json, found) = rows(&project);
    assert_eq!((json["unlike-times"].as_array().unwrap().len(), found.len()), (0, 8));
    for row in found {
        let conditions = &row["timing"]["conditions"];
        assert_eq!((conditions["threads"].as_u64(), conditions["beside"].as_u64()), (Some(3), Some(0)), "{row}");
    }
}

const PRUNED: &str = r#"
[matrix]
seed = [1, 2]
[data.digits]
source = "digits"
limit = 128
[stages.teacher]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = [16] }
epochs = 1
seed = 5
[stages.pruned]
kind = "prune"
from = "teacher"
method = { kind = "weights", criterion = "magnitude", sparsity = 0.5 }
[stages.score]
kind = "evaluate"
data = "digits"
models = ["pruned"]
"#;

#[test]
fn a_seed_that_decides_nothing_makes_no_second_result() {
    for jobs in ["--jobs=1", "--jobs=2"] {
        let project = Project::new(PRUNED);
        // A plan counts results.
        let plan = project.succeed(&["plan", "pleach.toml"]).stdout;
        assert!(plan.contains("pruned x 2  1 run, 1 with the key of another\n"), "{plan}");
        assert!(plan.contains("\n0 cached, 3 to run, 0 maybe\n"), "{plan}");
        let expanded = project.succeed(&["plan", "pleach.toml", "--expand"]).stdout;
        assert!(expanded.contains("score[seed=2]   same    its key is that of `score[seed=1]`\n"), "{expanded}");
        let ran = project.run(&[jobs]).expect(0);
        let end = ran.event("run-finished");
        // One of two prunes and of two evaluations does the work, and the other has its result.
        assert_eq!((end["ran"].as_u64(), end["cached"].as_u64()), (Some(3), Some(2)), "{}", ran.stdout);
        assert_eq!(project.records().len(), 3);
        let plan = project.succeed(&["plan", "pleach.toml"]).stdout;
        assert!(plan.ends_with("3 cached, 0 to run, 0 maybe\n"), "{plan}");
        let json = project.succeed(&["plan", "pleach.toml", "--json"]).stdout;
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((json["cached"].as_u64(), json["stages"].as_array().unwrap().len()), (Some(3), 5));
        let same = json["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == "pruned[seed=2]").unwrap();
        assert_eq!((&same["state"], &same["same-as"]), (&"cached".into(), &"pruned[seed=1]".into()));
        let explained = project.succeed(&["explain", "pleach.toml", "pruned[seed=1]"]).stdout;
        assert!(explained.contains("  kind ") && !explained.contains("  seed "), "{explained}");
        let again = project.run(&[jobs, "--set=stages.score.seed=9"]).expect(0);
        assert_eq!(again.stages("stage-finished"), [""; 0]);
        // One whose scores are drawn has two.
        let plan = project.succeed(&["plan", "pleach.toml", "--set=stages.pruned.method.criterion='random'"]).stdout;
        assert!(plan.contains("\n1 cached, 2 to run, 2 maybe\n"), "{plan}");
        let ran = project.run(&[jobs, "--set=stages.pruned.method.criterion='random'"]).expect(0);
        assert_eq!(ran.stages("stage-finished").len(), 4, "{}", ran.stdout);
    }
}
