//! What makes a stage run again, and what does not: a small pipeline is run once, and edited manifests are planned
//! against its results.

use std::sync::LazyLock;

use pleach::graph::StageGraph;
use pleach::manifest::{self, Manifest};
use pleach::plan::{self, Change, Origin, Plan, Reason, State};
use pleach::store::{Options, Store};

use crate::support::Project;

/// Every kind of stage and every key that it has, each on its own line.
pub const MANIFEST: &str = r#"[pipeline]
name = "keys"
description = "as it was run"
seed = 5

[data.digits]
source = "digits"
validation = 0.2
limit = 120
seed = 6

[networks.small]
arch = "lenet"
channels = [2, 3]
hidden = [6]

[networks.deep]
arch = "resnet"
depth = 8
width = 2
shortcut = "pad"

[stages.teacher]
kind = "train"
data = "digits"
network = "small"
epochs = 2
batch = 32
last-batch = "drop"
augment = ["crop", "flip"]
clip-norm = 5.0
precision = "tf32"
select = "best"
seed = 7
losses = [{ kind = "cross-entropy", smoothing = 0.1, weight = 1.5 }]
[stages.teacher.optimizer]
kind = "sgd"
lr = 0.05
momentum = 0.9
nesterov = true
weight-decay = 1e-4
decay-all = true
[stages.teacher.schedule]
kind = "step"
warmup = 0.5
milestones = [1]
gamma = 0.5
[stages.teacher.early-stop]
patience = 5
minimum-gain = 0.01

[stages.student]
kind = "distill"
data = "digits"
teacher = "teacher"
epochs = 1
[stages.student.network]
arch = "mlp"
hidden = [12]
[stages.student.optimizer]
kind = "adam"
lr = 2e-3
betas = [0.8, 0.99]
epsilon = 1e-7
weight-decay = 1e-5
[stages.student.schedule]
kind = "cosine"
warmup = 0.25
final-share = 0.1
[[stages.student.losses]]
kind = "kd"
temperature = 3.0
alpha = 0.7
smoothing = 0.05
weight = 1.25

[stages.quiet]
kind = "regularize"
data = "digits"
from = "student"
teacher = "teacher"
epochs = 2
[stages.quiet.optimizer]
kind = "adamw"
lr = 3e-3
weight-decay = 0.02
[stages.quiet.schedule]
kind = "constant"
warmup = 0.75
[[stages.quiet.penalties]]
kind = "activation-l1"
layer = "hidden1"
strength = 0.06
[stages.quiet.prune]
every = 2
[stages.quiet.prune.method]
kind = "weights"
criterion = "magnitude"
sparsity = 0.25
scope = "global"

[stages.pruned]
kind = "prune"
data = "digits"
from = "quiet"
[stages.pruned.method]
kind = "inactive"
layer = "hidden1"
measure = "mean"
threshold = 0.001
minimum = 4

[stages.tuned]
kind = "fine-tune"
data = "digits"
from = "pruned"
epochs = 1
batch = 16

[stages.deep]
kind = "train"
data = "digits"
network = "deep"
epochs = 1

[stages.slim]
kind = "prune"
data = "digits"
from = "deep"
[stages.slim.method]
kind = "channels"
criterion = "taylor"
ratio = 0.4
scope = "uniform"
round-to = 2
minimum = 0.2
ignore = ["layer1.0.conv1"]
layers = { "layer2*" = 0.3 }
steps = 2
images = 50

[stages.gradual]
kind = "fine-tune"
data = "digits"
from = "deep"
epochs = 3
[stages.gradual.prune]
every = 1
[stages.gradual.prune.schedule]
kind = "agp"
initial = 0.1
begin = 1
end = 3
[stages.gradual.prune.method]
kind = "weights"
criterion = "snip"
sparsity = 0.6
scope = "erk"
steps = 2
ignore = ["conv1"]
layers = { "fc" = 0.7 }
minimum = 0.05
images = 40

[stages.surgical]
kind = "fine-tune"
data = "digits"
from = "deep"
epochs = 1
[stages.surgical.prune.method]
kind = "surgery"
c = 0.5
gamma = 0.1
power = 2.0
ignore = ["conv1"]
layers = { "fc" = 0.25 }

