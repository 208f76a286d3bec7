//! A network being trained, from its first epoch or from a checkpoint to its last.

use std::sync::atomic::{AtomicBool, Ordering};

use super::answers;
use super::checkpoint::{self, Checkpoint};
use super::epoch::{KnownLogits, Looking, Teacher, Trainee, pass};
use super::evaluation;
use super::losses::{Connectors, Losses};
use super::objective::Objective;
use super::optimizer::State;
use super::parameters::{Select, Training};
use super::peer::{self, Peer};
use super::sparsity::Sparsity;
use super::{Entry, History, Progress, Stop, schedule};
use crate::data::{Images, Normalization};
use crate::error::{Error, Kind, Result};
use crate::network::{ClassOrder, Executor, Graph, Model, ParameterSpec};
use crate::prune;
use crate::store::{Digest, Store};
use crate::tensor::Backend;

/// One training run.
pub struct Task<'a> {
    /// What to do.
    pub training: &'a Training,
    /// For the order of images and augmentation.
    pub seed: u64,
    /// The training set.
    pub images: &'a Images,
    /// Indices to train on.
    pub train: &'a [u32],
    /// Indices to choose on.
    pub validation: &'a [u32],
    /// Of the training split.
    pub normalization: &'a Normalization,
    /// Where checkpoints are.
    pub store: &'a Store,
    /// The first link of the chain of checkpoint keys.
    pub chain: Digest,
    /// The key of the stage that trains, so that the store knows whose checkpoints these are.
    pub stage: Digest,
    /// The label of its results, for people.
    pub label: &'a str,
    /// The key of the teacher's logits on the training images; means nothing where there is no teacher.
    pub teacher_logits: Digest,
    /// Whether checkpoints and logits of earlier runs may be used; otherwise they are replaced.
    pub resume: bool,
    /// Set when the run is to stop.
    pub cancelled: &'a AtomicBool,
    /// Told what happens.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

impl Task<'_> {
    /// Whether the run is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// The teacher of a training run.
pub struct Tutor<'a> {
    /// The network.
    pub model: &'a Model,
    /// What its images are normalised by.
    pub normalization: &'a Normalization,
    /// Where the classes of the network that is trained are in the teacher's logits.
    pub order: ClassOrder,
}

/// A trained network.
pub struct Trained {
    /// The weights that were selected.
    pub model: Model,
    /// Every epoch.
    pub history: History,
}

/// Trains `start` on `task`, under `teacher` if a loss asks for one.
///
/// # Errors
/// See [`Stop`].
pub fn train<B: Backend>(task: &Task, start: Model, teacher: Option<&Tutor>, device: &B) -> Result<Trained, Stop> {
    let training = task.training;
    let steps = training.steps(task.train.len() as u64).count;
    if steps == 0 {
        let message = "there are no training images left after the validation split";
        return Err(Error::new(Kind::Input, message).hint("lower `validation`, or raise `limit`").into());
    }
    if task.validation.is_empty() && (training.select == Select::Best || training.early_stop.is_some()) {
        let message = "`select = \"best\"` and `early-stop` choose on the validation split, and no image is in it";
        return Err(Error::new(Kind::Input, message).hint("raise `validation`, or `limit`").into());
    }
    let rates =
        |epoch| schedule::rates(&training.schedule, training.optimizer.lr(), training.epochs, steps, epoch as u64);
    let keys = checkpoint::keys(training, &task.chain, steps, &|| task.is_cancelled()).ok_or(Stop::Cancelled)?;
    let taught_by = teacher.map(|teacher| teacher.model.graph.clone());
    let connectors = Losses::new(&training.losses, &start.graph, taught_by.as_ref())?.connectors();
    let found = if task.resume { longest(task, &keys, &connectors)? } else { None };
    let mut session = match found {
        Some(checkpoint) => {
            let (epoch, epochs) = (checkpoint.history.epochs.len() as u64, training.epochs);
            checkpoint::sweep(task, &keys, epoch);
            (task.progress)(Progress::Resumed { epoch, epochs });
            Session::restore(task, steps, start, checkpoint, taught_by, &connectors, device)?
        }
        None => Session::begin(task, steps, start, taught_by, &connectors, device)?,
    };
    let last = training.early_stop.as_ref().and_then(|rule| session.history.stop(rule));
    if last.is_none() && session.history.epochs.len() < keys.len() {
        let teacher = session.teacher(task, teacher, device)?;
        for epoch in session.history.epochs.len()..keys.len() {
            let passed = session.epoch(task, &teacher, epoch as u64, &rates(epoch), device);
            let images_per_second = passed.map_err(|stop| session.keep(stop))?;
            checkpoint::commit(task, &keys, steps, &session.checkpoint(training))?;
            // Told only now, so that whoever hears of an epoch knows that it is kept.
            let (entry, epochs) = (session.history.epochs[epoch].clone(), training.epochs);
            (task.progress)(Progress::Epoch { entry, epochs, images_per_second });
            if training.early_stop.as_ref().is_some_and(|rule| session.history.stop(rule).is_some()) {
                break;
            }
        }
    }
    let chosen = training.select == Select::Best && session.best.is_some();
    let ending = session.history.ending(training.epochs, training.early_stop.as_ref(), chosen);
    ending.into_iter().for_each(|note| (task.progress)(Progress::Note(note)));
    session.result(training)
}

