//! Reports before anything is evaluated, reports held against each other, the best networks of a sweep, and the list of a store.

use pleach::store::{Options, Record, Store};
use serde_json::{Value, json};

use crate::expect::SWEEP;
use crate::support::{Project, SMALL};

fn json_of(project: &Project, arguments: &[&str]) -> Value {
    let ran = project.pleach(&[&["report", "pleach.toml", "--format=json"], arguments].concat());
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr))
}

#[test]
fn epochs_of_a_run_that_was_stopped_are_in_every_report() {
    let long = SMALL.replacen("epochs = 3", "epochs = 100000", 1);
    let project = Project::new(&long);
    project.pleach(&["report", "pleach.toml"]).expect(11);
    let mut running = project.start(&[]);
    running.until(|event| event["event"] == "epoch" && event["epoch"] == 3);
    // While it runs.
    let text = project.succeed(&["report", "pleach.toml"]).stdout;
    assert!(text.contains(" of 100000, not finished"), "{text}");
    running.signal(rustix::process::Signal::INT);
    running.wait();

    let report = json_of(&project, &[]);
    let teacher = &report["training"][0];
    assert_eq!(
        [&teacher["stage"], &teacher["of"], &teacher["finished"]],
        [&json!("teacher"), &json!(100_000), &json!(false)]
    );
    let epochs = teacher["epochs"].as_array().unwrap().len();
    assert!(epochs >= 3, "{epochs}");
    let csv = project.succeed(&["report", "pleach.toml", "--format=csv", "--rows=epochs"]).stdout;
    assert_eq!(csv.lines().count(), 1 + epochs);
    let markdown = project.succeed(&["report", "pleach.toml", "--format=markdown"]).stdout;
    assert!(markdown.contains(&format!("| teacher | {epochs} of 100000, not finished |")), "{markdown}");
    assert!(project.succeed(&["report", "pleach.toml", "--format=html"]).stdout.contains("\"finished\":false"));
    // A run that goes on replaces the last checkpoint while it is read: the one before says nearly as much.
    let store = Store::open(&project.cache(), &Options::default()).unwrap();
    let epoch = |record: &Record| record.fields.iter().find(|(name, _)| name == "epoch").unwrap().1.parse::<usize>();
    let of_epoch = |record: &Record| (epoch(record).unwrap(), record.outputs["checkpoint"].digest.to_string());
    let mut checkpoints: Vec<_> =
        store.records().filter(|record| record.kind == "epoch").map(|record| of_epoch(&record)).collect();
    checkpoints.sort();
    let last = &checkpoints.pop().unwrap().1;
    std::fs::remove_file(project.cache().join("v1/objects").join(&last[..2]).join(last)).unwrap();
    let before = json_of(&project, &[])["training"][0]["epochs"].as_array().unwrap().len();
    assert_eq!(before, checkpoints.last().unwrap().0);
    // What was trained is worth a table too; what is finished says so.
    project.succeed(&["run", "pleach.toml", "teacher", "--set", "stages.teacher.epochs=4"]);
    let text = project.succeed(&["report", "pleach.toml", "--set", "stages.teacher.epochs=4"]).stdout;
    assert!(text.starts_with("training, by the last epoch") && text.contains("teacher  4 of 4 "), "{text}");
    let csv = project.pleach(&["report", "pleach.toml", "--format=csv", "--set", "stages.teacher.epochs=4"]).expect(11);
    assert!(csv.stderr.contains("the store has no evaluation"), "{}", csv.stderr);
}

#[test]
fn a_report_is_held_against_another_and_against_another_manifest() {
    let text = SWEEP.split("[expect]").next().unwrap();
    let project = Project::new(text);
    project.succeed(&["run", "pleach.toml"]);
    project.succeed(&["report", "pleach.toml", "--format=json", "-o", "before.json"]);
    let same = json_of(&project, &["--against", "before.json"]);
    let held = same["against"]["networks"].as_array().unwrap();
    assert_eq!(held.len(), 6, "three settings on two splits");
    for line in held {
        assert_eq!((&line["top1"]["difference"], &line["changed"]), (&json!(0.0), &json!([])), "{line}");
        assert!(line["values"].as_object().unwrap().values().all(|pair| pair[0] == pair[1]), "{line}");
    }

    // A change, against the manifest as it is.
    let sets = ["--set", "stages.whole.epochs=2", "--set", "matrix.sparsity=[0.1]"];
    project.succeed(&[&["run", "pleach.toml"], &sets[..]].concat());
    let report = json_of(&project, &[&sets[..], &["--against", "pleach.toml"]].concat());
    let held = report["against"]["networks"].as_array().unwrap();
    let line = |name: &str, axes: Value| {
        let found = held.iter().find(|line| line["name"] == name && line["axes"] == axes && line["split"] == "test");
        found.unwrap_or_else(|| panic!("{name}{axes}: {held:#?}"))
    };
    let whole = line("whole", json!({}));
    assert_eq!(whole["changed"], json!([["epochs", "15", "2"]]));
    assert_eq!(whole["top1"]["n"], 3);
    let means = whole["values"]["top1"].as_array().unwrap();
    let difference = means[1].as_f64().unwrap() - means[0].as_f64().unwrap();
    assert!(difference < 0.0 && (whole["top1"]["difference"].as_f64().unwrap() - difference).abs() < 1e-12);
    assert_eq!(line("pruned", json!({"sparsity": 0.1}))["because"], Value::Null);
    assert_eq!(line("pruned", json!({"sparsity": 0.99}))["because"], "only there");

    // Of two seeds of three, only the means are compared.
    let report = json_of(&project, &["--set", "matrix.seed=[1, 2]", "--against", "before.json"]);
    let whole = report["against"]["networks"].as_array().unwrap().iter().find(|line| line["name"] == "whole").unwrap();
    assert_eq!((&whole["top1"]["n"], &whole["top1"]["low"]), (&json!(1), &Value::Null));

    let text = project.succeed(&[&["report", "pleach.toml", "--against", "before.json"], &sets[..]].concat()).stdout;
    assert!(text.contains("against before.json: before → now") && text.contains("epochs 15 → 2"), "{text}");
    let markdown = ["report", "pleach.toml", "--against", "before.json", "--format=markdown"];
    let markdown = project.succeed(&[&markdown[..], &sets[..]].concat()).stdout;
    assert!(markdown.contains("epochs 15 → 2 |"), "{markdown}");
    let csv = ["report", "pleach.toml", "--against", "before.json", "--format=csv", "--rows=against"];
    let csv = project.succeed(&[&csv[..], &sets[..]].concat()).stdout;
    assert!(csv.starts_with("evaluation,model,split,sparsity,top1-before,top1-now,"), "{csv}");
}

