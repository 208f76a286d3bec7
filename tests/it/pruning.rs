//! Pruning through the binary: channels, weights and masks that move, from one stage to the next and out into files.

use std::path::Path;

use pleach::network::{Executor, Mode, Model};
use pleach::tensor::{Backend, Cpu, NoneTape};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Project, Results};

/// A network that loses channels to a ratio and to a target, is tuned, and loses weights.
const BOTH: &str = r#"
[pipeline]
name = "both"
seed = 3

[data.digits]
source = "digits"
validation = 0.2
limit = 300

[stages.whole]
kind = "train"
data = "digits"
network = { arch = "resnet", depth = 8, width = 8, shortcut = "projection" }
epochs = 2

[stages.narrow]
kind = "prune"
from = "whole"
method = { kind = "channels", criterion = "l1", ratio = 0.4, scope = "uniform" }

[stages.lean]
kind = "prune"
data = "digits"
from = "whole"
method = { kind = "channels", criterion = "taylor", macs = 0.5, images = 100 }

[stages.tuned]
kind = "fine-tune"
data = "digits"
from = "lean"
epochs = 1

[stages.sparse]
kind = "prune"
from = "tuned"
method = { kind = "weights", criterion = "magnitude", sparsity = 0.9 }

[stages.settled]
kind = "fine-tune"
data = "digits"
from = "sparse"
epochs = 1

[stages.score]
kind = "evaluate"
data = "digits"
models = ["whole", "narrow", "lean", "tuned", "sparse", "settled"]
reference = "whole"
"#;

/// What a stage handed over as `output`.
fn output(project: &Project, stage: &str, output: &str) -> Vec<u8> {
    std::fs::read(project.object(stage, output)).unwrap()
}

/// The network of a stage, from the store's files alone.
fn stored(project: &Project, stage: &str) -> Model {
    Model::from_parts(&output(project, stage, "network"), &output(project, stage, "weights"), None).unwrap()
}

/// The network of a stage, from files that were exported.
fn exported(project: &Project, stage: &str) -> Model {
    let [graph, weights] = ["json", "safetensors"].map(|ending| {
        let file = format!("{stage}.{ending}");
        project.succeed(&["export", "pleach.toml", stage, "-o", &file]);
        std::fs::read(project.path().join(file)).unwrap()
    });
    safetensors::SafeTensors::deserialize(&weights).expect("a plain safetensors file");
    Model::from_parts(&graph, &weights, None).unwrap()
}

fn logits(model: &Model) -> Vec<f32> {
    let device = Cpu::default();
    let size = 5 * model.graph.input.iter().product::<usize>();
    let pixels: Vec<f32> = (0..size).map(|i| ((i * 7919 % 211) as f32 / 105.0) - 1.0).collect();
    let network = Executor::new(model, &device).unwrap();
    let forward = network.forward(device.upload(&pixels).unwrap(), 5, Mode::Evaluate, &[], &mut NoneTape).unwrap();
    Cpu::download(&forward.logits)
}

