//! A key is exactly what a result depends on. The tests go over every value of a description as it is serialised, so
//! that a new parameter is tested as soon as it is in [`descriptions`], which does not compile without it.

mod partial;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::data::{Augmentation, Constants, Decoding, ExifOrientation, Source};
use crate::network::Op;
use crate::network::arch::{Architecture, Shortcut, Stem, VggClassifier, WrittenLayer};
use crate::network::import::rules::{Head, Mask, Rules};
use crate::prune::{ChannelScope, Criterion, Measure, Method, WeightScope};
use crate::stage::{DataInput, ImportInput, NetworkInput, Parameters, Split};
use crate::tensor::engine::Precision;
use crate::train::parameters::{
    EarlyStop, LayerPair, Loss, Optimizer, Penalty, PeriodicPruning, Schedule, Select, SparsitySchedule, Training,
};
use crate::train::steps::LastBatch;

fn inactive() -> Method {
    Method::Inactive { layer: "hidden1".into(), measure: Measure::Mean, threshold: 0.25, minimum: 2 }
}

fn weights() -> Method {
    Method::Weights {
        criterion: Criterion::Random,
        sparsity: 0.5,
        scope: WeightScope::Uniform,
        steps: Some(3),
        ignore: vec!["conv1".into(), "conv2".into()],
        layers: BTreeMap::from([("hidden1".into(), 0.25)]),
        minimum: Some(0.125),
        images: Some(100),
    }
}

fn surgery() -> Method {
    let layers = BTreeMap::from([("hidden1".into(), 0.75)]);
    Method::Surgery { c: 0.5, gamma: 0.25, power: 0.125, ignore: vec!["conv1".into()], layers }
}

fn rigl() -> Method {
    let scope = WeightScope::Uniform;
    let (ignore, minimum) = (vec!["conv1".into()], Some(0.125));
    Method::Rigl { sparsity: 0.5, scope, every_steps: 7, alpha: 0.25, until: 0.125, ignore, minimum }
}

fn layers(name: &str) -> Vec<LayerPair> {
    let pair = |end: &str| LayerPair { student: format!("{name}.own.{end}"), teacher: format!("{name}.other.{end}") };
    vec![pair("first"), pair("last")]
}

fn channels(ratio: Option<f64>, macs: Option<f64>, parameters: Option<f64>) -> Method {
    Method::Channels {
        criterion: Criterion::Random,
        ratio,
        macs,
        parameters,
        scope: ChannelScope::Uniform,
        round_to: Some(4),
        minimum: 0.125,
        ignore: vec!["hidden2".into()],
        layers: BTreeMap::from([("hidden*".to_owned(), 0.75), ("conv1.*".to_owned(), 0.5)]),
        steps: 3,
        images: Some(99),
    }
}

