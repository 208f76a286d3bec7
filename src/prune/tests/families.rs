//! Every architecture: the shrunk network computes what the masked one computes, and nothing is emptied.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::data::{Images, Normalization};
use crate::network::arch::{Architecture, Shortcut, Stem, VggClassifier};
use crate::network::{Executor, Graph, Mode, Model, Op, ParameterSpec};
use crate::prune::allocation::Rounding;
use crate::prune::coupling::Coupling;
use crate::prune::groups::Side;
use crate::prune::shrink::Keep;
use crate::prune::{ChannelScope, Criterion, Method, Surroundings, Watched, prune};
use crate::store::{Digest, Options, Store};
use crate::tensor::engine::Precision;
use crate::tensor::{Backend, Cpu, NoneTape};
use crate::train::parameters::{Loss, Optimizer, Schedule, Select, Training};
use crate::train::steps::LastBatch;
use crate::train::{Task, train};

/// Channel pruning by `l1` with the defaults of a manifest.
pub fn channels(ratio: f64) -> Method {
    Method::Channels {
        criterion: Criterion::L1,
        ratio: Some(ratio),
        macs: None,
        parameters: None,
        scope: ChannelScope::Global,
        round_to: Some(1),
        minimum: 0.0,
        ignore: Vec::new(),
        layers: BTreeMap::new(),
        steps: 1,
        images: None,
    }
}

/// Every architecture, narrow.
fn families() -> Vec<(&'static str, Graph)> {
    let stem = Some(Stem::Cifar);
    let resnet = |depth, width, shortcut, stem| Architecture::Resnet { depth, width, shortcut, stem };
    let preact = |depth, width, shortcut, stem| Architecture::PreactResnet { depth, width, shortcut, stem };
    let densenet =
        |depth, bottleneck, stem| Architecture::Densenet { depth, growth: 4, bottleneck, compression: 0.5, stem };
    let all = [
        ("mlp", Architecture::Mlp { hidden: vec![20, 12] }),
        ("lenet", Architecture::Lenet { channels: [6, 16], hidden: vec![20, 12] }),
        ("resnet8", resnet(8, 8, Shortcut::Pad, None)),
        ("resnet8-projection", resnet(8, 8, Shortcut::Projection, None)),
        ("resnet18", resnet(18, 4, Shortcut::Projection, stem)),
        ("resnet50", resnet(50, 2, Shortcut::Projection, stem)),
        ("preact8", preact(8, 8, Shortcut::Pad, None)),
        ("preact18", preact(18, 4, Shortcut::Projection, stem)),
        ("vgg11", Architecture::Vgg { depth: 11, width: 4, classifier: VggClassifier::default(), dropout: 0.1 }),
        ("densenet", densenet(10, false, None)),
        ("densenet-bc", densenet(16, true, None)),
        ("mobilenet", Architecture::MobilenetV2 { width: 0.25, dropout: 0.1, stem: Stem::Cifar }),
        (
            "efficientnet",
            Architecture::Efficientnet {
                width: 0.25,
                depth: 0.5,
                dropout: 0.1,
                stochastic_depth: 0.1,
                stem: Stem::Cifar,
            },
        ),
    ];
    all.into_iter()
        .map(|(name, architecture)| {
            let size = if name == "vgg11" { 32 } else { 8 };
            (name, architecture.build([size, size, 1], 10).unwrap())
        })
        .collect()
}

/// Fresh weights, and statistics and norms that are not trivial, so that removing the wrong ones shows.
pub fn model(graph: Graph, seed: u64) -> Model {
    let mut model = Model::initialise(graph, seed).unwrap();
    let norms: Vec<String> =
        model.graph.layers.iter().filter(|l| matches!(l.op, Op::BatchNorm { .. })).map(|l| l.name.clone()).collect();
    for (number, name) in norms.iter().enumerate() {
        for (tensor, base) in [("weight", 0.8), ("bias", -0.1), ("running_mean", -0.2), ("running_var", 0.5)] {
            let data = &mut model.tensors.get_mut(&format!("{name}.{tensor}")).unwrap().data;
            for (index, value) in data.iter_mut().enumerate() {
                *value = base + 0.1 * ((index * 5 + number * 3) % 7) as f32;
            }
        }
    }
    model
}

pub fn logits(model: &Model) -> Vec<f32> {
    let device = Cpu::default();
    let size = 4 * model.graph.input.iter().product::<usize>();
    let pixels: Vec<f32> = (0..size).map(|i| ((i * 7919 % 211) as f32 / 105.0) - 1.0).collect();
    let network = Executor::new(model, &device).unwrap();
    let forward = network.forward(device.upload(&pixels).unwrap(), 4, Mode::Evaluate, &[], &mut NoneTape).unwrap();
    Cpu::download(&forward.logits)
}