[stages.moving]
kind = "fine-tune"
data = "digits"
from = "deep"
epochs = 1
[stages.moving.prune.method]
kind = "rigl"
sparsity = 0.5
scope = "erk"
every-steps = 3
alpha = 0.4
until = 0.8
ignore = ["conv1"]
minimum = 0.1

[stages.score]
kind = "evaluate"
data = "digits"
models = ["teacher", "student", "tuned"]
reference = "student"
split = "validation"
"#;

struct Ran {
    project: Project,
    store: Store,
}

/// The pipeline, run once for all tests.
static RAN: LazyLock<Ran> = LazyLock::new(|| {
    let project = Project::new(MANIFEST);
    let ran = project.succeed(&["run", "pleach.toml", "--threads", "1", "--json"]);
    assert_eq!(ran.stages("stage-finished").len(), 11, "{}", ran.stdout);
    let store = Store::open(&project.cache(), &Options::default()).expect("the store of the run");
    Ran { project, store }
});

fn planned(text: &str, sets: &[&str]) -> (Manifest, Plan) {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let path = std::path::Path::new("pleach.toml");
    let manifest = manifest::parse(path, text.as_bytes(), &sets).unwrap_or_else(|invalid| panic!("{invalid:#?}"));
    let graph = StageGraph::new(&manifest);
    let all: Vec<usize> = (0..manifest.stages.len()).collect();
    let digests = plan::data_digests(&manifest, &all).unwrap();
    let plan = plan::plan(&manifest, &graph, &all, &RAN.store, &digests, &Default::default()).unwrap();
    (manifest, plan)
}

/// What changed for a stage that must run.
fn changes<'p>((manifest, plan): &'p (Manifest, Plan), stage: &str) -> &'p [Change] {
    let index = manifest.stages.get_index_of(stage).expect("the stage");
    match &plan.stages.iter().find(|planned| planned.stage == index).expect("planned").state {
        State::Run(Reason::Changed(changes)) => changes,
        other => panic!("{stage}: {other:?}"),
    }
}

/// The part of the manifest about one section and its subsections, as a range of bytes.
fn section(name: &str) -> std::ops::Range<usize> {
    let start = MANIFEST.find(&format!("[{name}]\n")).expect("the section");
    let end = MANIFEST[start..].find("\n\n").map_or(MANIFEST.len(), |end| start + end + 1);
    start..end
}

