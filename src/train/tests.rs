//! Training on the digits: resuming, masks, decay, clipping, what stops it.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::parameters::{EarlyStop, Loss, Optimizer, Penalty, PeriodicPruning, Schedule, Select, Training};
use super::{Progress, Stop, Task, Trained, train};
use crate::data::{self, Augmentation, DataSet, Normalization, Source};
use crate::error::Kind;
use crate::network::Model;
use crate::network::arch::{Architecture, Shortcut};
use crate::prune::{Criterion, Measure, Method, Surroundings, WeightScope};
use crate::store::{Digest, Options, Store};
use crate::tensor::Cpu;

pub(super) struct Fixture {
    set: DataSet,
    train: Vec<u32>,
    validation: Vec<u32>,
    normalization: Normalization,
    folder: tempfile::TempDir,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let set = data::load(Source::Digits, None).unwrap();
        let split = data::split(&set.train.labels, 10, 0.15, 1);
        let normalization = Normalization::of(&set.train, &split.train);
        let folder = tempfile::tempdir().unwrap();
        Self { set, train: split.train, validation: split.validation, normalization, folder }
    }

    /// Keeps only `count` training images, and as many to choose on.
    pub(super) fn shorten(&mut self, count: usize) {
        self.train.truncate(count);
        self.validation.truncate(count);
    }

    fn store(&self, name: &str) -> Store {
        Store::open(&self.folder.path().join(name), &Options::default()).unwrap()
    }

    /// Trains in the store called `store`, and says after which epoch it went on.
    pub(super) fn run(
        &self,
        store: &str,
        training: &Training,
        start: Model,
        teacher: Option<&Model>,
    ) -> (Trained, Option<u64>) {
        self.try_run(store, training, start, teacher).unwrap()
    }

    fn try_run(
        &self,
        store: &str,
        training: &Training,
        start: Model,
        teacher: Option<&Model>,
    ) -> Result<(Trained, Option<u64>), Stop> {
        let store = self.store(store);
        let resumed = Mutex::new(None);
        let progress = |progress: Progress| {
            if let Progress::Resumed { epoch, .. } = progress {
                *resumed.lock().unwrap() = Some(epoch);
            }
        };
        let task = Task {
            training,
            seed: 5,
            images: &self.set.train,
            train: &self.train,
            validation: &self.validation,
            normalization: &self.normalization,
            store: &store,
            chain: Digest::of(b"chain"),
            stage: Digest::of(b"stage"),
            resume: true,
            cancelled: &AtomicBool::new(false),
            progress: &progress,
        };
        let trained = train(&task, start, teacher, &Cpu::default())?;
        let resumed = *resumed.lock().unwrap();
        Ok((trained, resumed))
    }
}

pub(super) fn mlp(hidden: usize) -> Model {
    let graph = Architecture::Mlp { hidden: vec![hidden] }.build([8, 8, 1], 10).unwrap();
    Model::initialise(graph, 5).unwrap()
}

pub(super) fn resnet() -> Model {
    let architecture = Architecture::Resnet { depth: 8, width: 4, shortcut: Shortcut::Pad, stem: None };
    Model::initialise(architecture.build([8, 8, 1], 10).unwrap(), 5).unwrap()
}

/// Prunes without looking at images.
fn prune(method: &Method, model: &mut Model) {
    let surroundings = Surroundings { watched: None, seed: 0, device: &Cpu::default(), stop: &|| false };
    let before = model.graph.clone();
    crate::prune::prune(method, model, &before, 1.0, &surroundings).unwrap();
}

pub(super) fn sgd(lr: f64, weight_decay: f64) -> Optimizer {
    Optimizer::Sgd { lr, momentum: 0.9, nesterov: true, weight_decay, decay_all: false }
}

pub(super) fn training(epochs: u64) -> Training {
    Training {
        epochs,
        batch: 64,
        optimizer: sgd(0.05, 5e-4),
        schedule: Schedule::Constant { warmup: 0.0 },
        losses: vec![Loss::CrossEntropy { smoothing: 0.0, weight: 1.0 }],
        penalties: Vec::new(),
        augment: Vec::new(),
        clip_norm: None,
        select: Select::Last,
        early_stop: None,
        prune: None,
    }
}