/// The latest checkpoint there is, but none after the epoch at which training would have stopped early; unless the best
/// epoch is chosen and was before that: then a later checkpoint has it too, and its history is cut.
fn longest(task: &Task, keys: &[Digest], connectors: &[ParameterSpec]) -> Result<Option<Checkpoint>, Stop> {
    let mut epoch = keys.len();
    while epoch > 0 {
        if task.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        if let Some(mut checkpoint) = checkpoint::load(task.store, &keys[epoch - 1], task.training, connectors)? {
            let stop = task.training.early_stop.as_ref().and_then(|rule| checkpoint.history.stop(rule));
            match stop.map(|stop| stop as usize).filter(|stop| *stop < epoch) {
                Some(stop) => {
                    let best = checkpoint.history.best();
                    if task.training.select == Select::Best && best.is_some_and(|best| best <= stop as u64) {
                        checkpoint.history.epochs.truncate(stop);
                        return Ok(Some(checkpoint));
                    }
                    epoch = stop;
                    continue;
                }
                None => return Ok(Some(checkpoint)),
            }
        }
        epoch -= 1;
    }
    Ok(None)
}

struct Session<B: Backend> {
    /// The layer graph as it was before the first epoch.
    before: Graph,
    network: Executor<B>,
    optimizer: State<B>,
    connectors: Connectors<B>,
    peer: Option<Peer<B>>,
    /// The layers of the teacher, if there is one.
    taught_by: Option<Graph>,
    sparsity: Sparsity,
    objective: Objective,
    history: History,
    best: Option<Model>,
    /// The network after the last epoch, which was finite.
    finite: Option<Model>,
    /// What was told of the last pruning.
    told: Vec<String>,
}

impl<B: Backend> Session<B> {
    fn begin(
        task: &Task,
        steps: u64,
        mut model: Model,
        taught_by: Option<Graph>,
        connectors: &[ParameterSpec],
        device: &B,
    ) -> Result<Self> {
        let training = task.training;
        let (sparsity, notes) = Sparsity::begin(training, steps, &mut model, task.seed)?;
        notes.into_iter().for_each(|note| (task.progress)(Progress::Note(note)));
        let network = Executor::new(&model, device)?.with_precision(training.precision);
        let optimizer = State::new(&training.optimizer, network.parameters(), device)?;
        let connectors = Connectors::new(connectors, &training.optimizer, task.seed, device)?;
        let peer = || Peer::new(training, &model.graph, task.seed, device);
        let peer = peer::is_wanted(training).then(peer).transpose()?;
        let objective = Objective::new(training, network.graph(), taught_by.as_ref())?;
        let (before, history) = (model.graph, History::default());
        Ok(Self {
            before,
            network,
            optimizer,
            sparsity,
            connectors,
            peer,
            taught_by,
            objective,
            history,
            best: None,
            finite: None,
            told: Vec::new(),
        })
    }