/// Another value for every key of every kind of stage: the section, the line, another line, the field with its old and
/// its new value, and the stage that must run (the section's own, unless it is named).
#[rustfmt::skip]
const EDITS: &[(&str, &str, &str, [&str; 3], &str)] = &[
    ("data.digits", "validation = 0.2", "validation = 0.25", ["data.validation", "0.2", "0.25"], "teacher"),
    ("data.digits", "limit = 120", "limit = 130", ["data.limit", "120", "130"], "teacher"),
    ("data.digits", "seed = 6", "seed = 7", ["data.seed", "6", "7"], "deep"),
    ("pipeline", "seed = 5", "seed = 6", ["seed", "5", "6"], "deep"),
    ("networks.small", "channels = [2, 3]", "channels = [2, 4]", ["network.channels", "[2,3]", "[2,4]"], "teacher"),
    ("networks.small", "hidden = [6]", "hidden = [6, 6]", ["network.hidden", "[6]", "[6,6]"], "teacher"),
    ("networks.deep", "depth = 8", "depth = 14", ["network.depth", "8", "14"], "deep"),
    ("networks.deep", "width = 2", "width = 3", ["network.width", "2", "3"], "deep"),
    ("networks.deep", "shortcut = \"pad\"", "shortcut = \"projection\"", ["network.shortcut", "\"pad\"", "\"projection\""], "deep"),
    ("stages.teacher", "network = \"small\"", "network = \"deep\"", ["network.arch", "\"lenet\"", "\"resnet\""], ""),
    ("stages.teacher", "epochs = 2", "epochs = 3", ["epochs", "2", "3"], ""),
    ("stages.teacher", "batch = 32", "batch = 33", ["batch", "32", "33"], ""),
    ("stages.teacher", "last-batch = \"drop\"", "last-batch = \"even\"", ["last-batch", "\"drop\"", "\"even\""], ""),
    ("stages.teacher", "augment = [\"crop\", \"flip\"]", "augment = [\"crop\"]", ["augment", "[\"crop\",\"flip\"]", "[\"crop\"]"], ""),
    ("stages.teacher", "clip-norm = 5.0", "clip-norm = 4", ["clip-norm", "5.0", "4.0"], ""),
    ("stages.teacher", "precision = \"tf32\"", "precision = \"bf16\"", ["precision", "\"tf32\"", "\"bf16\""], ""),
    ("stages.teacher", "select = \"best\"", "select = \"last\"", ["select", "\"best\"", "\"last\""], ""),
    ("stages.teacher", "seed = 7", "seed = 8", ["seed", "7", "8"], ""),
    ("stages.teacher", "lr = 0.05", "lr = 0.06", ["optimizer.lr", "0.05", "0.06"], ""),
    ("stages.teacher", "momentum = 0.9", "momentum = 0.8", ["optimizer.momentum", "0.9", "0.8"], ""),
    ("stages.teacher", "nesterov = true", "nesterov = false", ["optimizer.nesterov", "true", "false"], ""),
    ("stages.teacher", "weight-decay = 1e-4", "weight-decay = 2e-4", ["optimizer.weight-decay", "0.0001", "0.0002"], ""),
    ("stages.teacher", "decay-all = true", "decay-all = false", ["optimizer.decay-all", "true", "false"], ""),
    ("stages.teacher", "warmup = 0.5", "warmup = 0.6", ["schedule.warmup", "0.5", "0.6"], ""),
    ("stages.teacher", "milestones = [1]", "milestones = []", ["schedule.milestones", "[1]", "nothing"], ""),
    ("stages.teacher", "gamma = 0.5", "gamma = 0.6", ["schedule.gamma", "0.5", "0.6"], ""),
    ("stages.teacher", "patience = 5", "patience = 6", ["early-stop.patience", "5", "6"], ""),
    ("stages.teacher", "minimum-gain = 0.01", "minimum-gain = 0.02", ["early-stop.minimum-gain", "0.01", "0.02"], ""),
    ("stages.student", "epochs = 1", "epochs = 2", ["epochs", "1", "2"], ""),
    ("stages.student", "hidden = [12]", "hidden = [13]", ["network.hidden", "[12]", "[13]"], ""),
    ("stages.student", "kind = \"adam\"", "kind = \"adamw\"", ["optimizer.kind", "\"adam\"", "\"adamw\""], ""),
    ("stages.student", "betas = [0.8, 0.99]", "betas = [0.8, 0.98]", ["optimizer.betas", "[0.8,0.99]", "[0.8,0.98]"], ""),
    ("stages.student", "epsilon = 1e-7", "epsilon = 2e-7", ["optimizer.epsilon", "1e-7", "2e-7"], ""),
    ("stages.student", "final-share = 0.1", "final-share = 0.2", ["schedule.final-share", "0.1", "0.2"], ""),
    ("stages.student", "temperature = 3.0", "temperature = 4", ["losses.0.temperature", "3.0", "4.0"], ""),
    ("stages.student", "alpha = 0.7", "alpha = 0.8", ["losses.0.alpha", "0.7", "0.8"], ""),
    ("stages.student", "smoothing = 0.05", "smoothing = 0.06", ["losses.0.smoothing", "0.05", "0.06"], ""),
    ("stages.student", "weight = 1.25", "weight = 1.5", ["losses.0.weight", "1.25", "1.5"], ""),
    ("stages.quiet", "weight-decay = 0.02", "weight-decay = 0.03", ["optimizer.weight-decay", "0.02", "0.03"], ""),
    ("stages.quiet", "warmup = 0.75", "warmup = 0.5", ["schedule.warmup", "0.75", "0.5"], ""),
    ("stages.quiet", "layer = \"hidden1\"", "layer = \"hidden*\"", ["penalties.0.layer", "\"hidden1\"", "\"hidden*\""], ""),
    ("stages.quiet", "strength = 0.06", "strength = 0.07", ["penalties.0.strength", "0.06", "0.07"], ""),
    ("stages.quiet", "kind = \"activation-l1\"", "kind = \"l1\"", ["penalties.0.kind", "\"activation-l1\"", "\"l1\""], ""),
    ("stages.quiet", "every = 2", "every = 1", ["prune.every", "2", "1"], ""),
    ("stages.quiet", "criterion = \"magnitude\"", "criterion = \"random\"", ["prune.method.criterion", "\"magnitude\"", "\"random\""], ""),
    ("stages.quiet", "sparsity = 0.25", "sparsity = 0.5", ["prune.method.sparsity", "0.25", "0.5"], ""),
    ("stages.quiet", "scope = \"global\"", "scope = \"uniform\"", ["prune.method.scope", "\"global\"", "\"uniform\""], ""),
    ("stages.pruned", "measure = \"mean\"", "measure = \"maximum\"", ["method.measure", "\"mean\"", "\"maximum\""], ""),
    ("stages.pruned", "threshold = 0.001", "threshold = 0", ["method.threshold", "0.001", "0.0"], ""),
    ("stages.pruned", "minimum = 4", "minimum = 5", ["method.minimum", "4", "5"], ""),
    ("stages.tuned", "batch = 16", "batch = 17", ["batch", "16", "17"], ""),
    ("stages.slim", "criterion = \"taylor\"", "criterion = \"hrank\"", ["method.criterion", "\"taylor\"", "\"hrank\""], ""),
    ("stages.slim", "ratio = 0.4", "ratio = 0.5", ["method.ratio", "0.4", "0.5"], ""),
    ("stages.slim", "ratio = 0.4", "macs = 0.4", ["method.macs", "nothing", "0.4"], ""),
    ("stages.slim", "ratio = 0.4", "parameters = 0.4", ["method.parameters", "nothing", "0.4"], ""),
    ("stages.slim", "scope = \"uniform\"", "scope = \"isomorphic\"", ["method.scope", "\"uniform\"", "\"isomorphic\""], ""),
    ("stages.slim", "round-to = 2", "round-to = 4", ["method.round-to", "2", "4"], ""),
    ("stages.slim", "minimum = 0.2", "minimum = 0.3", ["method.minimum", "0.2", "0.3"], ""),
    ("stages.slim", "ignore = [\"layer1.0.conv1\"]", "ignore = [\"layer3.0.conv1\"]", ["method.ignore", "[\"layer1.0.conv1\"]", "[\"layer3.0.conv1\"]"], ""),
    ("stages.slim", "layers = { \"layer2*\" = 0.3 }", "layers = { \"layer2*\" = 0.2 }", ["method.layers.layer2*", "0.3", "0.2"], ""),
    ("stages.slim", "steps = 2", "steps = 3", ["method.steps", "2", "3"], ""),
    ("stages.slim", "images = 50", "images = 60", ["method.images", "50", "60"], ""),
    ("stages.gradual", "initial = 0.1", "initial = 0.2", ["prune.schedule.initial", "0.1", "0.2"], ""),
    ("stages.gradual", "begin = 1", "begin = 2", ["prune.schedule.begin", "1", "2"], ""),
    ("stages.gradual", "end = 3", "end = 2", ["prune.schedule.end", "3", "2"], ""),
    ("stages.gradual", "criterion = \"snip\"", "criterion = \"obd\"", ["prune.method.criterion", "\"snip\"", "\"obd\""], ""),
    ("stages.gradual", "scope = \"erk\"", "scope = \"lamp\"", ["prune.method.scope", "\"erk\"", "\"lamp\""], ""),
    ("stages.gradual", "steps = 2", "steps = 3", ["prune.method.steps", "2", "3"], ""),
    ("stages.gradual", "ignore = [\"conv1\"]", "ignore = []", ["prune.method.ignore", "[\"conv1\"]", "nothing"], ""),
    ("stages.gradual", "layers = { \"fc\" = 0.7 }", "layers = { \"fc\" = 0.8 }", ["prune.method.layers.fc", "0.7", "0.8"], ""),
    ("stages.gradual", "minimum = 0.05", "minimum = 0.1", ["prune.method.minimum", "0.05", "0.1"], ""),
    ("stages.gradual", "images = 40", "images = 41", ["prune.method.images", "40", "41"], ""),
    ("stages.surgical", "c = 0.5", "c = 0.75", ["prune.method.c", "0.5", "0.75"], ""),
    ("stages.surgical", "gamma = 0.1", "gamma = 0.2", ["prune.method.gamma", "0.1", "0.2"], ""),
    ("stages.surgical", "power = 2.0", "power = 3", ["prune.method.power", "2.0", "3.0"], ""),
    ("stages.surgical", "ignore = [\"conv1\"]", "ignore = [\"layer1.0.conv1\"]", ["prune.method.ignore", "[\"conv1\"]", "[\"layer1.0.conv1\"]"], ""),
    ("stages.surgical", "layers = { \"fc\" = 0.25 }", "layers = { \"fc\" = 0.5 }", ["prune.method.layers.fc", "0.25", "0.5"], ""),
    ("stages.moving", "sparsity = 0.5", "sparsity = 0.75", ["prune.method.sparsity", "0.5", "0.75"], ""),
    ("stages.moving", "scope = \"erk\"", "scope = \"uniform\"", ["prune.method.scope", "\"erk\"", "\"uniform\""], ""),
    ("stages.moving", "every-steps = 3", "every-steps = 4", ["prune.method.every-steps", "3", "4"], ""),
    ("stages.moving", "alpha = 0.4", "alpha = 0.5", ["prune.method.alpha", "0.4", "0.5"], ""),
    ("stages.moving", "until = 0.8", "until = 0.5", ["prune.method.until", "0.8", "0.5"], ""),
    ("stages.moving", "ignore = [\"conv1\"]", "ignore = [\"fc\"]", ["prune.method.ignore", "[\"conv1\"]", "[\"fc\"]"], ""),
    ("stages.moving", "minimum = 0.1", "minimum = 0.2", ["prune.method.minimum", "0.1", "0.2"], ""),
    ("stages.score", "reference = \"student\"", "reference = \"teacher\"", ["reference", "1", "0"], ""),
    ("stages.score", "split = \"validation\"", "split = \"train\"", ["split", "\"validation\"", "\"train\""], ""),
];