#[test]
fn what_is_no_report_is_refused() {
    let project = Project::new(SMALL);
    project.run(&[]).expect(0);
    project.write("list.json", "[1, 2]");
    project
        .write("other.toml", SMALL.replacen("name = \"small\"", "name = \"other\"", 1).replace("seed = 3", "seed = 4"));
    let cases: [(&[&str], i32, &str); 5] = [
        (&["--against", "list.json"], 11, "this is no report of pleach"),
        (&["--against", "nowhere.json"], 11, "cannot read the report"),
        (&["--against", "nowhere.toml"], 11, "nowhere.toml"),
        (&["--against", "other.toml"], 11, "the store has no evaluation of this manifest"),
        (&["--format=csv", "--rows=against"], 2, "`--rows against` needs `--against`"),
    ];
    for (arguments, code, told) in cases {
        let ran = project.pleach(&[&["report", "pleach.toml"], arguments].concat()).expect(code);
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn the_best_networks_of_a_sweep_are_named_with_the_command_that_exports_them() {
    let text = SWEEP.split("[expect]").next().unwrap();
    let mild = "sparsity = [0.1, 0.2, 0.99]";
    let project = Project::new(&text.replace("sparsity = [0.1, 0.99]", mild));
    let ran = project.succeed(&["run", "pleach.toml"]);
    let report = project.succeed(&["report", "pleach.toml"]);
    for told in [&ran.stdout, &report.stdout] {
        let lines: Vec<&str> = told.lines().skip_while(|line| !line.starts_with("best networks of choice")).collect();
        assert_eq!(lines[0], "best networks of choice, by their accuracy on validation images");
        assert!(lines[1].starts_with("  most accurate: pruned[sparsity=0."), "{told}");
        let command = lines[2].trim().strip_prefix("pleach ").expect("a command");
        // As a shell takes it.
        let arguments: Vec<String> = command.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect();
        project.succeed(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(project.path().join("pruned.safetensors").is_file());
    }
    // Of the seeds, the most accurate is exported.
    let report = json_of(&project, &[]);
    let lines: Vec<&str> = ran.stdout.lines().skip_while(|line| !line.starts_with("best networks")).collect();
    let (group, stage) = (lines[1], lines[2].split('\'').nth(1).expect("a quoted name"));
    let sparsity = if group.contains("sparsity=0.1]") { 0.1 } else { 0.2 };
    let rows = report["rows"].as_array().unwrap().iter();
    let of_group: Vec<&Value> = rows
        .filter(|row| row["split"] == "validation" && row["name"] == "pruned" && row["axes"]["sparsity"] == sparsity)
        .collect();
    let accuracy = |row: &Value| row["values"]["top1"].as_f64().unwrap();
    let best = of_group.iter().map(|row| accuracy(row)).fold(0.0, f64::max);
    let chosen = of_group.iter().find(|row| row["model"] == stage).expect(stage);
    assert_eq!(accuracy(chosen), best);
    // What fails the expectations is not the best, and a manifest without a sweep has none.
    let fails = ["report", "pleach.toml", "--set", "expect.pruned.nonzeros=<= 1"];
    let ran = project.pleach(&fails).expect(23);
    assert!(!ran.stdout.contains("best networks"), "{}", ran.stdout);
    let plain = Project::new(SMALL);
    assert!(!plain.succeed(&["run", "pleach.toml"]).stdout.contains("best networks"));
}

#[test]
fn a_list_of_the_store_tells_results_of_one_name_apart() {
    let project = Project::new(SMALL);
    project.run(&[]).expect(0);
    project.run(&["--set", "stages.student.epochs=1"]).expect(0);
    let list = project.succeed(&["cache", "list"]).stdout;
    let of = |stage: &str| list.lines().filter(|line| line.contains(stage)).map(str::to_owned).collect::<Vec<_>>();
    let students = of("small/student");
    assert!(students.len() == 2 && students[0].contains("epochs=2") && students[1].contains("epochs=1"), "{list}");
    assert!(students[0].contains(" % validation"), "{list}");
    assert!(of("small/tuned").iter().all(|line| line.ends_with("other inputs")), "{list}");
    assert_eq!(of("small/teacher").len(), 1);
    assert!(!of("small/teacher")[0].contains('='), "{list}");
    let scores = of("small/score");
    assert_eq!(scores[0].matches(" %").count(), 3, "the accuracy of each network: {list}");
    let day = list.lines().nth(1).unwrap().split_whitespace().nth(1).unwrap();
    assert!(day.len() == 10 && day.starts_with("20"), "{list}");
}