#[test]
fn a_longer_run_goes_on_and_is_bit_for_bit_a_fresh_one() {
    let fixture = Fixture::new();
    for (name, change) in [
        ("sgd", (|_| {}) as fn(&mut Training)),
        ("adamw", |t| {
            t.optimizer =
                Optimizer::Adamw { lr: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.01, decay_all: true }
        }),
        ("augmented, clipped", |t| {
            t.augment = vec![Augmentation::Crop, Augmentation::Flip];
            t.clip_norm = Some(1.0);
        }),
    ] {
        let mut long = training(4);
        change(&mut long);
        let mut short = long.clone();
        short.epochs = 2;
        let first = format!("{name} resumed");
        assert_eq!(fixture.run(&first, &short, resnet(), None).1, None);
        let (resumed, from) = fixture.run(&first, &long, resnet(), None);
        let (fresh, none) = fixture.run(&format!("{name} fresh"), &long, resnet(), None);
        assert_eq!((from, none), (Some(2), None), "{name}");
        assert!(resumed.model == fresh.model, "{name}");
        assert_eq!(resumed.history, fresh.history, "{name}");
        // And a shorter one is there already.
        assert_eq!(fixture.run(&first, &short, resnet(), None).1, Some(2));
    }
}

#[test]
fn a_later_milestone_shares_the_epochs_before_it() {
    let fixture = Fixture::new();
    let with = |milestone| Training {
        schedule: Schedule::Step { warmup: 0.0, milestones: vec![milestone], gamma: 0.1 },
        ..training(4)
    };
    fixture.run("one", &with(2), mlp(16), None);
    let (shared, from) = fixture.run("one", &with(3), mlp(16), None);
    assert_eq!(from, Some(2));
    assert!(shared.model == fixture.run("two", &with(3), mlp(16), None).0.model);
    // A cosine knows its length from the first step on.
    let cosine = |epochs| Training { schedule: Schedule::Cosine { warmup: 0.0, final_share: 0.0 }, ..training(epochs) };
    fixture.run("three", &cosine(2), mlp(16), None);
    assert_eq!(fixture.run("three", &cosine(3), mlp(16), None).1, None);
}

#[test]
fn the_best_epoch_and_an_early_stop_survive_resuming() {
    let fixture = Fixture::new();
    let mut stopping = training(12);
    stopping.optimizer = sgd(0.5, 0.0);
    stopping.select = Select::Best;
    stopping.early_stop = Some(EarlyStop { patience: 2, minimum_gain: 0.0 });
    let (fresh, _) = fixture.run("fresh", &stopping, mlp(16), None);
    let epochs = fresh.history.epochs.len() as u64;
    assert!(epochs < 12, "it stops early");
    assert_eq!(fresh.history.selected, fresh.history.best());
    let mut short = stopping.clone();
    short.epochs = epochs - 1;
    fixture.run("resumed", &short, mlp(16), None);
    let (resumed, from) = fixture.run("resumed", &stopping, mlp(16), None);
    assert_eq!(from, Some(epochs - 1));
    assert_eq!(resumed.history, fresh.history);
    assert!(resumed.model == fresh.model);
    // With less patience the answer lies in the checkpoints that are there, not after the last of them.
    let mut impatient = stopping.clone();
    impatient.early_stop = Some(EarlyStop { patience: 1, minimum_gain: 0.0 });
    let (early, _) = fixture.run("resumed", &impatient, mlp(16), None);
    let (expected, _) = fixture.run("impatient", &impatient, mlp(16), None);
    assert_eq!(early.history, expected.history);
    assert!(early.model == expected.model);
}