/// Masks whatever makes the units that do not stay: rows, biases, scales and shifts of normalizations. Not what shrinking
/// and its proof do, so that one mistake does not hide in both.
pub fn mask_producers(model: &mut Model, coupling: &Coupling, keep: &Keep) {
    for (group, keep) in coupling.groups.iter().zip(keep) {
        for member in group.members.iter().filter(|member| member.side == Side::Outputs) {
            for tensor in ["weight", "bias"] {
                let name = format!("{}.{tensor}", model.graph.layers[member.layer].name);
                let Some(tensor) = model.tensors.get_mut(&name) else { continue };
                let row = tensor.data.len() / tensor.dims[0];
                for (channels, _) in member.channels.iter().zip(keep).filter(|(_, kept)| !**kept) {
                    channels.iter().for_each(|channel| tensor.data[channel * row..][..row].fill(0.0));
                }
            }
        }
    }
}

/// Prunes, and checks what comes out against the network with the same units masked. Which units stayed is
/// found by running the choice on its own.
pub fn check(what: &str, whole: &Model, method: &Method, watched: Option<Watched>) -> Model {
    let surroundings = Surroundings { watched, seed: 3, device: &Cpu::default(), stop: &|| false };
    let mut shrunk = whole.clone();
    let removed =
        prune(method, &mut shrunk, &whole.graph, 1.0, &surroundings).unwrap_or_else(|e| panic!("{what}: {e}"));
    let choice = crate::prune::channels::choose(method, whole, &whole.graph, 1.0, &surroundings).unwrap().unwrap();
    let gone = choice.keep.iter().flatten().filter(|kept| !**kept).count();
    assert_eq!(removed.units, Some(gone as u64), "{what}");
    let mut masked = whole.clone();
    mask_producers(&mut masked, &choice.coupling, &choice.keep);
    let off = crate::prune::proof::difference(&logits(&masked), &logits(&shrunk));
    assert!(off <= 1e-4, "{what}: off by {off}");
    shrunk.graph.shapes().unwrap_or_else(|error| panic!("{what}: {error}"));
    for ParameterSpec { name, dims, .. } in shrunk.graph.parameters() {
        assert!(dims.iter().all(|dim| *dim > 0) && !shrunk.tensors[&name].data.is_empty(), "{what}: {name} is empty");
    }
    let parts = (shrunk.description().unwrap(), shrunk.weights().unwrap());
    let again = Model::from_parts(&parts.0, &parts.1, None).unwrap();
    assert!(again == shrunk && logits(&again) == logits(&shrunk), "{what}: not the same after reading it back");
    shrunk
}

#[test]
fn every_family_shrunk_computes_what_it_computes_masked() {
    let scopes = [ChannelScope::Global, ChannelScope::Uniform, ChannelScope::Isomorphic];
    for (name, graph) in families() {
        let whole = model(graph, 3);
        let units: usize = Coupling::of(&whole.graph).unwrap().groups.iter().map(|group| group.units).sum();
        for ratio in [0.3, 0.5, 0.7] {
            for wanted in scopes {
                let what = format!("{name} {ratio} {wanted:?}");
                let mut method = channels(ratio);
                if let Method::Channels { scope, .. } = &mut method {
                    *scope = wanted;
                }
                let shrunk = check(&what, &whole, &method, None);
                let left: usize = Coupling::of(&shrunk.graph).unwrap().groups.iter().map(|group| group.units).sum();
                let gone = 1.0 - left as f64 / units as f64;
                assert!((gone - ratio).abs() < 0.04, "{what}: {gone} of the units went");
            }
        }
    }
}

/// What is coupled by additions, gates, depthwise convolutions and concatenations has multiples, or keeps its width.
#[test]
fn every_family_has_multiples_where_it_is_wide_enough() {
    let (dropout, stem) = (0.0, Stem::Cifar);
    let more = [
        ("efficientnet", Architecture::Efficientnet { width: 0.5, depth: 0.5, dropout, stochastic_depth: 0.0, stem }),
        ("mobilenet", Architecture::MobilenetV2 { width: 0.5, dropout, stem }),
        ("densenet", Architecture::Densenet { depth: 16, growth: 12, bottleneck: true, compression: 0.5, stem: None }),
    ];
    let more = more.into_iter().map(|(name, architecture)| (name, architecture.build([8, 8, 1], 10).unwrap()));
    for (name, graph) in families().into_iter().chain(more) {
        let whole = model(graph, 3);
        for (wanted, asked) in [
            (ChannelScope::Global, Some(8)),
            (ChannelScope::Uniform, Some(8)),
            (ChannelScope::Isomorphic, None),
            (ChannelScope::Uniform, None),
        ] {
            let what = format!("{name} {asked:?} {wanted:?}");
            let mut method = channels(0.4);
            if let Method::Channels { scope, round_to, .. } = &mut method {
                (*scope, *round_to) = (wanted, asked);
            }
            let shrunk = check(&what, &whole, &method, None);
            let rounding = Rounding::of(asked);
            for (before, after) in whole.graph.layers.iter().zip(&shrunk.graph.layers) {
                let (Some(before), Some(width)) = (width(&before.op), width(&after.op)) else { continue };
                let is_multiple = width.is_multiple_of(rounding.multiple_of(before));
                assert!(width == before || is_multiple, "{what}: {} {before} → {width}", after.name);
            }
        }
    }
}