fn training(optimizer: Optimizer, schedule: Schedule, method: Method) -> Training {
    Training {
        epochs: 3,
        batch: 32,
        last_batch: LastBatch::Even,
        optimizer,
        schedule,
        losses: vec![
            Loss::CrossEntropy { smoothing: 0.125, weight: 0.5 },
            Loss::Kd { temperature: 4.0, alpha: 0.75, smoothing: 0.25, weight: 2.0, standardize: true },
            Loss::LogitsMse { weight: 0.5 },
            Loss::Fitnet { layers: layers("a"), weight: 0.5 },
            Loss::Attention { layers: layers("b"), weight: 0.5 },
            Loss::Fsp { layers: layers("c"), weight: 0.5 },
            Loss::Sp { layers: layers("d"), weight: 0.5 },
            Loss::Vid { layers: layers("e"), weight: 0.5 },
            Loss::Rkd { layers: layers("f"), distance: 0.25, angle: 0.75, weight: 0.5 },
            Loss::Dkd { temperature: 4.0, alpha: 0.75, beta: 8.0, warmup: 20, weight: 0.5 },
            Loss::Dist { temperature: 4.0, beta: 0.25, gamma: 0.75, weight: 0.5 },
            Loss::Mutual { weight: 0.5 },
        ],
        penalties: vec![
            Penalty::L1 { layer: "*".into(), strength: 0.25 },
            Penalty::ActivationL1 { layer: "hidden1".into(), strength: 0.5 },
            Penalty::BnL1 { layer: "bn*".into(), strength: 0.125 },
            Penalty::GroupLasso { layer: "conv*".into(), strength: 0.75 },
            Penalty::SparseGroupLasso { layer: "fc*".into(), strength: 0.375, l1_strength: 0.625, proximal: true },
            Penalty::Polarization { layer: "norm*".into(), strength: 0.875, l1_factor: 1.25 },
            Penalty::Growing { layer: "layer*".into(), delta: 0.0625 },
        ],
        augment: vec![
            Augmentation::Crop,
            Augmentation::Flip,
            Augmentation::TrivialAugment,
            Augmentation::Cutout { size: Some(5) },
            Augmentation::Mixup { alpha: 0.375 },
            Augmentation::Cutmix { alpha: 0.625 },
            Augmentation::RandAugment { operations: 3, magnitude: 13 },
        ],
        clip_norm: Some(2.0),
        select: Select::Best,
        early_stop: Some(EarlyStop { patience: 4, minimum_gain: 0.25 }),
        prune: Some(PeriodicPruning {
            every: 2,
            method,
            schedule: Some(SparsitySchedule::Agp { initial: 0.25, begin: 1, end: 5 }),
        }),
        precision: Precision::Bf16,
    }
}

/// The architectures that the other descriptions have no place for.
fn more_networks() -> Vec<Architecture> {
    let (stem, shortcut) = (Some(Stem::Imagenet), Shortcut::Projection);
    let layer = |name: &str, op, inputs: &[&str]| {
        WrittenLayer::new(name.into(), op, inputs.iter().map(|name| (*name).to_owned()).collect())
    };
    let convolution = Op::Convolution {
        in_channels: 0,
        out_channels: 3,
        kernel: [4, 5],
        stride: [6, 7],
        padding: [8, 9],
        dilation: [10, 11],
        groups: 12,
        bias: true,
    };
    let layers = vec![
        layer("a", convolution, &["input"]),
        layer("b", Op::BatchNorm { channels: 0, epsilon: 0.25, momentum: 0.5 }, &["a"]),
        layer("c", Op::MaxPool { kernel: [1, 2], stride: [3, 4], padding: [5, 6] }, &["b"]),
        layer("d", Op::AveragePool { kernel: [1, 2], stride: [3, 4], padding: [5, 6] }, &["c"]),
        layer("e", Op::AdaptiveAveragePool { output: [1, 2] }, &["d"]),
        layer("f", Op::PadShortcut { stride: 2, in_channels: 0, out_channels: 3, before: Some(1) }, &["e"]),
        layer("g", Op::Dropout { rate: 0.25 }, &["f"]),
        layer("h", Op::StochasticDepth { rate: 0.25 }, &["g"]),
        layer("i", Op::Add, &["h", "f"]),
        layer("j", Op::Linear { in_features: 0, out_features: 3, bias: true }, &["i"]),
    ];
    vec![
        Architecture::Resnet { depth: 18, width: 4, shortcut, stem },
        Architecture::PreactResnet { depth: 34, width: 4, shortcut, stem },
        Architecture::Vgg { depth: 13, width: 4, classifier: VggClassifier::Imagenet, dropout: 0.25 },
        Architecture::Densenet { depth: 121, growth: 4, bottleneck: true, compression: 0.25, stem },
        Architecture::MobilenetV2 { width: 0.25, dropout: 0.5, stem: Stem::Imagenet },
        Architecture::Efficientnet {
            width: 0.25,
            depth: 0.5,
            dropout: 0.75,
            stochastic_depth: 0.125,
            stem: Stem::Imagenet,
        },
        Architecture::Graph { layers, input: None },
    ]
}

