//! A set with its classes in another order, and other constants, gives the bits that it would give in the network's order:
//! in a sweep, in every kind of stage that goes on from a network, under masks, in a search, and after a `kill -9`.

use std::fs;

use rustix::process::Signal;

use super::{NAMES, json, turned, write_pictures, write_set};
use crate::support::Project;

/// `second` and `twin` show the same images in the same order; the classes of `second` are in another order than those of
/// `first`. Both have constants of their own.
const SWEEP: &str = r#"
[pipeline]
name = "orders"
seed = 1

[data.first]
source = "cifar-10"
path = "first"

[data.other]
source = "cifar-10"
path = "${matrix.set}"
normalization = { mean = ["${matrix.mean}", 0.3, 0.4], deviation = [0.4, 0.3, 0.2] }

[matrix]
set = ["second", "twin"]
mean = [0.2, 0.5]
channel = ["apoz", "mean-activation", "inactive", "taylor", "snip", "obd", "hrank"]
weight = ["taylor", "obd"]
zip = [["set", "mean"]]

[stages.teacher]
kind = "train"
data = "first"
network = { arch = "lenet", channels = [6, 8], hidden = [16] }
epochs = 8
batch = 10

[stages.tuned]
kind = "fine-tune"
data = "other"
from = "teacher"
teacher = "teacher"
epochs = 2
batch = 10

[stages.augmented]
kind = "fine-tune"
data = "other"
from = "teacher"
teacher = "teacher"
epochs = 1
batch = 10
augment = ["crop", { kind = "mixup", alpha = 0.3 }]

[stages.regularized]
kind = "regularize"
data = "other"
from = "teacher"
epochs = 1
batch = 10
penalties = [{ kind = "group-lasso", layer = "*", strength = 1e-4 }]

[stages.silent]
kind = "prune"
data = "other"
from = "teacher"
method = { kind = "inactive", layer = "hidden1", measure = "mean", threshold = 0.05 }

[stages.slim]
kind = "prune"
data = "other"
from = "teacher"
method = { kind = "channels", criterion = "${matrix.channel}", ratio = 0.4, round-to = 1 }

[stages.masked]
kind = "prune"
data = "other"
from = "teacher"
method = { kind = "weights", criterion = "${matrix.weight}", sparsity = 0.6 }

[stages.settled]
kind = "fine-tune"
data = "other"
from = "masked"
teacher = "teacher"
epochs = 2
batch = 10

[stages.gradual]
kind = "fine-tune"
data = "other"
from = "teacher"
epochs = 2
batch = 10
prune = { every = 1, method = { kind = "weights", criterion = "snip", sparsity = 0.5 } }

[stages.moving]
kind = "fine-tune"
data = "other"
from = "teacher"
epochs = 1
batch = 10
prune = { method = { kind = "rigl", sparsity = 0.5, every-steps = 3 } }

[stages.score]
kind = "evaluate"
data = "other"
models = ["teacher", "tuned", "augmented", "regularized", "silent", "gradual"]

[stages.score-settled]
kind = "evaluate"
data = "other"
models = ["settled"]
"#;

fn project(manifest: &str) -> Project {
    let project = Project::new(manifest);
    write_set(&project.path().join("first"), &NAMES);
    write_pictures(&project.path().join("second"), &turned(), &turned());
    write_pictures(&project.path().join("twin"), &NAMES, &turned());
    project
}

#[test]
fn a_sweep_over_the_order_of_classes_has_the_same_bits_in_every_stage_that_goes_on() {
    let project = project(SWEEP);
    project.run(&[]).expect(0);
    let results = project.results();
    let mut pairs = 0;
    for (label, outputs) in results.iter().filter(|(label, _)| label.contains("set=second")) {
        let twin = &results[&label.replace("set=second", "set=twin").replace("mean=0.2", "mean=0.5")];
        for output in ["network", "weights", "signature"] {
            assert_eq!(outputs.get(output), twin.get(output), "{output} of {label}");
        }
        pairs += usize::from(outputs.contains_key("weights"));
    }
    // Tuned, augmented, regularized, silent, gradual and moving; by seven criteria slim; by two masked, and settled.
    let stages: Vec<&String> = results.keys().filter(|label| label.contains("set=second")).collect();
    assert_eq!(pairs, 6 + 7 + 2 * 2, "{stages:#?}");
    let scores = results.keys().filter(|label| label.contains("/score"));
    for label in scores {
        let stage = label.rsplit('/').next().unwrap();
        let metrics = json(&project, stage, "metrics");
        let first = if stage.contains("set=second") { "cat" } else { "airplane" };
        assert_eq!(metrics["classes"][0], first, "{stage}");
        for (model, entry) in metrics["models"].as_array().unwrap().iter().enumerate() {
            assert!(entry["top1"].as_f64().unwrap() > 0.6, "model {model} of {stage}: {entry}");
        }
    }
}

