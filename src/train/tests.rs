//! Training on the digits: resuming, masks, decay, clipping, what stops it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::parameters::{
    EarlyStop, Loss, Optimizer, Penalty, PeriodicPruning, Schedule, Select, SparsitySchedule, Training,
};
use super::{Progress, Stop, Task, Trained, train};
use crate::data::{self, Augmentation, DataSet, Normalization, Source};
use crate::error::Kind;
use crate::network::Model;
use crate::network::arch::{Architecture, Shortcut};
use crate::prune::{ChannelScope, Criterion, Measure, Method, Surroundings, WeightScope};
use crate::store::{Digest, Options, Store};
use crate::tensor::Cpu;

static NEVER: AtomicBool = AtomicBool::new(false);

struct Fixture {
    set: DataSet,
    train: Vec<u32>,
    validation: Vec<u32>,
    normalization: Normalization,
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let set = data::load(Source::Digits, None).unwrap();
        let split = data::split(&set.train.labels, 10, 0.15, 1);
        let normalization = Normalization::of(&set.train, &split.train);
        let folder = tempfile::tempdir().unwrap();
        Self { set, train: split.train, validation: split.validation, normalization, folder }
    }

    fn store(&self, name: &str) -> Store {
        Store::open(&self.folder.path().join(name), &Options::default()).unwrap()
    }

    /// Trains in the store called `store`, and says after which epoch it went on.
    fn run(&self, store: &str, training: &Training, start: Model, teacher: Option<&Model>) -> (Trained, Option<u64>) {
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
        let task = self.task(training, &store, &NEVER, &progress);
        let trained = train(&task, start, teacher, &Cpu::default())?;
        let resumed = *resumed.lock().unwrap();
        Ok((trained, resumed))
    }

    /// Trains until so many epochs are kept, and then is told to stop.
    fn stopped_after(&self, epochs: u64, store: &str, training: &Training, start: Model) {
        let store = self.store(store);
        let cancelled = AtomicBool::new(false);
        let progress = |progress: Progress| {
            if matches!(&progress, Progress::Epoch { entry, .. } if entry.epoch == epochs) {
                cancelled.store(true, Ordering::Relaxed);
            }
        };
        let task = self.task(training, &store, &cancelled, &progress);
        assert!(matches!(train(&task, start, None, &Cpu::default()), Err(Stop::Cancelled)));
    }

    fn task<'a>(
        &'a self,
        training: &'a Training,
        store: &'a Store,
        cancelled: &'a AtomicBool,
        progress: &'a (dyn Fn(Progress) + Sync),
    ) -> Task<'a> {
        Task {
            training,
            seed: 5,
            images: &self.set.train,
            train: &self.train,
            validation: &self.validation,
            normalization: &self.normalization,
            store,
            chain: Digest::of(b"chain"),
            stage: Digest::of(b"stage"),
            resume: true,
            cancelled,
            progress,
        }
    }
}

fn mlp(hidden: usize) -> Model {
    let graph = Architecture::Mlp { hidden: vec![hidden] }.build([8, 8, 1], 10).unwrap();
    Model::initialise(graph, 5).unwrap()
}

fn resnet() -> Model {
    let architecture = Architecture::Resnet { depth: 8, width: 4, shortcut: Shortcut::Pad, stem: None };
    Model::initialise(architecture.build([8, 8, 1], 10).unwrap(), 5).unwrap()
}

/// Prunes without looking at images.
fn prune(method: &Method, model: &mut Model) {
    let surroundings = Surroundings { watched: None, seed: 0, device: &Cpu::default(), stop: &|| false };
    let before = model.graph.clone();
    crate::prune::prune(method, model, &before, 1.0, &surroundings).unwrap();
}

fn sgd(lr: f64, weight_decay: f64) -> Optimizer {
    Optimizer::Sgd { lr, momentum: 0.9, nesterov: true, weight_decay, decay_all: false }
}

