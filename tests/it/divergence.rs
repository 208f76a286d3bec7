//! Losses that are not finite, and what becomes of the other stages.

use crate::support::{Project, SMALL};

/// A learning rate that is too high for any network.
const DIVERGES: &str = "--set=stages.teacher.optimizer={kind='sgd',lr=1e9}";

#[test]
fn a_loss_that_is_not_finite_ends_the_stage() {
    let project = Project::new(SMALL);
    let ran = project.run(&[DIVERGES]).expect(21);
    let failed = ran.event("stage-failed");
    assert_eq!((failed["stage"].as_str(), failed["code"].as_u64()), (Some("teacher"), Some(21)));
    let message = failed["message"].as_str().unwrap();
    for part in ["is not finite at epoch", "step", "finite loss", "the learning rate was 1000000000"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(failed["hints"].as_array().is_some_and(|hints| !hints.is_empty()));
    assert_eq!(ran.stages("stage-skipped"), ["student", "pruned", "tuned", "score"]);
    assert!(project.records().is_empty(), "nothing of a failed stage is kept");
    let again = project.run(&[DIVERGES]).expect(21);
    assert_eq!(
        again.event("stage-failed")["message"],
        failed["message"],
        "a failure is not cached, and repeats itself"
    );
}

#[test]
fn what_does_not_depend_on_it_goes_on() {
    let sibling = "[stages.sibling]\nkind = \"train\"\ndata = \"digits\"\nnetwork = { arch = \"mlp\", hidden = [9] }\n\
        epochs = 1\n\n[stages.student]";
    let manifest = SMALL.replace("[stages.student]", sibling);
    let project = Project::new(&manifest);
    let ran = project.run(&[DIVERGES]).expect(21);
    assert_eq!(ran.stages("stage-finished"), [""; 0]);
    let ran = project.run(&[DIVERGES, "--keep-going"]).expect(21);
    assert_eq!(ran.stages("stage-finished"), ["sibling"]);
    let end = ran.event("run-finished");
    assert_eq!((end["ran"].as_u64(), end["failed"].as_u64(), end["skipped"].as_u64()), (Some(1), Some(1), Some(4)));
}

#[test]
fn the_last_finite_weights_are_left_for_inspection() {
    // The rate jumps after the first epoch.
    let schedule = "[stages.teacher]\nschedule = { kind = \"step\", milestones = [1], gamma = 1e30 }\n\
        optimizer = { kind = \"sgd\", lr = 0.01 }";
    let project = Project::new(&SMALL.replace("[stages.teacher]", schedule));
    let ran = project.run(&[]).expect(21);
    let note = ran.event("note")["message"].as_str().unwrap().to_owned();
    let path = note.rsplit_once(" in ").unwrap().1;
    let bytes = std::fs::read(project.path().join(path)).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for (name, tensor) in tensors.tensors() {
        let finite = tensor.data().as_chunks::<4>().0.iter().all(|b| f32::from_le_bytes(*b).is_finite());
        assert!(finite && !tensor.data().is_empty(), "{name}");
    }
    assert!(ran.event("stage-failed")["message"].as_str().unwrap().contains("epoch 2"));
    // The first epoch is a checkpoint like any other.
    let ran = project.run(&[]).expect(21);
    assert_eq!(ran.event("stage-resumed")["epoch"], 1);
}

/// A network of which one step makes the logits, and not yet the weights, infinite.
pub const ONE_STEP: &str = r#"
[data.d]
source = "digits"
[stages.m]
kind = "train"
data = "d"
network = { arch = "mlp", hidden = [16] }
epochs = 1
batch = 1350
optimizer = { kind = "sgd", lr = 1e25 }
[stages.s]
kind = "evaluate"
data = "d"
models = ["m"]
"#;

#[test]
fn a_network_whose_logits_are_not_finite_is_measured_and_the_run_says_so() {
    let project = Project::new(ONE_STEP);
    for state in ["stage-finished", "stage-cached"] {
        let ran = project.run(&[]).expect(21);
        assert_eq!(ran.stages(state), ["m", "s"]);
        let message = ran.event("warning")["message"].as_str().unwrap().to_owned();
        insta::allow_duplicates! {
            insta::assert_snapshot!(message, @"stage `s`: some logits of `m` on the test split are not finite; it has diverged, and is not averaged or compared");
        }
    }
    // With a validation split, training itself sees it, and no epoch is kept.
    let ran = project.run(&["m", "--set=data.d.validation=0.1", "--set=stages.m.batch=1215"]).expect(21);
    assert!(ran.event("stage-failed")["message"].as_str().unwrap().contains("the loss on the validation split is"));
    let status = project.succeed(&["cache", "status"]).stdout;
    let epochs = status.lines().find(|line| line.trim_start().starts_with("epochs")).unwrap();
    assert!(epochs.ends_with(" 1"), "only the first manifest's epoch was kept: {status}");
}

#[test]
fn a_validation_loss_that_is_not_finite_ends_training_before_anything_is_chosen_by_it() {
    for rule in ["select='best'", "early-stop={patience=2}"] {
        let rule = format!("--set=stages.m.{rule}");
        let project = Project::new(ONE_STEP);
        let ran = project.run(&["m", "--set=data.d.validation=0.1", "--set=stages.m.batch=1215", &rule]).expect(21);
        assert!(ran.event("stage-failed")["message"].as_str().unwrap().contains("the loss on the validation split is"));
        assert!(project.records().is_empty());
    }
}

/// Weights of a network of 16 hidden units, all of them `scale` and finite.
fn weights(scale: f32) -> Vec<u8> {
    let tensor = |dims: &[usize], value: f32| (dims.to_vec(), value);
    let tensors = [
        ("hidden1.weight", tensor(&[16, 64], scale)),
        ("hidden1.bias", tensor(&[16], 0.0)),
        ("classifier.weight", tensor(&[10, 16], scale)),
        ("classifier.bias", tensor(&[10], 0.0)),
    ];
    let bytes = tensors.map(|(name, (dims, value))| {
        // Signs differ, so that infinities meet.
        let values =
            (0..dims.iter().product()).map(|index: usize| if index.is_multiple_of(3) { -value } else { value });
        (name, dims, values.flat_map(f32::to_le_bytes).collect::<Vec<u8>>())
    });
    let views = bytes.iter().map(|(name, dims, bytes)| {
        (*name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, dims.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

const THREE: &str = r#"
[data.digits]
source = "digits"
limit = 300
[networks.small]
arch = "mlp"
hidden = [16]
[stages.good]
kind = "train"
data = "digits"
network = "small"
epochs = 3
[stages.other]
kind = "train"
data = "digits"
network = "small"
epochs = 3
seed = 2
[stages.huge]
kind = "import"
path = "huge.safetensors"
data = "digits"
network = "small"
[stages.score]
kind = "evaluate"
data = "digits"
models = ["good", "other", "huge"]
reference = "good"
[report.metrics]
lost = "reference.accuracy - accuracy"
"#;

/// The table of a report without what a clock says, which stands last.
fn without_times(text: &str) -> String {
    let line = |line: &str| match line.find("KiB") {
        Some(end) => line[..end + 3].to_owned(),
        None => line.split("  ms/image").next().unwrap_or(line).to_owned(),
    };
    text.lines().take_while(|line| !line.starts_with("accuracy by class")).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn one_network_that_diverged_takes_no_other_with_it() {
    let project = Project::new(THREE);
    project.write("huge.safetensors", weights(1e30));
    let ran = project.run(&["--keep-going"]).expect(21);
    assert_eq!(ran.stages("stage-finished").len(), 4);
    assert_eq!(ran.event("run-finished")["failed"], 0);
    assert!(ran.event("warning")["message"].as_str().unwrap().starts_with("stage `score`: some logits of `huge` on"));
    insta::assert_snapshot!(without_times(&project.succeed(&["report", "pleach.toml"]).stdout));
    let json = project.succeed(&["report", "pleach.toml", "--format=json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let row = |model: &str| rows.iter().find(|row| row["model"] == model).unwrap();
    assert_eq!(row("huge")["diverged"], true);
    assert_eq!(row("huge")["collapsed"], true);
    assert!(row("huge")["values"]["loss"].is_null() && row("good")["values"]["loss"].is_number());
    assert!(row("huge")["values"]["lost"].is_null() && row("other")["values"]["lost"].is_number());
    let csv = project.succeed(&["report", "pleach.toml", "--format=csv"]).stdout;
    let mut csv = csv::Reader::from_reader(csv.as_bytes());
    let head = csv.headers().unwrap().clone();
    let huge = csv.records().map(Result::unwrap).find(|record| &record[1] == "huge").unwrap();
    let cell = |name: &str| &huge[head.iter().position(|other| other == name).unwrap()];
    assert_eq!(["n", "diverged", "loss", "top1", "difference", "rank"].map(cell), ["0", "1", "", "", "", ""]);
    assert_ne!(cell("parameters"), "");
}

#[test]
fn without_a_finite_reference_there_are_no_differences() {
    let project = Project::new(&THREE.replace("reference = \"good\"", "reference = \"huge\""));
    project.write("huge.safetensors", weights(1e30));
    let ran = project.run(&[]).expect(21);
    assert!(ran.event("warning")["message"].as_str().unwrap().contains("`huge`, the reference, on"));
    let text = project.succeed(&["report", "pleach.toml"]).stdout;
    assert!(text.contains("x is against huge, and there is no Δ, because its logits are not finite\n"), "{text}");
    let good = text.lines().find(|line| line.trim_start().starts_with("good")).unwrap();
    assert!(!good.contains('+') && !good.contains('-') && good.contains("1.00x"), "{good}");
}

#[test]
fn a_loss_that_is_huge_and_finite_is_a_number() {
    let project = Project::new(THREE);
    project.write("huge.safetensors", weights(1e15));
    project.run(&[]).expect(0);
    let text = project.succeed(&["report", "pleach.toml"]).stdout;
    let huge = text.lines().find(|line| line.trim_start().starts_with("huge")).unwrap();
    assert!(huge.contains("e3") && !text.contains("not finite"), "{text}");
}

#[test]
fn of_three_seeds_the_one_that_diverged_is_not_averaged() {
    // One step on all images; the bias of one seed's network would have to be as lucky as the others' rate is small.
    let swept = ONE_STEP.replace("lr = 1e25", "lr = { by = \"${matrix.seed}\", 2 = 1e25, else = 0.05 }");
    let project = Project::new(&format!("{swept}\n[matrix]\nseed = [1, 2, 3]\n"));
    let ran = project.run(&[]).expect(21);
    assert!(ran.event("warning")["message"].as_str().unwrap().contains("`m[seed=2]`"), "{}", ran.stdout);
    let json = project.succeed(&["report", "pleach.toml", "--format=json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let group = &json["groups"][0];
    assert_eq!((group["values"]["top1"]["count"].as_u64(), group["diverged"].as_u64()), (Some(2), Some(1)));
    let text = project.succeed(&["report", "pleach.toml"]).stdout;
    assert!(text.contains(" 1 diverged"), "{text}");
}

/// A search of which one candidate diverges.
pub const SEARCH: &str = r#"
[data.digits]
source = "digits"
validation = 0.2
limit = 600
[matrix]
epochs = [1, 2, 4]
lr = [0.01, 0.05, 0.1, 1e30]
[search]
kind = "halving"
axis = "epochs"
over = ["lr"]
evaluate = "choice"
keep = 0.5
[stages.net]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = [32] }
epochs = "${matrix.epochs}"
optimizer = { kind = "sgd", lr = "${matrix.lr}", momentum = 0.9 }
[stages.choice]
kind = "evaluate"
data = "digits"
models = ["net"]
split = "validation"
[stages.score]
kind = "evaluate"
data = "digits"
models = ["net"]
"#;

#[test]
fn a_search_goes_on_without_a_candidate_that_diverged() {
    for jobs in ["--jobs=1", "--jobs=2"] {
        let project = Project::new(SEARCH);
        let ran = project.run(&["--keep-going", jobs]).expect(21);
        let end = ran.event("run-finished");
        let count = |name: &str| end[name].as_u64().unwrap();
        // Four, two and one candidate with their choices, and one score; the one that diverged was tried once.
        assert_eq!(
            ["cached", "ran", "failed", "skipped"].map(count),
            [0, 3 + 3 + 2 + 2 + 1 + 1 + 1, 1, 1],
            "{}",
            ran.stdout
        );
        assert_eq!(ran.event("stage-failed")["stage"], "net[epochs=1,lr=1e30]");
        // What is found is known to a plan and to the next run.
        let plan = project.succeed(&["plan", "pleach.toml"]).stdout;
        let found = plan.lines().find(|line| line.starts_with("search")).unwrap();
        assert!(found.starts_with("search: 7 of 12 tried, 1 diverged; found epochs=4, lr=0."), "{plan}");
        assert!(plan.contains("it diverged when it ran before"), "{plan}");
        let again = project.run(&["--keep-going", jobs]).expect(21);
        assert_eq!(again.stages("stage-finished"), [""; 0]);
        let report = project.succeed(&["report", "pleach.toml"]).stdout;
        assert!(report.contains("net[epochs=1,lr=1e30] diverged: "), "{report}");
        let json = project.succeed(&["report", "pleach.toml", "--format=json"]).stdout;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["diverged"][0]["stage"], "net[epochs=1,lr=1e30]");
        for (rows, known) in [("settings", ["0", "1"]), ("networks", ["", "true"])] {
            let csv = project.succeed(&["report", "pleach.toml", "--format=csv", "--rows", rows]).stdout;
            let mut csv = csv::Reader::from_reader(csv.as_bytes());
            let head = csv.headers().unwrap().clone();
            let lost: Vec<_> = csv.records().map(Result::unwrap).filter(|record| record[0].is_empty()).collect();
            let cell = |name: &str| head.iter().position(|other| other == name).map_or("", |place| &lost[0][place]);
            assert_eq!(lost.len(), 1);
            assert_eq!(["model", "epochs", "lr", "top1"].map(cell), ["net", "1", "1e30", ""], "{rows}");
            assert_eq!(["n", "diverged"].map(cell), known, "{rows}");
        }
    }
}

#[test]
fn without_keep_going_a_search_stops_at_what_diverges_and_says_how_to_go_on() {
    let project = Project::new(SEARCH);
    let ran = project.run(&[]).expect(21);
    assert!(ran.stdout.contains("with `--keep-going` it goes on without it"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("score["), "{}", ran.stdout);
    project.run(&["--keep-going"]).expect(21);
}

#[test]
fn a_search_of_which_all_candidates_diverge_says_so() {
    let project = Project::new(&SEARCH.replace("lr = [0.01, 0.05, 0.1, 1e30]", "lr = [1e29, 1e30]"));
    let ran = project.run(&["--keep-going"]).expect(21);
    assert!(ran.stdout.contains("the search found nothing: every candidate that was left diverged"), "{}", ran.stdout);
}

/// A full device decides nothing about a candidate.
#[cfg(feature = "fault-injection")]
#[test]
fn a_failure_of_another_kind_ends_a_search() {
    let project = Project::new(&SEARCH.replace("1e30]", "0.2]"));
    let mut command = project.command(&["run", "pleach.toml", "--json", "--keep-going"]);
    // From the first tensor on: how many a candidate asks for depends on the machine's cores and vectors.
    command.env("PLEACH_FAULT", "fail-from:1:ENOMEM:allocate");
    let ran = crate::support::Running::start(command).wait().expect(22);
    assert!(!ran.stdout.contains("score["), "{}", ran.stdout);
    let plan = project.succeed(&["plan", "pleach.toml"]).stdout;
    assert!(plan.contains("goes on") && !plan.contains("diverged"), "{plan}");
    project.run(&[]).expect(0);
}
