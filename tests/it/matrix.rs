//! Sweeps: what runs, what is shown, and what a search tries.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::{Project, Ran, Running};

/// Two networks pruned by two criteria, two seeds.
const SWEEP: &str = r#"
[data.digits]
source = "digits"
validation = 0.2
limit = 200

[networks.small]
arch = "mlp"
hidden = [8]

[networks.wide]
arch = "mlp"
hidden = [16]

[stages.teacher]
kind = "train"
data = "digits"
network = "wide"
epochs = 2
seed = 9

[stages.student]
kind = "distill"
data = "digits"
teacher = "teacher"
network = "${matrix.net}"
epochs = 2

[stages.pruned]
kind = "prune"
from = "student"
method = { kind = "weights", criterion = "${matrix.criterion}", sparsity = 0.5 }

[stages.tuned]
kind = "fine-tune"
data = "digits"
from = "pruned"
teacher = "teacher"
epochs = 1

[stages.score]
kind = "evaluate"
data = "digits"
models = ["teacher", "student", "tuned"]
reference = "student"

[matrix]
net = ["small", "wide"]
criterion = ["magnitude", "random"]
seed = [1, 2]

[report]
panel = "net"
compare = "criterion"
against = "random"
metrics.lost = "reference.accuracy - accuracy"
"#;

fn without_times(text: &str) -> String {
    // The clock's column is the last but one: it is never the same twice.
    let number = |word: &str| word.contains('.') && word.len() == 5 && word.parse::<f64>().is_ok_and(|ms| ms < 1.0);
    let line = |line: &str| line.split(' ').filter(|word| !number(word)).collect::<Vec<_>>().join(" ");
    text.lines().map(|text| line(text).trim_end().to_owned() + "\n").collect()
}

#[test]
fn a_sweep_is_planned_run_and_reported() {
    let project = Project::new(SWEEP);
    insta::assert_snapshot!("sweep-graph", project.succeed(&["graph", "pleach.toml"]).stdout);
    insta::assert_snapshot!("sweep-graph-expanded", project.succeed(&["graph", "pleach.toml", "--expand"]).stdout);
    insta::assert_snapshot!("sweep-plan", project.succeed(&["plan", "pleach.toml"]).untimed());
    let ran = project.run(&[]).expect(0);
    assert_eq!(ran.stages("stage-finished").len(), 1 + 4 + 8 + 8 + 8);
    insta::assert_snapshot!("sweep-plan-done", project.succeed(&["plan", "pleach.toml"]).untimed());
    let report = project.succeed(&["report", "pleach.toml"]).stdout;
    // Its teacher is one row, students one a network, and what was tuned one a network and criterion.
    assert_eq!(report.lines().filter(|line| line.starts_with("  t")).count(), 1 + 4, "{report}");
    assert_eq!(report.lines().filter(|line| line.starts_with("  student")).count(), 2, "{report}");
    assert!(report.contains("score of tuned by criterion: ranks by accuracy"), "{report}");
    assert_eq!(without_times(&project.succeed(&["run", "pleach.toml"]).stdout), without_times(&report));

    let json: Value =
        serde_json::from_str(&project.succeed(&["report", "pleach.toml", "--format=json"]).stdout).unwrap();
    let groups = json["groups"].as_array().unwrap();
    let tuned = groups.iter().filter(|group| group["name"] == "tuned").collect::<Vec<_>>();
    assert_eq!(tuned.len(), 4);
    for group in &tuned {
        assert_eq!(group["seeds"], serde_json::json!([1, 2]));
        let of_group = |row: &&Value| {
            row["name"] == "tuned"
                && row["axes"]["net"] == group["axes"]["net"]
                && row["axes"]["criterion"] == group["axes"]["criterion"]
        };
        let rows: Vec<f64> = json["rows"]
            .as_array()
            .unwrap()
            .iter()
            .filter(of_group)
            .map(|row| row["values"]["top1"].as_f64().unwrap())
            .collect();
        assert_eq!(rows.len(), 2);
        assert!((group["values"]["top1"]["mean"].as_f64().unwrap() - (rows[0] + rows[1]) / 2.0).abs() < 1e-12);
        let lost = group["values"]["lost"]["mean"].as_f64().unwrap();
        assert!((lost + group["versus"]["top1"]["difference"].as_f64().unwrap()).abs() < 1e-12);
    }
    // One teacher against the students of all seeds and networks.
    let teacher = groups.iter().find(|group| group["name"] == "teacher").unwrap();
    let top1 = |row: &Value| row["values"]["top1"].as_f64().unwrap();
    let students: Vec<f64> =
        json["rows"].as_array().unwrap().iter().filter(|row| row["name"] == "student").map(top1).collect();
    let mean = students.iter().sum::<f64>() / students.len() as f64;
    let difference = teacher["values"]["top1"]["mean"].as_f64().unwrap() - mean;
    assert_eq!(teacher["versus"]["top1"]["pairs"], 4);
    assert!((teacher["versus"]["top1"]["difference"].as_f64().unwrap() - difference).abs() < 1e-12);
    for known in ["low", "high", "p"] {
        assert!(teacher["versus"]["top1"][known].is_null(), "one teacher says nothing about others");
    }
    let csv = project.succeed(&["report", "pleach.toml", "--format=csv"]).stdout;
    assert_eq!(csv.lines().count(), 1 + 1 + 2 + 4, "{csv}");
    let head = "evaluation,model,data,split,images,n,networks,collapsed,diverged,net,criterion,top1,top1-sd,";
    assert!(csv.starts_with(head), "{csv}");
    project.succeed(&["report", "pleach.toml", "--format=html", "-o", "page.html"]);
    let page = std::fs::read_to_string(project.path().join("page.html")).unwrap();
    assert!(page.contains("tuned[net=small,criterion=random,seed=2]"), "{}", page.len());
}