    /// `start` is the network as it was before the first epoch.
    fn restore(
        task: &Task,
        steps: u64,
        start: Model,
        checkpoint: Checkpoint,
        taught_by: Option<Graph>,
        connectors: &[ParameterSpec],
        device: &B,
    ) -> Result<Self> {
        let training = task.training;
        let sparsity = Sparsity::restore(training, steps, &start, checkpoint.dense, task.seed);
        let before = start.graph;
        let network = Executor::new(&checkpoint.model, device)?.with_precision(training.precision);
        let (steps, tensors) = (checkpoint.steps, &checkpoint.optimizer);
        let optimizer = State::restore(&training.optimizer, network.parameters(), device, steps, tensors)?;
        let tensors = &checkpoint.connectors;
        let connectors = Connectors::restore(connectors, &training.optimizer, device, steps, tensors)?;
        let peer = checkpoint.peer.as_ref().map(|peer| Peer::restore(training, peer, task.seed, steps, device));
        let mut objective = Objective::new(training, network.graph(), taught_by.as_ref())?;
        objective.penalties.restore(&checkpoint.penalties)?;
        Ok(Self {
            before,
            network,
            optimizer,
            connectors,
            peer: peer.transpose()?,
            taught_by,
            sparsity,
            objective,
            history: checkpoint.history,
            best: checkpoint.best,
            finite: Some(checkpoint.model),
            told: Vec::new(),
        })
    }

    fn checkpoint(&self, training: &Training) -> Checkpoint {
        Checkpoint {
            model: self.network.download(),
            optimizer: self.optimizer.save(&training.optimizer, self.network.parameters()),
            dense: self.sparsity.dense(),
            steps: self.optimizer.steps,
            penalties: self.objective.penalties.save(),
            connectors: self.connectors.save(&training.optimizer),
            peer: self.peer.as_ref().map(|peer| peer.save(training)),
            history: self.history.clone(),
            best: self.best.clone(),
        }
    }

    /// Without augmentation the teacher's answers never change, so they are kept; features would be too large to keep.
    fn teacher(&self, task: &Task, teacher: Option<&Tutor>, device: &B) -> Result<Teacher<B>, Stop> {
        let Some(tutor) = teacher else { return Ok(Teacher::None) };
        if !task.training.augment.is_empty() || !self.objective.losses.teacher_layers().is_empty() {
            return Ok(Teacher::Network(Looking::new(tutor, task.normalization, device)?));
        }
        let mut logits = answers::known(task, tutor, device)?;
        tutor.order.reorder(&mut logits);
        Ok(Teacher::Logits(KnownLogits::new(logits, task.train, task.images.len())))
    }

    /// Trains for one epoch (from 0) and looks at the validation split. The training images a second.
    fn epoch(&mut self, task: &Task, teacher: &Teacher<B>, epoch: u64, rates: &[f64], device: &B) -> Result<f64, Stop> {
        let training = task.training;
        let trainee = Trainee {
            network: &mut self.network,
            optimizer: &mut self.optimizer,
            sparsity: &mut self.sparsity,
            connectors: &mut self.connectors,
            peer: self.peer.as_mut(),
        };
        let passed = pass(task, trainee, &mut self.objective, teacher, epoch, rates)?;
        let finite = self.check_finite();
        if let Err(error) = finite {
            let message = format!("{} after epoch {}", error.message, epoch + 1);
            return Err(Stop::Diverged { error: Error::new(Kind::Diverged, message), last_finite: None });
        }
        let mut pruned_units = None;
        if let Some(prune) = &training.prune
            && let Some(share) = prune.share_after(epoch + 1)
        {
            pruned_units = self.prune(task, &prune.method, share, device)?;
        }
        let model = self.network.download();
        let masks = training.prune.as_ref().filter(|prune| prune.method.masks_weights());
        let sparsity = masks.map(|_| model.masked_share());
        let rising = training.prune.as_ref().is_some_and(|prune| epoch + 1 < prune.complete_after());
        self.finite = Some(model);
        let validation = self.validate(task, device)?;
        let entry = Entry {
            epoch: epoch + 1,
            loss: passed.loss,
            accuracy: passed.accuracy,
            validation_loss: validation.map(|(loss, _)| loss),
            validation_accuracy: validation.map(|(_, accuracy)| accuracy),
            lr: rates.last().copied().unwrap_or_default(),
            inactive_units: passed.inactive_units,
            pruned_units,
            sparsity,
            rising,
        };
        self.history.epochs.push(entry);
        if self.history.last_is_best() {
            self.best = self.finite.clone();
        }
        Ok(passed.images_per_second)
    }