fn training(epochs: u64) -> Training {
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

fn magnitude(sparsity: f64) -> Method {
    Method::Weights {
        criterion: Criterion::Magnitude,
        sparsity,
        scope: WeightScope::Global,
        steps: None,
        ignore: Vec::new(),
        layers: Default::default(),
        images: None,
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
    prune(&magnitude(0.8), &mut start);
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

fn surgery() -> Method {
    let layers = [("hidden1".to_owned(), 0.25)].into();
    Method::Surgery { c: 0.5, gamma: 0.1, power: 1.0, ignore: Vec::new(), layers }
}

fn rigl() -> Method {
    let scope = WeightScope::Erk;
    Method::Rigl { sparsity: 0.8, scope, every_steps: 5, alpha: 0.3, until: 0.75, ignore: vec!["classifier".into()] }
}

fn pruned_by(method: Method, epochs: u64) -> Training {
    Training { prune: Some(PeriodicPruning { every: 1, method, schedule: None }), ..training(epochs) }
}

#[test]
fn masks_that_change_in_training_are_bit_for_bit_the_same_after_a_resumption() {
    let fixture = Fixture::new();
    let agp = |epochs| {
        let schedule = Some(SparsitySchedule::Agp { initial: 0.1, begin: 1, end: 3 });
        Training {
            prune: Some(PeriodicPruning { every: 1, method: magnitude(0.8), schedule }),
            select: Select::Best,
            ..training(epochs)
        }
    };
    let adam = |training: Training| {
        let optimizer =
            Optimizer::Adam { lr: 1e-2, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 1e-3, decay_all: false };
        Training { optimizer, clip_norm: Some(1.0), ..training }
    };
    let cases: [(&str, &dyn Fn(u64) -> Training); 4] = [
        ("agp", &agp),
        ("surgery", &|epochs| pruned_by(surgery(), epochs)),
        ("surgery, adam", &|epochs| adam(pruned_by(surgery(), epochs))),
        ("rigl", &|epochs| adam(pruned_by(rigl(), epochs))),
    ];
    for (name, training) in cases {
        let (fresh, _) = fixture.run(&format!("{name} fresh"), &training(4), mlp(24), None);
        // Killed after two epochs: the records of the others are not there.
        let store = format!("{name} killed");
        fixture.stopped_after(2, &store, &training(4), mlp(24));
        let (resumed, from) = fixture.run(&store, &training(4), mlp(24), None);
        assert_eq!(from, Some(2), "{name}");
        assert!(resumed.model == fresh.model, "{name}");
        assert_eq!(resumed.history, fresh.history, "{name}");
        let sparsities: Vec<f64> = fresh.history.epochs.iter().map(|entry| entry.sparsity.unwrap()).collect();
        assert!(sparsities[3] > 0.3, "{name}: {sparsities:?}");
        for (tensor, mask) in &fresh.model.masks {
            let values = &fresh.model.tensors[tensor].data;
            assert!(values.iter().zip(mask).all(|(w, kept)| *kept || w.to_bits() == 0), "{name} {tensor}");
        }
        let accuracy = fresh.history.epochs[3].validation_accuracy.unwrap();
        assert!(accuracy > 0.6, "{name}: {accuracy}");
    }
}

#[test]
fn the_best_epoch_is_one_with_the_whole_sparsity() {
    let fixture = Fixture::new();
    let schedule = Some(SparsitySchedule::Agp { initial: 0.0, begin: 0, end: 3 });
    let prune = Some(PeriodicPruning { every: 1, method: magnitude(0.97), schedule });
    let rising = Training { prune, select: Select::Best, ..training(4) };
    let (trained, _) = fixture.run("rising", &rising, mlp(24), None);
    let accuracies: Vec<f64> = trained.history.epochs.iter().map(|entry| entry.validation_accuracy.unwrap()).collect();
    assert!(accuracies[0] > accuracies[2].max(accuracies[3]), "the test says something: {accuracies:?}");
    assert!(trained.history.selected >= Some(3));
    let masked = trained.model.masks.values().flatten().filter(|kept| !**kept).count();
    assert_eq!(masked, (0.97 * (24.0 * 64.0 + 240.0_f64)).round() as usize);
    // An early stop waits too.
    let early_stop = Some(EarlyStop { patience: 1, minimum_gain: 0.9 });
    let (stopped, _) = fixture.run("stopping", &Training { early_stop, ..rising }, mlp(24), None);
    assert_eq!(stopped.history.epochs.len(), 4);
}

#[test]
fn surgery_lets_weights_come_back_and_rigl_moves_them() {
    let fixture = Fixture::new();
    let masks = |name: &str, method: &Method, epochs| {
        fixture.run(&format!("{name} {epochs}"), &pruned_by(method.clone(), epochs), mlp(24), None).0.model.masks
    };
    for (name, method) in [("surgery", surgery()), ("rigl", rigl())] {
        let (early, late) = (masks(name, &method, 1), masks(name, &method, 4));
        let back = early["hidden1.weight"].iter().zip(&late["hidden1.weight"]).filter(|(a, b)| !**a && **b).count();
        assert!(back > 10, "{name}: {back}");
        if name == "rigl" {
            let kept = |masks: &std::collections::BTreeMap<String, Vec<bool>>| {
                masks["hidden1.weight"].iter().filter(|kept| **kept).count()
            };
            assert_eq!((kept(&early), kept(&late)), (307, 307), "a fifth of 1,536");
            assert!(!late.contains_key("classifier.weight"), "it is ignored");
        }
    }
    // Masks of an earlier stage are where surgery begins.
    let mut start = mlp(24);
    prune(&magnitude(0.9), &mut start);
    let (trained, _) = fixture.run("pruned before", &pruned_by(surgery(), 2), start.clone(), None);
    let back = start.masks["hidden1.weight"].iter().zip(&trained.model.masks["hidden1.weight"]);
    assert!(back.filter(|(before, now)| !**before && **now).count() > 0);
}

#[test]
fn a_longer_rigl_begins_anew() {
    let fixture = Fixture::new();
    fixture.run("rigl", &pruned_by(rigl(), 2), mlp(16), None);
    assert_eq!(fixture.run("rigl", &pruned_by(rigl(), 3), mlp(16), None).1, None, "its cosine has another length");
    fixture.run("surgery", &pruned_by(surgery(), 2), mlp(16), None);
    assert_eq!(fixture.run("surgery", &pruned_by(surgery(), 3), mlp(16), None).1, Some(2));
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
        losses: vec![Loss::Kd { temperature: 4.0, alpha: 1.0, smoothing: 0.0, weight: 1.0 }],
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
    quiet.prune = Some(PeriodicPruning { every: 2, method, schedule: None });
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

#[test]
fn channels_go_step_by_step_between_epochs() {
    let fixture = Fixture::new();
    let method = Method::Channels {
        criterion: Criterion::Taylor,
        ratio: Some(0.6),
        macs: None,
        parameters: None,
        scope: ChannelScope::Global,
        round_to: 1,
        minimum: 0.0,
        ignore: Vec::new(),
        layers: BTreeMap::new(),
        steps: 3,
        images: Some(64),
    };
    let whole = Training { prune: Some(PeriodicPruning { every: 1, method, schedule: None }), ..training(5) };
    let (trained, _) = fixture.run("whole", &whole, resnet(), None);
    let removed: Vec<Option<u64>> = trained.history.epochs.iter().map(|entry| entry.pruned_units).collect();
    // A fifth of all units each time, and nothing after the last step.
    let units: usize = crate::prune::groups::groups(&resnet().graph).unwrap().iter().map(|group| group.units).sum();
    let fifth = |times: f64| (0.2 * times * units as f64).round() as u64;
    assert_eq!(removed, [Some(fifth(1.0)), Some(fifth(2.0) - fifth(1.0)), Some(fifth(3.0) - fifth(2.0)), None, None]);
    assert!(trained.model.graph.macs() < resnet().graph.macs() / 2);
    // A run that is interrupted between two steps knows what the share is of.
    fixture.run("interrupted", &Training { epochs: 2, ..whole.clone() }, resnet(), None);
    let (resumed, from) = fixture.run("interrupted", &whole, resnet(), None);
    assert_eq!(from, Some(2));
    assert!(resumed.model == trained.model);
}