/// Every kind of stage, optimizer, schedule, method and architecture, with every option set, no value at its default
/// where that can be, and no value twice.
fn descriptions() -> Vec<Description> {
    let sgd = Optimizer::Sgd { lr: 0.5, momentum: 0.75, nesterov: true, weight_decay: 0.25, decay_all: true };
    let adam = Optimizer::Adam { lr: 0.5, betas: [0.5, 0.75], epsilon: 0.125, weight_decay: 0.25, decay_all: true };
    let adamw = Optimizer::Adamw { lr: 0.5, betas: [0.5, 0.75], epsilon: 0.125, weight_decay: 0.25, decay_all: true };
    let constant = Schedule::Constant { warmup: 0.5 };
    let step = Schedule::Step { warmup: 0.5, milestones: vec![1, 2], gamma: 0.25 };
    let cosine = Schedule::Cosine { warmup: 0.5, final_share: 0.25 };
    let mlp = Architecture::Mlp { hidden: vec![8, 9] };
    let lenet = Architecture::Lenet { channels: [3, 4], hidden: vec![8, 9] };
    let resnet = Architecture::Resnet { depth: 8, width: 4, shortcut: Shortcut::Projection, stem: None };
    let plain = sgd.clone();
    let rules = Rules {
        prefix: Some("module.".into()),
        head: Some(Head::Fresh),
        fresh: vec!["conv1".into(), "bn*".into()],
        ignore_extra: vec!["*total_ops".into(), "*total_params".into()],
        mask: Some(Mask::Zeros),
    };
    let parameters = [
        Parameters::Train { network: Some(mlp), training: training(sgd.clone(), constant, inactive()) },
        Parameters::Train { network: Some(resnet), training: training(adam.clone(), step, weights()) },
        Parameters::Distill { network: Some(lenet), training: training(adamw, cosine.clone(), inactive()) },
        Parameters::Distill { network: None, training: training(adam, cosine.clone(), inactive()) },
        Parameters::Regularize { training: training(sgd.clone(), cosine.clone(), surgery()) },
        Parameters::FineTune { training: training(sgd, cosine, rigl()) },
        Parameters::Prune { method: inactive() },
        Parameters::Prune { method: weights() },
        Parameters::Prune { method: channels(Some(0.25), None, None) },
        Parameters::Prune { method: channels(None, Some(0.25), None) },
        Parameters::Prune { method: channels(None, None, Some(0.25)) },
        Parameters::Evaluate { split: Split::Validation, reference: Some(1) },
        Parameters::Import { network: Some(Architecture::Mlp { hidden: vec![5] }), rules: Rules::default() },
        Parameters::Import { network: None, rules },
    ];
    let digest = |text: &str| Digest::of(text.as_bytes());
    let input = |role: &str| NetworkInput {
        network: digest(&format!("{role} network")),
        weights: Some(digest(&format!("{role} weights"))),
        masks: Some(digest(&format!("{role} masks"))),
        signature: Some(digest(&format!("{role} signature"))),
    };
    let roles = ["from", "teacher", "like", "models.0", "models.1"];
    let describe = |parameters| Description {
        parameters,
        seed: 11,
        data: Some(DataInput {
            source: Source::Mnist,
            path: Some("some/where".into()),
            decoding: Some(Decoding {
                size: [15, 16],
                channels: 3,
                test: Some(0.375),
                orientation: ExifOrientation::Ignore,
            }),
            normalization: Some(Constants { mean: vec![0.5, 0.25, 0.125], deviation: vec![0.75, 1.0, 1.5] }),
            validation: 0.25,
            limit: Some(100),
            seed: 12,
            digest: digest("data"),
        }),
        import: Some(ImportInput {
            path: "some/weights".into(),
            shape: [28, 27, 3],
            classes: 13,
            digest: digest("import"),
        }),
        inputs: roles.iter().map(|role| ((*role).to_owned(), input(role))).collect(),
    };
    let of_network = |network| Parameters::Train {
        network: Some(network),
        training: training(plain.clone(), Schedule::Constant { warmup: 0.5 }, inactive()),
    };
    let more = more_networks().into_iter().map(of_network);
    parameters.into_iter().chain(more).map(describe).collect()
}

fn key_of(description: &Description) -> Digest {
    key(&fields(description))
}