    /// Whether everything that training changes is finite.
    fn check_finite(&self) -> Result<()> {
        self.network.download().check_finite()?;
        self.optimizer.check_finite(self.network.parameters())?;
        self.sparsity.check_finite()?;
        self.connectors.check_finite()?;
        self.peer.as_ref().map_or(Ok(()), Peer::check_finite)
    }

    /// Prunes between epochs; the optimizer's state loses the same rows and columns. How many units went.
    fn prune(&mut self, task: &Task, method: &prune::Method, share: f64, device: &B) -> Result<Option<u64>, Stop> {
        let mut model = self.network.download();
        let watched = prune::Watched { images: task.images, indices: task.train, normalization: task.normalization };
        let stop = || task.is_cancelled();
        let surroundings = prune::Surroundings { watched: Some(watched), seed: task.seed, device, stop: &stop };
        let removed = prune::prune(method, &mut model, &self.before, share, &surroundings)?;
        if task.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        // Only what holds at the end is worth telling, and once.
        if share >= 1.0 && removed.notes != self.told {
            removed.notes.iter().for_each(|note| (task.progress)(Progress::Note(note.clone())));
            self.told.clone_from(&removed.notes);
        }
        let mut state = self.optimizer.save(&task.training.optimizer, self.network.parameters());
        removed.remove_from_state(&mut state)?;
        self.network = Executor::new(&model, device)?.with_precision(task.training.precision);
        let (optimizer, steps) = (&task.training.optimizer, self.optimizer.steps);
        self.optimizer = State::restore(optimizer, self.network.parameters(), device, steps, &state)?;
        let penalties = self.objective.penalties.save();
        self.objective = Objective::new(task.training, self.network.graph(), self.taught_by.as_ref())?;
        self.objective.penalties.restore(&penalties)?;
        Ok(removed.units)
    }

    /// Loss and accuracy on the validation split, if there is one.
    fn validate(&self, task: &Task, device: &B) -> Result<Option<(f64, f64)>, Stop> {
        if task.validation.is_empty() {
            return Ok(None);
        }
        let stop = || task.is_cancelled();
        let logits =
            evaluation::logits(&self.network, task.images, task.validation, task.normalization, device, &stop)?;
        if task.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let labels: Vec<u32> = task.validation.iter().map(|i| task.images.labels[*i as usize]).collect();
        let loss = evaluation::cross_entropy(&logits, &labels);
        if !loss.is_finite() {
            let message =
                format!("the loss on the validation split is {loss} after epoch {}", self.history.epochs.len() + 1);
            let error =
                Error::new(Kind::Diverged, message).hint("lower `optimizer.lr`, warm up longer, or set `clip-norm`");
            return Err(Stop::Diverged { error, last_finite: None });
        }
        Ok(Some((loss, evaluation::top(&logits, &labels, 1))))
    }

    /// Adds the last finite weights to a divergence.
    fn keep(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Diverged { error, .. } => {
                let last_finite = self.finite.as_ref().and_then(|model| model.safetensors().ok());
                Stop::Diverged { error, last_finite }
            }
            other => other,
        }
    }

    fn result(mut self, training: &Training) -> Result<Trained, Stop> {
        let last = self.history.epochs.last().map(|entry| entry.epoch);
        let model = match training.select {
            Select::Best if self.best.is_some() => {
                self.history.selected = self.history.best();
                self.best.take().expect("just checked")
            }
            _ => {
                self.history.selected = last;
                self.network.download()
            }
        };
        Ok(Trained { model, history: self.history })
    }
}
