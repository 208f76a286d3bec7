//! Training on the digits.
//!
//! - this file: the digits, small networks and plain settings to train them by
//! - `resuming`: what is taken over from checkpoints
//! - `masks`, `units`: weights, units and channels that go
//! - `learning`: decay, penalties, a teacher
//! - `orders`: classes in another order than those of the teacher
//! - `answers`: the teacher's logits in the store
//! - `failures`: what stops a run

mod answers;
mod failures;
mod learning;
mod masks;
mod orders;
mod resuming;
mod units;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::parameters::{Loss, Optimizer, Schedule, Select, Training};
use super::steps::LastBatch;
use super::{Progress, Stop, Task, Trained, Tutor, train};
use crate::data::{self, DataSet, Normalization, Source};
use crate::network::arch::{Architecture, Shortcut};
use crate::network::{ClassOrder, Model};
use crate::prune::{Criterion, Method, Surroundings, WeightScope};
use crate::store::{Digest, Options, Store};
use crate::tensor::Cpu;
use crate::tensor::engine::Precision;

static NEVER: AtomicBool = AtomicBool::new(false);

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
        let task = self.task(training, &store, &NEVER, &progress);
        let teacher = teacher.map(|model| self.tutor(model));
        let trained = train(&task, start, teacher.as_ref(), &Cpu::default())?;
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

    fn tutor<'a>(&'a self, model: &'a Model) -> Tutor<'a> {
        Tutor { model, normalization: &self.normalization, order: ClassOrder::SAME }
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
            label: "pipeline/stage",
            teacher_logits: Digest::of(b"teacher logits"),
            resume: true,
            cancelled,
            progress,
        }
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
        last_batch: LastBatch::Even,
        optimizer: sgd(0.05, 5e-4),
        schedule: Schedule::Constant { warmup: 0.0 },
        losses: vec![Loss::CrossEntropy { smoothing: 0.0, weight: 1.0 }],
        penalties: Vec::new(),
        augment: Vec::new(),
        clip_norm: None,
        select: Select::Last,
        early_stop: None,
        prune: None,
        precision: Precision::F32,
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
        minimum: None,
        images: None,
    }
}