/// What a convolution or a linear layer makes.
fn width(op: &Op) -> Option<usize> {
    match op {
        Op::Convolution { out_channels, .. } => Some(*out_channels),
        Op::Linear { out_features, .. } => Some(*out_features),
        _ => None,
    }
}

/// Images of no meaning, but of all classes.
pub fn noise(shape: [usize; 3]) -> Images {
    let size: usize = shape.iter().product();
    let pixels = (0..24 * size).map(|i| ((i * 7919 + i / 13 * 104_729) % 256) as u8).collect();
    Images { shape, pixels: Arc::new(pixels), labels: (0..24).map(|i| i % 10).collect() }
}

/// The network after a few steps of training on noise.
pub fn trained(start: Model, images: &Images, indices: &[u32], normalization: &Normalization) -> Model {
    let training = Training {
        epochs: 1,
        batch: 8,
        last_batch: LastBatch::Even,
        optimizer: Optimizer::Sgd { lr: 0.02, momentum: 0.9, nesterov: false, weight_decay: 0.0, decay_all: false },
        schedule: Schedule::Constant { warmup: 0.0 },
        losses: vec![Loss::CrossEntropy { smoothing: 0.0, weight: 1.0 }],
        penalties: Vec::new(),
        augment: Vec::new(),
        clip_norm: Some(1.0),
        select: Select::Last,
        early_stop: None,
        prune: None,
        precision: Precision::F32,
    };
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store"), &Options::default()).unwrap();
    let task = Task {
        training: &training,
        seed: 5,
        images,
        train: indices,
        validation: &[],
        normalization,
        store: &store,
        chain: Digest::of(b"chain"),
        stage: Digest::of(b"stage"),
        label: "stage",
        teacher_logits: Digest::of(b"teacher logits"),
        resume: false,
        cancelled: &AtomicBool::new(false),
        progress: &|_| {},
    };
    train(&task, start, None, &Cpu::default()).unwrap_or_else(|_| panic!("training stopped")).model
}

#[test]
fn every_criterion_prunes_every_family_after_training() {
    let scopes = [ChannelScope::Global, ChannelScope::Uniform, ChannelScope::Isomorphic];
    for (family, (name, graph)) in families().into_iter().enumerate() {
        let images = noise(graph.input);
        let indices: Vec<u32> = (0..24).collect();
        let normalization = Normalization::of(&images, &indices);
        let watched = Watched { images: &images, indices: &indices, normalization: &normalization };
        let whole = trained(model(graph, 4), &images, &indices, &normalization);
        for (number, (_, wanted)) in Criterion::ALL.iter().enumerate() {
            let ratio = [0.3, 0.5, 0.7][(family + number) % 3];
            let mut method = channels(ratio);
            if let Method::Channels { criterion, scope, images, .. } = &mut method {
                (*criterion, *scope, *images) = (*wanted, scopes[(family + number / 3) % 3], Some(8));
            }
            let normalized = Coupling::of(&whole.graph).unwrap().groups.iter().any(|g| g.is_normalized(&whole.graph));
            if *wanted == Criterion::BnScale && !normalized {
                continue;
            }
            let shrunk = check(&format!("{name} {method:?}"), &whole, &method, Some(watched));
            assert!(shrunk.graph.parameter_count() < whole.graph.parameter_count(), "{name} {method:?}");
        }
    }
}

/// Everything with everything, which takes minutes: `cargo test --release --lib prune -- --ignored`. The two tests above
/// go through the same in turns.
#[test]
#[ignore = "takes minutes"]
fn every_family_by_every_criterion_ratio_and_scope() {
    let scopes = [ChannelScope::Global, ChannelScope::Uniform, ChannelScope::Isomorphic];
    let mut pruned = 0;
    for (name, graph) in families() {
        let images = noise(graph.input);
        let indices: Vec<u32> = (0..24).collect();
        let normalization = Normalization::of(&images, &indices);
        let watched = Watched { images: &images, indices: &indices, normalization: &normalization };
        let random = model(graph, 6);
        let trained = trained(random.clone(), &images, &indices, &normalization);
        let normalized = Coupling::of(&random.graph).unwrap().groups.iter().any(|g| g.is_normalized(&random.graph));
        for (weights, whole) in [("random", &random), ("trained", &trained)] {
            for (word, wanted) in Criterion::ALL {
                if wanted == Criterion::BnScale && !normalized {
                    continue;
                }
                for share in [0.3, 0.5, 0.7] {
                    for among in scopes {
                        let mut method = channels(share);
                        if let Method::Channels { criterion, scope, images, .. } = &mut method {
                            (*criterion, *scope, *images) = (wanted, among, Some(8));
                        }
                        let what = format!("{name}, {weights}, {word}, {share}, {among:?}");
                        let shrunk = check(&what, whole, &method, Some(watched));
                        assert!(shrunk.graph.parameter_count() < whole.graph.parameter_count(), "{what}");
                        pruned += 1;
                    }
                }
            }
        }
    }
    // Two networks have no normalization.
    assert_eq!(pruned, (13 * 16 - 2) * 2 * 3 * 3);
}