/// Every single value in `value` by its path, elements of arrays too.
fn leaves(value: &Value, path: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect(),
        Value::Null => return,
        _ => return all.push(path.clone()),
    };
    for (key, child) in children {
        path.push(key);
        leaves(child, path, all);
        path.pop();
    }
}

fn at<'v>(value: &'v mut Value, path: &[String]) -> &'v mut Value {
    path.iter().fold(value, |value, key| match value {
        Value::Array(items) => &mut items[key.parse::<usize>().unwrap()],
        other => &mut other[key.as_str()],
    })
}

/// Other values of the same type; which of them are valid, only reading them tells.
fn others(value: &Value) -> Vec<Value> {
    const WORDS: &[&str] = &[
        "pad",
        "projection",
        "last",
        "best",
        "maximum",
        "mean",
        "zeros",
        "magnitude",
        "random",
        "global",
        "uniform",
        "erk",
        "crop",
        "flip",
        "train",
        "validation",
        "test",
        "digits",
        "mnist",
        "hidden2",
        "cifar",
        "imagenet",
        "tf32",
        "smaller",
    ];
    match value {
        Value::Bool(b) => vec![(!b).into()],
        Value::Number(n) if n.is_u64() => vec![(n.as_u64().unwrap() + 1).into()],
        Value::Number(n) => vec![(n.as_f64().unwrap() / 2.0).into()],
        Value::String(text) if text.len() == 64 => vec![Digest::of(text.as_bytes()).to_string().into()],
        Value::String(_) => WORDS.iter().map(|word| (*word).into()).collect(),
        Value::Null | Value::Array(_) | Value::Object(_) => Vec::new(),
    }
}

/// Whether a leaf is the word that decides which other values there are, or one of a single word; those are compared as
/// wholes, or with their absence.
fn is_tag(path: &[String]) -> bool {
    matches!(path.last().map(String::as_str), Some("kind" | "arch" | "op" | "head" | "mask"))
}

fn read(value: &Value) -> Option<Description> {
    serde_json::from_value(value.clone()).ok()
}

#[test]
fn every_value_but_paths_changes_the_key() {
    let mut tried = BTreeSet::new();
    for description in descriptions() {
        let whole = serde_json::to_value(&description).unwrap();
        assert_eq!(read(&whole).as_ref(), Some(&description), "what is written is read back");
        let mut paths = Vec::new();
        leaves(&whole, &mut Vec::new(), &mut paths);
        for path in paths.iter().filter(|path| !is_tag(path)) {
            let name = path.join(".");
            let mut changed = 0;
            let mut target = whole.clone();
            for other in others(at(&mut target, path)) {
                *at(&mut target, path) = other;
                let Some(different) = read(&target).filter(|different| *different != description) else { continue };
                let same_key = key_of(&different) == key_of(&description);
                let decides_nothing =
                    IGNORED.contains(&name.as_str()) || (name == "seed" && !description.parameters.draws());
                assert_eq!(same_key, decides_nothing, "{name} of {}", description.parameters.kind());
                changed += 1;
            }
            assert!(changed > 0, "no other value of {name} was tried");
            tried.insert(name);
        }
    }
    for name in ["epochs", "optimizer.betas.1", "schedule.milestones.0", "losses.1.temperature", "network.shortcut"] {
        assert!(tried.contains(name), "{name} is not among {tried:?}");
    }
}

#[test]
fn an_option_that_is_left_out_and_an_element_less_change_the_key() {
    for description in descriptions() {
        let whole = serde_json::to_value(&description).unwrap();
        let mut places = vec![Vec::new()];
        let mut tried = 0;
        while let Some(path) = places.pop() {
            let value = at(&mut whole.clone(), &path).clone();
            let children: Vec<String> = match &value {
                Value::Object(map) => map.keys().cloned().collect(),
                Value::Array(items) => (0..items.len()).map(|index| index.to_string()).collect(),
                _ => Vec::new(),
            };
            for child in children {
                let mut target = whole.clone();
                match at(&mut target, &path) {
                    Value::Object(map) => drop(map.remove(&child)),
                    Value::Array(items) => drop(items.remove(child.parse().unwrap())),
                    _ => unreachable!("only these have children"),
                }
                let child = [path.clone(), vec![child]].concat();
                if let Some(different) = read(&target).filter(|different| *different != description) {
                    let is_path = IGNORED.contains(&child.join(".").as_str());
                    assert_eq!(key_of(&different) == key_of(&description), is_path, "{}", child.join("."));
                    tried += 1;
                }
                places.push(child);
            }
        }
        assert!(tried >= 10, "{tried}");
    }
}