/// One model of an evaluation in the report.
fn row(project: &Project, model: &str) -> Value {
    let report = project.succeed(&["report", "pleach.toml", "--format", "json"]).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let rows = report["rows"].as_array().unwrap();
    rows.iter().find(|row| row["model"] == model).expect("the model is in the report")["values"].clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn channels_go_then_weights_and_every_network_can_be_taken_out() {
    let project = Project::new(BOTH);
    project.run(&[]).expect(0);
    // The target of multiplications is met, and the ratio in every layer.
    let [whole, narrow, lean] = ["whole", "narrow", "lean"].map(|stage| stored(&project, stage));
    let share = lean.graph.macs() as f64 / whole.graph.macs() as f64;
    assert!((share - 0.5).abs() <= 0.02 * 0.5, "{share}");
    let report: Value = serde_json::from_slice(&output(&project, "narrow", "report")).unwrap();
    assert_eq!(report["channels"]["layer1.0.conv1"], serde_json::json!([8, 5]), "{report}");
    assert_eq!(number(&report["after"]["macs"]) as u64, narrow.graph.macs());
    // Masks stay through the tuning that follows.
    let [sparse, settled] = ["sparse", "settled"].map(|stage| stored(&project, stage));
    assert!(!sparse.masks.is_empty() && sparse.masks == settled.masks);
    for (name, mask) in &settled.masks {
        let kept = mask.iter().zip(&settled.tensors[name].data);
        assert!(kept.clone().all(|(kept, weight)| *kept || weight.to_bits() == 0), "{name}");
    }
    let weights: usize = settled.masks.values().map(Vec::len).sum();
    let masked = settled.masks.values().flatten().filter(|kept| !**kept).count();
    assert_eq!(masked, (0.9 * weights as f64).round() as usize);
    // Out of the store and back, the same bits come out of every network.
    for stage in ["whole", "narrow", "lean", "tuned", "sparse", "settled"] {
        let (inside, outside) = (stored(&project, stage), exported(&project, stage));
        assert_eq!(inside.tensors, outside.tensors, "{stage}");
        let logits = [logits(&inside), logits(&outside)];
        assert!(logits[0] == logits[1] && logits[0].iter().all(|logit| logit.is_finite()), "{stage}");
    }
    assert_eq!(project.run(&[]).expect(0).stages("stage-cached").len(), 7);
    project.succeed(&["cache", "verify"]);
}

#[test]
fn the_report_counts_what_is_left() {
    let manifest = BOTH
        .replace("network = { arch = \"resnet\", depth = 8, width = 8, shortcut = \"projection\" }", WIDE)
        .replace("scope = \"uniform\"", "scope = \"global\"");
    let project = Project::new(&manifest);
    project.run(&[]).expect(0);
    let [whole, narrow, sparse] = ["whole", "narrow", "sparse"].map(|model| row(&project, model));
    // Without masks a network is stored as it is; with them it takes far less.
    assert_eq!(whole["bytes"], whole["dense-bytes"]);
    let share = number(&sparse["bytes"]) / number(&sparse["dense-bytes"]);
    assert!(share < 0.25, "{share} of the dense bytes");
    let files = output(&project, "sparse", "network").len() + output(&project, "sparse", "weights").len();
    assert_eq!(number(&sparse["bytes"]) as usize, files);
    // Accuracy kept, times the share of parameters that went: those that are there, or not masked.
    let left = |model: &Value, what: &str| number(&model[what]) / number(&whole["parameters"]);
    let efficiency = |model: &Value, left: f64| number(&model["top1"]) / number(&whole["top1"]) * (1.0 - left);
    for (model, left) in [(&whole, 1.0), (&narrow, left(&narrow, "parameters")), (&sparse, left(&sparse, "nonzeros"))] {
        let (found, expected) = (number(&model["efficiency"]), efficiency(model, left));
        assert!((found - expected).abs() < 1e-12, "{model}: {expected}");
    }
    assert_eq!((number(&whole["masked"]), number(&narrow["masked"])), (0.0, 0.0));
    assert!(number(&sparse["masked"]) > 0.5 * number(&sparse["parameters"]), "{sparse}");
    let table = project.succeed(&["report", "pleach.toml"]).stdout;
    let header = table.lines().nth(1).unwrap();
    assert!(header.contains("dense") && header.contains("stored") && header.contains("efficiency"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 160), "{table}");
    // Without a reference there is nothing to compare with.
    project.write("pleach.toml", manifest.replace("reference = \"whole\"\n", ""));
    project.run(&[]).expect(0);
    assert_eq!(row(&project, "sparse")["efficiency"], Value::Null);
}

/// Wide enough for its weights to outweigh its layer graph.
const WIDE: &str = "network = { arch = \"mlp\", hidden = [256] }";

/// The data, and one network to start from.
const START: &str = r#"
[pipeline]
name = "pruning"
seed = 3

[data.digits]
source = "digits"
validation = 0.2
limit = 300

[stages.whole]
kind = "train"
data = "digits"
network = { arch = "resnet", depth = 8, width = 4, shortcut = "pad" }
epochs = 1
"#;

#[test]
fn channels_that_go_in_steps_go_on_after_a_kill() {
    let manifest = format!(
        "{START}\n[stages.slim]\nkind = \"regularize\"\ndata = \"digits\"\nfrom = \"whole\"\nepochs = 5\nselect = \"best\"\n\
         penalties = [{{ kind = \"group-lasso\", layer = \"*\", strength = 1e-4 }}]\n[stages.slim.prune]\nevery = 1\n\
         method = {{ kind = \"channels\", criterion = \"taylor\", ratio = 0.5, steps = 4, images = 60 }}\n"
    );
    let whole = Project::new(&manifest);
    whole.run(&[]).expect(0);
    let history: Value = serde_json::from_slice(&output(&whole, "slim", "history")).unwrap();
    assert!(number(&history["selected"]) >= 4.0, "not before all channels are gone: {history}");
    let units = |path: &Path| -> u64 {
        let history: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        history["epochs"].as_array().unwrap().iter().filter_map(|entry| entry["pruned-units"].as_u64()).sum()
    };
    assert!(units(&whole.object("slim", "history")) > 0);
    for epoch in [1, 2, 3] {
        let project = Project::new(&manifest);
        let mut running = project.start(&[]);
        running.until(|event| event["event"] == "epoch" && event["stage"] == "slim" && event["epoch"] == epoch);
        running.signal(Signal::KILL);
        running.wait();
        let ran = project.run(&[]).expect(0);
        let resumed = ran.event("stage-resumed");
        assert!(number(&resumed["epoch"]) >= f64::from(epoch), "{resumed}");
        assert_eq!(project.results(), whole.results(), "killed after epoch {epoch}");
    }
}

#[test]
fn masks_that_move_are_the_same_for_any_number_of_threads() {
    let stage = |name: &str, prune: &str| {
        format!("[stages.{name}]\nkind = \"fine-tune\"\ndata = \"digits\"\nfrom = \"whole\"\nepochs = 3\n{prune}\n")
    };
    let manifest = [
        START.to_owned(),
        stage(
            "gradual",
            "prune = { every = 1, schedule = { kind = \"agp\", end = 3 }, method = { kind = \"weights\", sparsity = 0.8 } }",
        ),
        stage("surgery", "prune = { method = { kind = \"surgery\", c = 0.5, gamma = 0.1 } }"),
        stage("rigl", "prune = { method = { kind = \"rigl\", sparsity = 0.8, every-steps = 2 } }"),
    ]
    .join("\n");
    let mut all: Vec<Results> = Vec::new();
    for threads in ["1", "2", "4"] {
        let project = Project::new(&manifest);
        project.run(&["--threads", threads]).expect(0);
        all.push(project.results());
        for stage in ["gradual", "surgery", "rigl"] {
            let masks = stored(&project, stage).masks;
            let masked = masks.values().flatten().filter(|kept| !**kept).count();
            assert!(masked > 300, "{stage}: {masked}");
        }
    }
    assert!(all[0].len() == 4 && all.iter().all(|results| *results == all[0]), "{all:#?}");
}

#[test]
fn another_criterion_is_a_reason_to_prune_again() {
    let stages = "\n[stages.slim]\nkind = \"prune\"\nfrom = \"whole\"\n\
        method = { kind = \"channels\", criterion = \"l1\", ratio = 0.3 }\n\
        [stages.sparse]\nkind = \"prune\"\nfrom = \"whole\"\n\
        method = { kind = \"weights\", criterion = \"magnitude\", sparsity = 0.5 }\n";
    let project = Project::new(&format!("{START}{stages}"));
    project.run(&[]).expect(0);
    let other = stages.replace("\"l1\"", "\"group-norm\"").replace("\"magnitude\"", "\"random\"");
    project.write("pleach.toml", format!("{START}{other}"));
    let plan = project.succeed(&["plan", "pleach.toml"]).stdout;
    for change in ["method.criterion  \"l1\" → \"group-norm\"", "method.criterion  \"magnitude\" → \"random\""] {
        assert!(plan.contains(change), "{plan}");
    }
    let ran = project.run(&[]).expect(0);
    assert_eq!((ran.stages("stage-cached"), ran.stages("stage-finished").len()), (vec!["whole".to_owned()], 2));
}

/// The notes of a prune stage, and the channels of every layer before and after.
fn report(project: &Project, stage: &str) -> (Vec<String>, Vec<(String, u64, u64)>) {
    let report: Value = serde_json::from_slice(&output(project, stage, "report")).unwrap();
    let notes = report["notes"]
        .as_array()
        .map_or(Vec::new(), |notes| notes.iter().map(|note| note.as_str().unwrap().to_owned()).collect());
    let width = |[before, after]: [&Value; 2]| (before.as_u64().unwrap(), after.as_u64().unwrap());
    let channels = report["channels"].as_object().unwrap().iter().map(|(name, widths)| {
        let (before, after) = width([&widths[0], &widths[1]]);
        (name.clone(), before, after)
    });
    (notes, channels.collect())
}

/// What grows by 12 can be no multiple of 16: it stays whole and is named, and so are the sums.
#[test]
fn widths_are_multiples_or_stay_and_are_named() {
    let prune = |name: &str, method: &str| {
        format!("[stages.{name}]\nkind = \"prune\"\nfrom = \"whole\"\nmethod = {{ kind = \"channels\", {method} }}\n")
    };
    let manifest = [
        START.replace(
            "{ arch = \"resnet\", depth = 8, width = 4, shortcut = \"pad\" }",
            "{ arch = \"densenet\", depth = 10, growth = 12 }",
        ),
        prune("aligned", "scope = \"uniform\", ratio = 0.4, round-to = 16"),
        prune("fast", "scope = \"uniform\", ratio = 0.4"),
        prune("free", "scope = \"uniform\", ratio = 0.4, round-to = 1"),
        prune("none", "ratio = 0.4, round-to = 512"),
    ]
    .join("\n");
    let project = Project::new(&manifest);
    let ran = project.run(&[]).expect(0);
    let (notes, channels) = report(&project, "aligned");
    for (name, before, after) in &channels {
        assert!(after == before || after.is_multiple_of(16), "{name}: {before} → {after}");
        assert!(*before >= 16 || after == before, "{name}: {before} → {after}");
    }
    assert!(channels.iter().any(|(_, before, after)| after < before), "{channels:?}");
    let has = |notes: &[String], part: &str| notes.iter().any(|note| note.contains(part));
    let narrow = channels.iter().filter(|(name, before, _)| *before < 16 && name != "classifier");
    for (name, ..) in narrow {
        assert!(has(&notes, name), "{name}: {notes:?}");
    }
    assert!(has(&notes, "narrower than `round-to = 16`") && has(&notes, "no multiple of 16"), "{notes:?}");
    // Where nothing is said, what is wide is a multiple of four, and the rest is cut as by one.
    let ((_, fast), (notes, free)) = (report(&project, "fast"), report(&project, "free"));
    for ((name, before, fast), (_, _, free)) in fast.iter().zip(&free) {
        assert!(if *before < 16 { fast == free } else { fast.is_multiple_of(4) || fast == before }, "{name}: {fast}");
    }
    assert!(has(&notes, "convolutions read or make 16 channels or more that are no multiple of 4"), "{notes:?}");
    let (_, none) = report(&project, "none");
    assert!(none.iter().all(|(_, before, after)| before == after), "{none:?}");
    // Logits are no channels.
    let made: u64 = none.iter().filter(|(name, ..)| name != "classifier").map(|(_, before, _)| before).sum();
    assert!(none.iter().any(|(name, ..)| name == "classifier"), "{none:?}");
    let told = ran.events();
    let whole = format!("{made} → {made} channels;");
    assert!(told.iter().any(|event| event["message"].as_str().is_some_and(|m| m.starts_with(&whole))), "{told:?}");
}

/// A layer that is left with next to nothing is named, and a share of it can be kept.
#[test]
fn starved_layers_are_named() {
    let prune = |name: &str, more: &str| {
        format!(
            "[stages.{name}]\nkind = \"prune\"\nfrom = \"whole\"\nmethod = {{ kind = \"weights\", sparsity = 0.99, \
             scope = \"global\"{more} }}\n"
        )
    };
    let moving = |name: &str, more: &str| {
        let method = format!("{{ kind = \"rigl\", sparsity = 0.97{more} }}");
        format!(
            "[stages.{name}]\nkind = \"fine-tune\"\ndata = \"digits\"\nfrom = \"whole\"\nepochs = 1\nprune = \
             {{ method = {method} }}\n"
        )
    };
    let manifest = [
        START.to_owned(),
        prune("starved", ""),
        prune("fed", ", minimum = 0.01"),
        moving("sparse", ", scope = \"uniform\""),
        moving("less-sparse", ", minimum = 0.02"),
    ]
    .join("\n");
    let project = Project::new(&manifest);
    let ran = project.run(&[]).expect(0);
    let report: Value = serde_json::from_slice(&output(&project, "starved", "report")).unwrap();
    assert!(report["notes"].to_string().contains("starved of weights"), "{report}");
    assert!(ran.events().iter().any(|e| e["message"].as_str().is_some_and(|m| m.contains("starved of weights"))));
    let told = |stage: &str| -> Vec<String> {
        let notes = ran.events().into_iter().filter(|event| event["stage"] == stage);
        notes.filter_map(|event| Some(event["message"].as_str()?.to_owned())).collect()
    };
    assert!(told("sparse").iter().any(|note| note.contains("starved of weights")), "{:?}", told("sparse"));
    let least = "are the least that their layers keep";
    assert!(told("less-sparse").iter().any(|note| note.contains(least)), "{:?}", told("less-sparse"));
    for (stage, minimum) in [("fed", 0.01), ("less-sparse", 0.02)] {
        for (name, mask) in stored(&project, stage).masks {
            let kept = mask.iter().filter(|kept| **kept).count();
            assert!(kept as f64 >= minimum * mask.len() as f64, "{name}: {kept} of {}", mask.len());
        }
    }
}