#[test]
fn a_new_value_runs_only_its_own_branch() {
    let project = Project::new(SWEEP);
    project.run(&[]).expect(0);
    project.write("pleach.toml", SWEEP.replace(r#"["magnitude", "random"]"#, r#"["magnitude", "lamp", "random"]"#));
    insta::assert_snapshot!("sweep-plan-grown", project.succeed(&["plan", "pleach.toml"]).untimed());
    let ran = project.run(&[]).expect(0);
    let finished = ran.stages("stage-finished");
    assert_eq!(finished.len(), 3 * 4);
    assert!(finished.iter().all(|stage| stage.contains("criterion=lamp")), "{finished:?}");
}

#[test]
fn a_network_is_measured_once_for_all_evaluations() {
    let project = Project::new(SWEEP);
    project.run(&[]).expect(0);
    let store = pleach::store::Store::open(&project.cache(), &Default::default()).unwrap();
    let measured = store.records().filter(|record| record.kind == "measurement").count();
    assert_eq!(measured, 1 + 4 + 8);
}

#[test]
fn a_part_of_the_matrix() {
    let project = Project::new(SWEEP);
    let ran = project.run(&["--only=net=small,seed=1", "--only=criterion=random"]).expect(0);
    assert_eq!(ran.stages("stage-finished").len(), 5);
    let ran = project.run(&["pruned", "--only=net=small"]).expect(0);
    assert_eq!(ran.stages("stage-finished").len(), 1 + 3);
    let told = |arguments: &[&str]| project.pleach(&[&["plan", "pleach.toml"], arguments].concat()).expect(2).stderr;
    let errors = [
        told(&["--only=net"]),
        told(&["--only=nett=small"]),
        told(&["--only=net=tiny"]),
        told(&["student", "--only=net=small", "prunde"]),
        told(&["pruned[net=small]"]),
        project.pleach(&["explain", "pleach.toml", "pruned"]).expect(2).stderr,
    ];
    insta::assert_snapshot!("sweep-errors", errors.join("\n"));
    project.succeed(&["explain", "pleach.toml", "pruned[net=small,criterion=random,seed=1]"]);
}

const SEARCH: &str = r#"
[stages.choice]
kind = "evaluate"
data = "digits"
split = "validation"
models = ["student", "tuned"]
reference = "student"

[search]
kind = "bisect"
axis = "sparsity"
evaluate = "choice"
drop = 0.05
"#;

fn searched(drop: &str) -> String {
    SWEEP
        .replace("sparsity = 0.5 }", "sparsity = \"${matrix.sparsity}\" }")
        .replace("criterion = [\"magnitude\", \"random\"]", "criterion = [\"magnitude\"]\nsparsity = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99]")
        .replace("compare = \"criterion\"\nagainst = \"random\"\n", "")
        .replace("net = [\"small\", \"wide\"]", "net = [\"wide\"]")
        + SEARCH.replace("0.05", drop).as_str()
}

#[test]
fn a_bisection_finds_what_the_grid_finds_with_a_third_of_its_stages() {
    let project = Project::new(&searched("0.05"));
    insta::assert_snapshot!("search-plan", project.succeed(&["plan", "pleach.toml"]).untimed());
    let ran = project.succeed(&["run", "pleach.toml"]);
    let found = ran.stdout.lines().find(|line| line.starts_with("search")).unwrap().to_owned();
    let tuned = |project: &Project| project.records().iter().filter(|record| record.label.contains("/tuned[")).count();
    assert!(3 * tuned(&project) <= 2 * 13, "{} of 26", tuned(&project));
    // It is all there now.
    let again = project.succeed(&["run", "pleach.toml"]);
    assert_eq!(again.stdout.lines().next(), Some(found.as_str()));
    assert!(project.succeed(&["plan", "pleach.toml"]).stdout.contains(" 0 to run, 0 maybe"));

    // The whole grid, and what it says.
    let grid = Project::new(searched("0.05").split("[search]").next().unwrap());
    grid.succeed(&["run", "pleach.toml", "choice"]);
    let report = grid.succeed(&["report", "pleach.toml", "--format=json"]).stdout;
    let json: Value = serde_json::from_str(&report).unwrap();
    let groups: Vec<&Value> =
        json["groups"].as_array().unwrap().iter().filter(|group| group["evaluation"] == "choice").collect();
    let mean = |group: &Value| group["values"]["top1"]["mean"].as_f64().unwrap();
    let student = mean(groups.iter().find(|group| group["name"] == "student").unwrap());
    let holds = |group: &&&Value| group["name"] == "tuned" && mean(group) >= student - 0.05 - 1e-9;
    // The first that loses too much ends what holds, as bisection assumes.
    let tuned = groups.iter().filter(|group| group["name"] == "tuned");
    let last = tuned.take_while(|group| holds(group)).last().map(|group| group["axes"]["sparsity"].to_string());
    let monotone = groups.iter().filter(holds).count()
        == groups.iter().filter(|g| g["name"] == "tuned").take_while(|g| holds(g)).count();
    if monotone {
        let value = last.map_or("every value loses".to_owned(), |last| format!("found sparsity={last}:"));
        assert!(found.contains(&value), "{found}, and the grid {value}");
    }
}

#[test]
fn a_search_stays_in_the_part_that_was_asked_for() {
    let project = Project::new(&searched("0.05").replace("net = [\"wide\"]", "net = [\"small\", \"wide\"]"));
    let planned = project.succeed(&["plan", "pleach.toml", "tuned", "--only=net=small", "--expand"]).stdout;
    assert!(planned.contains("choice[net=small") && !planned.contains("net=wide"), "{planned}");
    let ran = project.run(&["tuned", "--only=net=small"]).expect(0);
    let finished = ran.stages("stage-finished");
    assert!(finished.iter().any(|stage| stage.starts_with("choice[net=small")), "{finished:?}");
    assert!(finished.iter().all(|stage| !stage.contains("net=wide")), "{finished:?}");
    // However many rounds it took, it is one run.
    let ends: Vec<Value> = ran.events().into_iter().filter(|event| event["event"] == "run-finished").collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!((&ends[0]["ran"], &ends[0]["cached"]), (&finished.len().into(), &0.into()));
    let again = project.run(&["tuned", "--only=net=small"]).expect(0);
    assert_eq!(again.event("run-finished")["ran"], 0);
}

#[test]
fn what_is_wrong_with_a_search_is_told() {
    let told = |manifest: String| {
        let project = Project::new(&manifest);
        project.pleach(&["check", "pleach.toml"]).expect(10).stderr
    };
    let good = searched("0.05");
    let errors = [
        told(good.replace("axis = \"sparsity\"", "axis = \"sparsty\"")),
        told(good.replace("axis = \"sparsity\"", "axis = \"seed\"")),
        told(good.replace("evaluate = \"choice\"", "evaluate = \"score\"")),
        told(good.replace("evaluate = \"choice\"", "evaluate = \"tuned\"")),
        told(good.replace("evaluate = \"choice\"", "evaluate = \"chose\"\nmodel = \"x\"")),
        told(good.replace("evaluate = \"choice\"", "evaluate = \"choice\"\nmodel = \"teacher\"")),
        told(good.replace("drop = 0.05", "")),
        told(good.replace("kind = \"bisect\"", "kind = \"halving\"")),
        told(good.replace(
            "models = [\"student\", \"tuned\"]\nreference = \"student\"",
            "models = [\"student\", \"tuned\"]",
        )),
    ];
    insta::assert_snapshot!("search-errors", errors.join("\n"));
}

#[test]
fn what_is_wrong_with_a_report_is_told() {
    let told = |report: &str| {
        let manifest = SWEEP.split("[report]").next().unwrap().to_owned() + "[report]\n" + report;
        Project::new(&manifest).pleach(&["check", "pleach.toml"]).expect(10).stderr
    };
    let errors = [
        told("panel = \"nett\""),
        told("compare = \"criterion\"\nagainst = \"l1\""),
        told("against = \"random\""),
        told("group-by = [\"net\", \"nett\"]"),
        told("metrics.loss = \"1\""),
        told("metrics.Own = \"1\""),
        told("metrics.own = \"acuracy / 2\""),
        told("metrics.own = \"reference.acuracy / 2\""),
        told("metrics.own = \"accuracy / (2\""),
        told("metrics.own = \"accuracy > 2\""),
        told("metrics = 3"),
    ];
    insta::assert_snapshot!("report-errors", errors.join("\n"));
}

/// What a page on loopback answers.
fn get(address: &str, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn a_run_is_shown_on_a_page() {
    let project = Project::new(SWEEP);
    let mut command =
        project.command(&["run", "pleach.toml", "--serve", "--json", "--set=stages.teacher.epochs=100000"]);
    command.stderr(std::process::Stdio::piped());
    let mut running = Running::start(command);
    running.until_event("epoch", "teacher");
    let told = running.told_until("serving");
    let address = told.rsplit("http://").next().unwrap().trim().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{told}");
    assert!(get(&address, "/", &address).contains("<!doctype html>"));
    let state = get(&address, "/state", &address);
    let state: Value = serde_json::from_str(state.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let teacher = &state["list"][0];
    assert_eq!((&teacher["name"], &teacher["state"]), (&"teacher".into(), &"running".into()), "{state:#}");
    assert_eq!(state["sections"]["tuned"], serde_json::json!([0, 8, 0]));
    // What the report shows, of epochs that are there by now.
    let body = |path: &str| get(&address, path, &address).split_once("\r\n\r\n").unwrap().1.to_owned();
    assert!(teacher["accuracies"].as_array().is_some_and(|all| !all.is_empty()), "{teacher}");
    let report: Value = serde_json::from_str(&body("/report.json")).unwrap();
    let training = &report["training"][0];
    assert_eq!((&training["stage"], &training["finished"]), (&"teacher".into(), &false.into()), "{report:#}");
    assert!(!training["epochs"].as_array().unwrap().is_empty());
    let page = body("/report");
    assert!(page.contains("<script type=\"application/json\" id=\"report\">") && page.contains("\"finished\":false"));
    assert!(state["report"].as_str().unwrap().starts_with("pleach report pleach.toml --format html"), "{state:#}");
    assert!(get(&address, "/report", "evil.example").starts_with("HTTP/1.1 403"));
    assert!(get(&address, "/state", "evil.example").starts_with("HTTP/1.1 403"));
    assert!(get(&address, "/other", &address).starts_with("HTTP/1.1 404"));
    let port = address.rsplit(':').next().unwrap();
    let taken: Ran = Project::new(SWEEP).pleach(&["run", "pleach.toml", &format!("--serve={port}")]).expect(2);
    assert!(taken.stderr.contains("cannot serve the page on port"), "{}", taken.stderr);
}

#[test]
fn a_search_averages_over_seeds_whatever_they_are_called() {
    let manifest = crate::divergence::SEARCH
        .replace("lr = [0.01, 0.05, 0.1, 1e30]", "lr = [0.01, 0.05]\nrepeat = [1, 2]")
        .replace("epochs = \"${matrix.epochs}\"", "epochs = \"${matrix.epochs}\"\nseed = \"${matrix.repeat}\"");
    let project = Project::new(&manifest);
    let plan = project.succeed(&["plan", "pleach.toml"]).stdout;
    let of_search: Vec<&str> = plan.lines().filter(|line| line.starts_with("search")).collect();
    assert!(of_search.len() == 1 && of_search[0].starts_with("search: "), "{plan}");
    project.write("pleach.toml", manifest.replace("over = [\"lr\"]", "over = [\"repeat\"]"));
    let told = project.pleach(&["check", "pleach.toml"]).expect(10).stderr;
    assert!(told.contains("results are averaged over `repeat`, so it cannot be searched"), "{told}");
}