/// The tripwire: nothing that is serialised may be missing from the fields, unless it is named in [`IGNORED`].
#[test]
fn every_serialised_value_is_in_the_fields_once() {
    for description in descriptions() {
        let whole = serde_json::to_value(&description).unwrap();
        let mut paths = Vec::new();
        leaves(&whole, &mut Vec::new(), &mut paths);
        let fields = fields(&description);
        let names: BTreeMap<&str, &str> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(names.len(), fields.len(), "a name stands for two values");
        for path in &paths {
            let name = path.join(".");
            let value = at(&mut whole.clone(), path).to_string();
            // An array of plain values is one field.
            let array = path[..path.len() - 1].join(".");
            let found = names.get(name.as_str()).is_some_and(|field| *field == value)
                || names.get(array.as_str()).is_some_and(|field| field.contains(&value));
            let ignored = IGNORED.contains(&name.as_str()) || (name == "seed" && !description.parameters.draws());
            assert_eq!(found, !ignored, "{name} in {names:?}");
        }
        assert!(names.contains_key("key-version") && names.contains_key("implementation"));
    }
}

/// Does not compile when a variant is new, and fails until [`descriptions`] has it.
#[test]
fn every_variant_is_among_the_descriptions() {
    let mut seen = BTreeSet::new();
    let mut method = |method: &Method| match method {
        Method::Inactive { .. } => seen.insert("inactive"),
        Method::Weights { .. } => seen.insert("weights"),
        Method::Channels { .. } => seen.insert("channels"),
        Method::Surgery { .. } => seen.insert("surgery"),
        Method::Rigl { .. } => seen.insert("rigl"),
    };
    for description in descriptions() {
        if let Parameters::Prune { method: m } = &description.parameters {
            method(m);
        }
        if let Some(PeriodicPruning { method: m, .. }) =
            description.parameters.training().and_then(|training| training.prune.as_ref())
        {
            method(m);
        }
    }
    for description in descriptions() {
        seen.insert(match &description.parameters {
            Parameters::Train { .. } => "train",
            Parameters::Distill { .. } => "distill",
            Parameters::Regularize { .. } => "regularize",
            Parameters::Prune { .. } => "prune",
            Parameters::FineTune { .. } => "fine-tune",
            Parameters::Import { .. } => "import",
            Parameters::Evaluate { .. } => "evaluate",
        });
        if let Parameters::Train { network: Some(network), .. } | Parameters::Distill { network: Some(network), .. } =
            &description.parameters
        {
            seen.insert(match network {
                Architecture::Mlp { .. } => "mlp",
                Architecture::Lenet { .. } => "lenet",
                Architecture::Resnet { .. } => "resnet",
                Architecture::PreactResnet { .. } => "preact-resnet",
                Architecture::Vgg { .. } => "vgg",
                Architecture::Densenet { .. } => "densenet",
                Architecture::MobilenetV2 { .. } => "mobilenet-v2",
                Architecture::Efficientnet { .. } => "efficientnet",
                Architecture::Graph { .. } => "graph",
            });
        }
        let Some(training) = description.parameters.training() else { continue };
        seen.insert(match training.optimizer {
            Optimizer::Sgd { .. } => "sgd",
            Optimizer::Adam { .. } => "adam",
            Optimizer::Adamw { .. } => "adamw",
        });
        seen.insert(match training.schedule {
            Schedule::Constant { .. } => "constant",
            Schedule::Step { .. } => "step",
            Schedule::Cosine { .. } => "cosine",
        });
        // The names are told apart by a match without a rest, so a new variant does not compile there.
        seen.extend(training.losses.iter().map(Loss::name));
        seen.extend(training.penalties.iter().map(|penalty| match penalty {
            Penalty::L1 { .. } => "l1",
            Penalty::ActivationL1 { .. } => "activation-l1",
            Penalty::BnL1 { .. } => "bn-l1",
            Penalty::GroupLasso { .. } => "group-lasso",
            Penalty::SparseGroupLasso { .. } => "sparse-group-lasso",
            Penalty::Polarization { .. } => "polarization",
            Penalty::Growing { .. } => "growing",
        }));
        seen.extend(training.augment.iter().map(|augmentation| match augmentation {
            Augmentation::Crop => "crop",
            Augmentation::Flip => "flip",
            Augmentation::Cutout { .. } => "cutout",
            Augmentation::Mixup { .. } => "mixup",
            Augmentation::Cutmix { .. } => "cutmix",
            Augmentation::TrivialAugment => "trivial-augment",
            Augmentation::RandAugment { .. } => "rand-augment",
        }));
    }
    assert_eq!(seen.len(), 53, "{seen:?}");
}