#[test]
fn masked_weights_stay_zero_whatever_the_optimizer_does() {
    let fixture = Fixture::new();
    let mut start = mlp(16);
    let method = Method::Weights { criterion: Criterion::Magnitude, sparsity: 0.8, scope: WeightScope::Global };
    prune(&method, &mut start);
    let adamw = Optimizer::Adamw { lr: 1e-2, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.1, decay_all: true };
    for (name, optimizer) in [("sgd", sgd(0.1, 1e-2)), ("adamw", adamw)] {
        let (trained, _) = fixture.run(name, &Training { optimizer, ..training(2) }, start.clone(), None);
        assert_eq!(trained.model.masks, start.masks);
        for (tensor, mask) in &start.masks {
            let values = &trained.model.tensors[tensor].data;
            assert!(values.iter().zip(mask).all(|(w, kept)| *kept || *w == 0.0), "{name} {tensor}");
            assert!(values.iter().zip(mask).any(|(w, kept)| *kept && *w != 0.0));
        }
    }
}

#[test]
fn norms_and_biases_do_not_decay_unless_asked() {
    let fixture = Fixture::new();
    let decay = |decay_all| {
        // With almost no learning rate for the loss, decoupled decay is all that moves a weight.
        let optimizer = Optimizer::Adamw { lr: 1e-7, betas: [0.9, 0.999], epsilon: 1e3, weight_decay: 1e5, decay_all };
        let name = format!("decay {decay_all}");
        fixture.run(&name, &Training { optimizer, ..training(1) }, resnet(), None).0.model
    };
    let (start, default, all) = (resnet(), decay(false), decay(true));
    let norm = |model: &Model, name: &str| model.tensors[name].data.iter().map(|x| x.abs()).sum::<f32>();
    for (name, decays) in [("layer1.0.conv1.weight", true), ("bn1.weight", false), ("fc.bias", false)] {
        let (before, after) = (norm(&start, name), norm(&default, name));
        assert_eq!(after < 0.99 * before, decays, "{name}: {before} → {after}");
        assert!(norm(&all, name) < 0.99 * before, "{name}");
    }
}

#[test]
fn a_student_learns_from_its_teacher_alone() {
    let fixture = Fixture::new();
    let (teacher, _) = fixture.run("teacher", &training(6), mlp(64), None);
    let kd = Training {
        losses: vec![Loss::Kd { temperature: 4.0, alpha: 1.0, smoothing: 0.0, weight: 1.0, standardize: false }],
        ..training(6)
    };
    let (student, _) = fixture.run("student", &kd, mlp(24), Some(&teacher.model));
    let accuracy = student.history.epochs.last().unwrap().validation_accuracy.unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
    // The teacher sees what the student sees: with augmentation its answers differ from image to image.
    let augmented = Training { augment: vec![Augmentation::Crop], ..kd };
    let (other, _) = fixture.run("augmented", &augmented, mlp(24), Some(&teacher.model));
    assert!(other.history.epochs.last().unwrap().validation_accuracy.unwrap() > 0.85);
}

#[test]
fn an_activation_penalty_silences_units_and_pruning_between_epochs_removes_them() {
    let fixture = Fixture::new();
    let penalty = Penalty::ActivationL1 { layer: "hidden*".into(), strength: 2.0 };
    let method = Method::Inactive { layer: "hidden1".into(), measure: Measure::Maximum, threshold: 0.0, minimum: 4 };
    let mut quiet = Training { penalties: vec![penalty], ..training(6) };
    quiet.optimizer =
        Optimizer::Adam { lr: 1e-2, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.0, decay_all: false };
    let (silent, _) = fixture.run("silent", &quiet, mlp(64), None);
    assert!(silent.history.epochs.last().unwrap().inactive_units.unwrap() > 8, "{:?}", silent.history);
    assert_eq!(silent.model.graph.parameter_count(), mlp(64).graph.parameter_count());
    quiet.prune = Some(PeriodicPruning { every: 2, method });
    let (pruned, _) = fixture.run("pruned", &quiet, mlp(64), None);
    let removed: u64 = pruned.history.epochs.iter().filter_map(|e| e.pruned_units).sum();
    assert!(removed > 8);
    assert_eq!(pruned.model.tensors["hidden1.bias"].data.len() as u64, 64 - removed);
    assert_eq!(pruned.history.epochs.iter().filter(|e| e.pruned_units.is_some()).count(), 3);
    // Interrupted between two prunings, it comes out the same.
    let short = Training { epochs: 3, ..quiet.clone() };
    fixture.run("interrupted", &short, mlp(64), None);
    let (resumed, from) = fixture.run("interrupted", &quiet, mlp(64), None);
    assert_eq!(from, Some(3));
    assert!(resumed.model == pruned.model);
}