#[test]
fn every_key_of_the_manifest_makes_its_stage_run_and_says_why_and_where() {
    for (name, from, to, [field, old, new], stage) in EDITS {
        let range = section(name);
        let at = MANIFEST[range.clone()].find(&format!("{from}\n")).unwrap_or_else(|| panic!("{from} in {name}"));
        let start = range.start + at;
        let text = format!("{}{to}{}", &MANIFEST[..start], &MANIFEST[start + from.len()..]);
        let stage = if stage.is_empty() { name.rsplit('.').next().unwrap() } else { stage };
        let planned = planned(&text, &[]);
        let found = changes(&planned, stage);
        let change = found.iter().find(|change| change.field == *field).unwrap_or_else(|| panic!("{to}: {found:?}"));
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        assert_eq!([word(&change.old), word(&change.new)], [*old, *new], "{to}");
        let Origin::Written(place) = &change.origin else { panic!("{to}: {change:?}") };
        // The network of a stage may be described elsewhere.
        if from.starts_with("network = ") {
            assert_eq!(place.line, MANIFEST[..section("networks.deep").start].lines().count() + 2, "{to}");
        } else {
            assert_eq!(place.line, MANIFEST[..start].lines().count() + 1, "{to}");
        }
    }
}

/// A class that is renamed leaves weights and layers as they are, and what goes on from them knows other classes.
#[test]
fn another_signature_makes_a_stage_run_and_is_named() {
    const OWN: &str = r#"[pipeline]
name = "signature"
seed = 1
[data.own]
source = "images"
path = "own"
size = [4, 4]
channels = 1
test = 0.25
[stages.teacher]
kind = "train"
data = "own"
network = { arch = "mlp", hidden = [4] }
epochs = 1
batch = 4
[stages.pruned]
kind = "prune"
from = "teacher"
method = { kind = "weights", criterion = "magnitude", sparsity = 0.5 }
"#;
    let project = Project::new(OWN);
    let class = |name: &str| project.path().join("own").join(name);
    for (name, brightness) in [("a", 0), ("b", 100)] {
        std::fs::create_dir_all(class(name)).unwrap();
        for number in 0..8_u8 {
            let image = image::GrayImage::from_pixel(4, 4, image::Luma([brightness + number]));
            image.save(class(name).join(format!("{number}.png"))).unwrap();
        }
    }
    // The hashes of what a stage made in a run.
    let outputs = |ran: &crate::support::Ran, stage: &str| {
        let finished = ran.events().into_iter().find(|e| e["event"] == "stage-finished" && e["stage"] == stage);
        let outputs = finished.expect("it ran")["outputs"].clone();
        ["network", "weights", "signature"].map(|output| outputs[output].as_str().unwrap().to_owned())
    };
    let first = project.run(&[]).expect(0);
    std::fs::rename(class("b"), class("c")).unwrap();
    let renamed = project.run(&["teacher"]).expect(0);
    let [before, after] = [outputs(&first, "teacher"), outputs(&renamed, "teacher")];
    assert!(before[..2] == after[..2] && before[2] != after[2], "{before:?} {after:?}");
    let plan = project.succeed(&["plan", "pleach.toml"]).untimed();
    let explained = project.succeed(&["explain", "pleach.toml", "pruned"]).stdout;
    let nearest = explained.lines().skip_while(|line| !line.starts_with("nearest")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(without_hashes(&format!("{plan}{nearest}")), @"
    teacher  cached  HASH
    pruned   run     inputs.from.signature changed
                       inputs.from.signature  HASH → HASH  pleach.toml:18:8
    1 cached, 1 to run, 0 maybe
    nearest earlier result: signature/pruned (HASH)
      inputs.from.signature  HASH → HASH  pleach.toml:18:8
    ");
    let pruned = project.run(&[]).expect(0);
    assert_eq!(
        (outputs(&pruned, "pruned")[2].clone(), pruned.stages("stage-started")),
        (after[2].clone(), vec!["pruned".to_owned()])
    );
}

/// What is made of files and images is part of the key, and their place is not.
#[test]
fn every_key_of_images_and_augmentations_makes_its_stage_run() {
    const OWN: &str = r#"[pipeline]
name = "images"
seed = 1
[data.own]
source = "images"
path = "own"
size = [4, 6]
channels = 3
test = 0.25
orientation = "apply"
normalization = { mean = [0.4, 0.5, 0.6], deviation = [0.2, 0.3, 0.4] }
[stages.teacher]
kind = "train"
data = "own"
network = { arch = "mlp", hidden = [4] }
epochs = 1
batch = 4
augment = ["flip", { kind = "cutout", size = 2 }, { kind = "mixup", alpha = 0.3 }, { kind = "rand-augment", operations = 1, magnitude = 9 }]
"#;
    let project = Project::new(OWN);
    for class in ["a", "b"] {
        std::fs::create_dir_all(project.path().join("own").join(class)).unwrap();
        for number in 0..8_u8 {
            let image = image::RgbImage::from_pixel(5, 5, image::Rgb([number, 30 * number, class.as_bytes()[0]]));
            image.save(project.path().join(format!("own/{class}/{number}.png"))).unwrap();
        }
    }
    project.succeed(&["run", "pleach.toml"]);
    let plan = |text: &str| {
        project.write("edited.toml", text);
        project.succeed(&["plan", "edited.toml"]).stdout
    };
    assert!(plan(OWN).contains("1 cached"), "{}", plan(OWN));
    for (from, to, field) in [
        ("size = [4, 6]", "size = [6, 4]", "data.size"),
        ("channels = 3", "channels = 1", "data.channels"),
        ("test = 0.25", "test = 0.5", "data.test"),
        ("orientation = \"apply\"", "orientation = \"ignore\"", "data.orientation"),
        ("mean = [0.4, 0.5", "mean = [0.4, 0.4", "data.normalization.mean"),
        ("deviation = [0.2, 0.3", "deviation = [0.2, 0.2", "data.normalization.deviation"),
        ("\"cutout\", size = 2", "\"cutout\", size = 3", "augment"),
        ("alpha = 0.3", "alpha = 0.4", "augment"),
        ("\"mixup\"", "\"cutmix\"", "augment"),
        ("operations = 1", "operations = 2", "augment"),
        ("magnitude = 9", "magnitude = 8", "augment"),
        ("\"flip\"", "\"trivial-augment\"", "augment"),
    ] {
        // RandAugment and TrivialAugment do not go together; grey images have one mean.
        let rand = ", { kind = \"rand-augment\", operations = 1, magnitude = 9 }";
        let mut text = OWN.replacen(from, to, 1);
        assert_ne!(text, OWN, "{from}");
        if to.contains("trivial") {
            text = text.replace(rand, "");
        }
        if to == "channels = 1" {
            text = text.replace("[0.4, 0.5, 0.6]", "[0.4]").replace("[0.2, 0.3, 0.4]", "[0.2]");
        }
        let told = plan(&text);
        assert!(told.contains(field) && told.contains("edited.toml:"), "{to}\n{told}");
    }
    std::fs::rename(project.path().join("own"), project.path().join("moved")).unwrap();
    let moved = plan(&OWN.replace("path = \"own\"", "path = \"moved\""));
    assert!(moved.contains("1 cached"), "{moved}");
}

#[test]
fn a_value_by_set_names_the_set() {
    let planned = planned(MANIFEST, &["stages.student.losses.0.temperature=2"]);
    let [change] = changes(&planned, "student") else { panic!("one change") };
    assert_eq!(change.field, "losses.0.temperature");
    let Origin::Written(place) = &change.origin else { panic!("{change:?}") };
    assert_eq!(place.to_string(), "--set stages.student.losses.0.temperature=2");
}

/// A value that is taken out of the manifest is its default again; one that has no default is nothing.
#[test]
fn values_that_come_and_go() {
    let without = MANIFEST.replacen("momentum = 0.9\nnesterov = true\n", "", 1).replacen("clip-norm = 5.0\n", "", 1);
    let planned_without = planned(&without, &[]);
    let found = changes(&planned_without, "teacher");
    let told: Vec<String> = found.iter().map(pleach::report::plan::line).collect();
    assert_eq!(
        told,
        [
            "optimizer.momentum  0.9 → 0.0  (default)",
            "optimizer.nesterov  true → false  (default)",
            "clip-norm  5.0 → nothing"
        ]
    );
    let with = planned(MANIFEST, &["stages.tuned.clip-norm=1"]);
    let told: Vec<String> = changes(&with, "tuned").iter().map(pleach::report::plan::line).collect();
    assert_eq!(told, ["clip-norm  nothing → 1.0  --set stages.tuned.clip-norm=1"]);
}

fn all_cached(text: &str, sets: &[&str], why: &str) {
    let (manifest, plan) = planned(text, sets);
    assert_eq!(plan.counts(), (manifest.stages.len(), 0, 0), "{why}: {:?}", plan.stages);
}

#[test]
fn labels_and_the_shape_of_the_file_change_nothing() {
    all_cached(MANIFEST, &[], "nothing changed, and another number of threads");
    let renamed = MANIFEST.replace("student", "pupil").replace("quiet", "silent").replace("teacher\"", "tutor\"");
    let renamed = renamed.replace("stages.teacher", "stages.tutor");
    all_cached(&renamed, &[], "stages have other names");
    all_cached(
        &MANIFEST
            .replace("small", "little")
            .replace("\"deep\"", "\"d\"")
            .replace("networks.deep", "networks.d")
            .replace("stages.deep", "stages.d"),
        &[],
        "networks",
    );
    all_cached(
        &MANIFEST.replace("data.digits", "data.numbers").replace("data = \"digits\"", "data = \"numbers\""),
        &[],
        "data",
    );
    all_cached(&MANIFEST.replace("\"keys\"", "\"other\"").replace("as it was run", "in other words"), &[], "pipeline");
    all_cached(&MANIFEST.replace('\n', "\r\n# a remark\r\n"), &[], "comments and line ends");
    // The sections in the opposite order.
    let sections: Vec<&str> = MANIFEST.split("\n\n").collect();
    all_cached(&sections.into_iter().rev().collect::<Vec<_>>().join("\n\n"), &[], "order");
    // A default that is written out, a number in another notation, a network in place.
    all_cached(
        MANIFEST,
        &["stages.tuned.select=last", "stages.deep.batch=64", "stages.teacher.clip-norm=5"],
        "defaults",
    );
    all_cached(MANIFEST, &["stages.teacher.network={arch=\"lenet\",channels=[2,3],hidden=[6]}"], "a network in place");
    all_cached(MANIFEST, &["stages.pruned.seed=5", "stages.pruned.method.threshold=1e-3"], "the pipeline's seed");
}

/// A stage that is not reached by a change stays; one below it may or may not run.
#[test]
fn only_what_is_below_a_change_is_open() {
    let (manifest, plan) = planned(MANIFEST, &["stages.student.losses.0.temperature=2"]);
    let told = pleach::report::plan::text(&plan, &manifest, &Default::default(), true);
    let told = without_hashes(&told);
    insta::assert_snapshot!(told);
}

/// Hashes are cut out of what is compared with a snapshot: they are not the same on every kind of processor.
fn without_hashes(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_hash = bare.len() >= 12 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        out.push_str(if is_hash { "HASH" } else { bare });
        out.push_str(&word[bare.len()..]);
    }
    out
}

#[test]
fn what_plan_and_explain_print() {
    let project = &RAN.project;
    let line = "temperature = 3.0";
    project.write("warmer.toml", MANIFEST.replacen(line, "temperature = 4.0", 1));
    let plan = project.succeed(&["plan", "warmer.toml"]).untimed();
    insta::assert_snapshot!("plan", without_hashes(&plan));
    let json = project.succeed(&["plan", "warmer.toml", "student", "--json"]).stdout;
    let mut json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let time = json.as_object_mut().unwrap().shift_remove("time").unwrap();
    let disk = json.as_object_mut().unwrap().shift_remove("disk").unwrap();
    assert!(disk["needs"].as_u64() < disk["free"].as_u64(), "{disk}");
    assert!(time["seconds"].as_f64().unwrap() > 0.0 && time["results"].as_u64().unwrap() > 0, "{time}");
    insta::assert_snapshot!("plan_json", without_hashes(&format!("{json:#}\n")));
    let explained = project.succeed(&["explain", "warmer.toml", "student"]).stdout;
    insta::assert_snapshot!("explain", without_hashes(&explained));
    let below = project.succeed(&["explain", "warmer.toml", "tuned"]).stdout;
    insta::assert_snapshot!("explain_below_a_change", without_hashes(&below));
    // Nothing was published by looking.
    all_cached(MANIFEST, &[], "looked at only");
}

#[test]
fn an_input_that_is_there_no_more_is_told() {
    let text =
        MANIFEST.replacen("models = [\"teacher\", \"student\", \"tuned\"]", "models = [\"teacher\", \"student\"]", 1);
    let planned = planned(&text, &[]);
    let told: Vec<String> = changes(&planned, "score").iter().map(pleach::report::plan::line).collect();
    assert!(told.iter().all(|line| line.starts_with("inputs.models.2.") && line.ends_with("→ nothing")), "{told:?}");
}

#[test]
fn a_model_that_is_added_is_told_although_another_has_yet_to_be_made() {
    let text = MANIFEST
        .replacen(
            "models = [\"teacher\", \"student\", \"tuned\"]",
            "models = [\"teacher\", \"student\", \"tuned\", \"quiet\"]",
            1,
        )
        .replacen("temperature = 3.0", "temperature = 5.0", 1);
    let planned = planned(&text, &[]);
    let told: Vec<String> = changes(&planned, "score").iter().map(pleach::report::plan::line).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("inputs.models.3  nothing → `quiet`  pleach.toml:"), "{told:?}");
}

#[test]
fn graphs() {
    let project = Project::new(MANIFEST);
    let mut all = String::new();
    for format in ["text", "dot", "mermaid"] {
        all.push_str(&project.succeed(&["graph", "pleach.toml", "--format", format]).stdout);
        all.push('\n');
    }
    insta::assert_snapshot!(all);
}