#[test]
fn kinds_differ_even_where_their_values_do_not() {
    let mut keys = BTreeSet::new();
    let all = descriptions();
    for description in &all {
        keys.insert(key_of(description));
    }
    assert_eq!(keys.len(), all.len());
    // The same training under another kind of stage, optimizer, penalty or architecture.
    let Parameters::Regularize { training } = &all[4].parameters else { unreachable!("the fifth") };
    let tuned = Description { parameters: Parameters::FineTune { training: training.clone() }, ..all[4].clone() };
    assert_ne!(key_of(&tuned), key_of(&all[4]));
    for (from, to) in [("\"adam\"", "\"adamw\""), ("\"l1\"", "\"activation-l1\"")] {
        let text = serde_json::to_string(&all[3]).unwrap();
        let other: Description = serde_json::from_str(&text.replacen(from, to, 1)).unwrap();
        assert_ne!(other, all[3], "{from}");
        assert_ne!(key_of(&other), key_of(&all[3]), "{from}");
    }
}

#[test]
fn the_order_of_fields_does_not_matter_and_their_borders_do() {
    let fields = fields(&descriptions()[0]);
    let mut turned = fields.clone();
    turned.reverse();
    assert_eq!(key(&turned), key(&fields));
    let field = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    assert_ne!(key(&field("ab", "c")), key(&field("a", "bc")));
}

#[test]
fn a_family_is_blind_to_the_content_of_inputs_only() {
    for description in descriptions() {
        let mut other = description.clone();
        other.inputs.get_mut("from").unwrap().weights = Some(Digest::of(b"other weights"));
        assert_eq!(family_of(&other), family_of(&description));
        assert_ne!(key_of(&other), key_of(&description));
        other.seed += 1;
        assert_eq!(family_of(&other) == family_of(&description), !description.parameters.draws());
        let mut more = description.clone();
        more.inputs.insert("another".to_owned(), description.inputs["from"].clone());
        assert_ne!(family_of(&more), family_of(&description), "which inputs there are counts");
    }
}

fn family_of(description: &Description) -> Digest {
    family(&fields(description), description.inputs.keys())
}

/// An epoch's chain leaves out how far the run goes, and nothing else.
#[test]
fn a_chain_is_blind_to_what_is_to_come_only() {
    let description = &descriptions()[1];
    let chain_of = |description: &Description| chain(&fields(description));
    let whole = serde_json::to_value(description).unwrap();
    let mut paths = Vec::new();
    leaves(&whole, &mut Vec::new(), &mut paths);
    for path in paths.iter().filter(|path| !is_tag(path)) {
        let to_come = matches!(path[0].as_str(), "epochs" | "schedule" | "select" | "early-stop");
        let ignored = IGNORED.contains(&path.join(".").as_str());
        let mut target = whole.clone();
        for other in others(at(&mut target, path)) {
            *at(&mut target, path) = other;
            if let Some(different) = read(&target).filter(|different| different != description) {
                let same = chain_of(&different) == chain_of(description);
                assert_eq!(same, to_come || ignored, "{}", path.join("."));
            }
        }
    }
}