#[test]
fn a_penalty_on_weights_makes_them_smaller() {
    let fixture = Fixture::new();
    let l1 = |strength| Training { penalties: vec![Penalty::L1 { layer: "*".into(), strength }], ..training(3) };
    let sum = |model: &Model| model.tensors["hidden1.weight"].data.iter().map(|w| w.abs()).sum::<f32>();
    let without = fixture.run("without", &l1(0.0), mlp(16), None).0.model;
    let with = fixture.run("with", &l1(1e-2), mlp(16), None).0.model;
    assert!(sum(&with) < 0.8 * sum(&without), "{} {}", sum(&with), sum(&without));
}

#[test]
fn an_optimizer_that_overflows_is_a_divergence_before_its_checkpoint() {
    let fixture = Fixture::new();
    let adam = Optimizer::Adam { lr: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.0, decay_all: false };
    let losses = vec![Loss::CrossEntropy { smoothing: 0.0, weight: 1e25 }];
    let steep = Training { optimizer: adam, losses, ..training(1) };
    let Err(Stop::Diverged { error, .. }) = fixture.try_run("steep", &steep, mlp(16), None) else {
        panic!("the second moment is finite")
    };
    assert!(error.message.contains("the optimizer's state of `"), "{}", error.message);
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_made_again() {
    let fixture = Fixture::new();
    let (whole, _) = fixture.run("whole", &training(3), mlp(16), None);
    fixture.run("broken", &training(2), mlp(16), None);
    // A record in good order that names the wrong objects.
    let store = fixture.store("broken");
    for mut record in store.records().collect::<Vec<_>>() {
        let history = record.outputs["history"];
        record.outputs.insert("optimizer".to_owned(), history);
        store.commit(record, true).unwrap();
    }
    drop(store);
    let (again, from) = fixture.run("broken", &training(3), mlp(16), None);
    assert_eq!(from, None);
    assert!(again.model == whole.model);
}

#[test]
fn choices_without_a_validation_split_are_refused() {
    let mut fixture = Fixture::new();
    fixture.validation.clear();
    let Err(Stop::Error(error)) =
        fixture.try_run("best", &Training { select: Select::Best, ..training(1) }, mlp(4), None)
    else {
        panic!("there is nothing to choose on")
    };
    assert_eq!(error.kind, Kind::Input);
}

#[test]
fn a_run_that_diverges_says_where_and_keeps_the_last_finite_weights() {
    let fixture = Fixture::new();
    let wild = Training { optimizer: sgd(1e30, 0.0), ..training(3) };
    let Err(Stop::Diverged { error, last_finite }) = fixture.try_run("wild", &wild, mlp(16), None) else {
        panic!("it does not diverge")
    };
    assert_eq!(error.kind, Kind::Diverged);
    // The last digits of a loss are the processor's.
    let message = error
        .message
        .split_once("2.3")
        .map(|(before, after)| format!("{before}2.3…{}", after.trim_start_matches(|c: char| c.is_ascii_digit())));
    insta::assert_snapshot!(message.unwrap(), @"the loss is not finite at epoch 1, step 2 of 18; the last finite loss was 2.3…; the learning rate was 1e30");
    assert!(last_finite.is_none(), "no epoch was finished");
    let mut later = training(4);
    later.schedule = Schedule::Step { warmup: 0.0, milestones: vec![2], gamma: 1e30 };
    let Err(Stop::Diverged { last_finite: Some(weights), .. }) = fixture.try_run("later", &later, mlp(16), None) else {
        panic!("it does not diverge late")
    };
    assert!(Model::from_parts(&mlp(16).description().unwrap(), &weights, None).is_ok());
}