/// A network is masked by what images in another order say, and chosen by its accuracy on them.
const SEARCH: &str = r#"
[pipeline]
name = "search"
seed = 1

[data.first]
source = "cifar-10"
path = "first"

[data.second]
source = "cifar-10"
path = "second"
validation = 0.3
normalization = { mean = [0.2, 0.3, 0.4], deviation = [0.4, 0.3, 0.2] }

[matrix]
sparsity = [0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.995, 0.999]

[stages.teacher]
kind = "train"
data = "first"
network = { arch = "mlp", hidden = [24] }
epochs = 12
batch = 10

[stages.masked]
kind = "prune"
data = "second"
from = "teacher"
method = { kind = "weights", criterion = "taylor", sparsity = "${matrix.sparsity}" }

[stages.choice]
kind = "evaluate"
data = "second"
split = "validation"
models = ["teacher", "masked"]
reference = "teacher"

[search]
kind = "bisect"
axis = "sparsity"
evaluate = "choice"
drop = 0.1
"#;

#[test]
fn a_search_on_another_order_counts_right_answers_by_name() {
    let project = project(SEARCH);
    let ran = project.pleach(&["run", "pleach.toml"]).expect(0);
    let found = ran.stdout.lines().find(|line| line.starts_with("search")).unwrap().to_owned();
    let mut tried = Vec::new();
    for record in project.records().iter().filter(|record| record.label.contains("/choice[")) {
        let stage = record.label.rsplit('/').next().unwrap();
        let metrics = json(&project, stage, "metrics");
        let top1 = |model: usize| metrics["models"][model]["top1"].as_f64().unwrap();
        assert!(top1(0) > 0.9, "the reference of {stage}: {}", top1(0));
        let sparsity: f64 = stage.split(['=', ']']).nth(1).unwrap().parse().unwrap();
        tried.push((sparsity, top1(1) >= top1(0) - 0.1));
    }
    tried.sort_by(|a, b| a.0.total_cmp(&b.0));
    let best = tried.iter().rev().find(|(_, holds)| *holds).expect("some hold").0;
    assert!(tried.iter().any(|(_, holds)| !holds), "{tried:?}");
    assert!(found.contains(&format!("found sparsity={best}:")), "{found}, and {tried:?}");
}

#[test]
fn a_run_that_is_killed_goes_on_in_the_order_of_the_network() {
    let end = SWEEP.find("[stages.augmented]").unwrap();
    let manifest = SWEEP[..end].replace("epochs = 2", "epochs = 12");
    let manifest = manifest.split("channel = ").next().unwrap().to_owned()
        + "zip = [[\"set\", \"mean\"]]\n\n"
        + &manifest[manifest.find("[stages.teacher]").unwrap()..];
    let (whole, killed) = (project(&manifest), project(&manifest));
    whole.run(&[]).expect(0);
    let stage = "tuned[set=second,mean=0.2]";
    let mut running = killed.start(&["--jobs", "1"]);
    running.until(|event| event["event"] == "epoch" && event["stage"] == stage && event["epoch"] == 2);
    running.signal(Signal::KILL);
    running.wait();
    let ran = killed.run(&[]).expect(0);
    let resumed = ran.events().into_iter().find(|event| event["event"] == "stage-resumed").expect("it goes on");
    assert_eq!(resumed["stage"], stage);
    assert!((2..12).contains(&resumed["epoch"].as_u64().unwrap()), "{resumed}");
    assert_eq!(killed.results(), whole.results());
    let results = whole.results();
    let weights = |set: &str| &results[&format!("orders/tuned[set={set}]")]["weights"];
    assert_eq!(weights("second,mean=0.2"), weights("twin,mean=0.5"));
}

/// Longer training on another order takes over the epochs that are there, with the teacher's logits in that order.
#[test]
fn more_epochs_on_another_order_go_on_from_those_that_are_there() {
    let end = SEARCH.find("[matrix]").unwrap();
    let teacher = SEARCH.find("[stages.teacher]").unwrap()..SEARCH.find("[stages.masked]").unwrap();
    let manifest = |epochs: u64| {
        format!(
            "{}{}[stages.student]\nkind = \"distill\"\ndata = \"second\"\nteacher = \"teacher\"\nbatch = 10\n\
             network = {{ arch = \"mlp\", hidden = [12] }}\nepochs = {epochs}\n",
            &SEARCH[..end],
            &SEARCH[teacher.clone()]
        )
    };
    let (longer, fresh) = (project(&manifest(2)), project(&manifest(4)));
    longer.run(&[]).expect(0);
    fs::remove_file(longer.record_file("student")).unwrap();
    longer.write("pleach.toml", manifest(4));
    assert_eq!(longer.run(&[]).expect(0).event("stage-resumed")["epoch"], 2);
    fresh.run(&[]).expect(0);
    assert_eq!(longer.results(), fresh.results());
}
