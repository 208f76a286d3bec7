//! One pass over the training split.

use std::time::{Duration, Instant};

use super::losses::{Answer, Connectors, Given, Targets};
use super::objective::Objective;
use super::optimizer::State;
use super::peer::Peer;
use super::session::{Task, Tutor};
use super::sparsity::Sparsity;
use super::watch::Watch;
use super::{Progress, Stop};
use crate::data::{self, Normalization, Renormalization};
use crate::error::Result;
use crate::network::{ClassOrder, Draws, Executor, Forward, Mode, add_leaves, zero_leaves};
use crate::tensor::{self, Backend, Flat, Gradients, NoneTape};

/// How often the gradient's norm is looked at when nothing clips it. The loss is looked at as [`Watch`] says.
const GRADIENT_CHECK: usize = 16;

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// What one pass came to.
pub struct Passed {
    /// Mean objective.
    pub loss: f64,
    /// Share of right answers; of an image mixed of two, the larger part counts.
    pub accuracy: f64,
    /// Units that stayed at zero, if any layer's activation is penalised.
    pub inactive_units: Option<u64>,
    /// Training images a second.
    pub images_per_second: f64,
}

/// The teacher's part in a pass.
pub enum Teacher<B: Backend> {
    /// No loss asks for one.
    None,
    /// Its logits on the images that are trained on, because these are always the same and no loss asks for more.
    Logits(KnownLogits),
    /// It looks at every batch itself, because images are augmented or losses ask for its features.
    Network(Looking<B>),
}

/// A teacher that looks at every batch.
pub struct Looking<B: Backend> {
    network: Executor<B>,
    /// From the constants of the network that is trained to its own, where these differ.
    images: Option<Renormalization>,
    order: ClassOrder,
}

impl<B: Backend> Looking<B> {
    /// `tutor`, which will look at images that are normalised by `normalization`.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn new(tutor: &Tutor, normalization: &Normalization, device: &B) -> Result<Self> {
        let images = Renormalization::between(normalization, tutor.normalization);
        Ok(Self { network: Executor::new(tutor.model, device)?, images, order: tutor.order.clone() })
    }

    /// Its answer to `batch`, whose `pixels` are on the device, in the order of the student's classes.
    fn answer(&self, pixels: &Flat<B>, batch: &data::Batch, layers: &[usize]) -> Result<Answer<B>> {
        let device = self.network.device();
        let pixels = match &self.images {
            Some(images) => device.upload(&images.apply(&batch.pixels))?,
            None => pixels.clone(),
        };
        let forward = self.network.forward(pixels, batch.size, Mode::Evaluate, layers, &mut NoneTape)?;
        let last = self.network.graph().layers.len() - 1;
        let ordered = |logits: Flat<B>| -> Result<Flat<B>> {
            if self.order.is_same() {
                return Ok(logits);
            }
            let mut rows = B::download(&logits);
            self.order.reorder(&mut rows);
            device.upload(&rows)
        };
        let in_order = |(layer, value)| Ok((layer, if layer == last { ordered(value)? } else { value }));
        let kept = forward.kept.into_iter().map(in_order).collect::<Result<_>>()?;
        Ok(Answer { logits: ordered(forward.logits)?, kept })
    }
}

/// A teacher's logits on some images of a set.
pub struct KnownLogits {
    rows: Vec<f32>,
    classes: usize,
    /// The row of each image of the set.
    place: Vec<u32>,
}

impl KnownLogits {
    /// `rows` (indices, classes) are the logits of the images at `indices` of a set of `images`.
    pub fn new(rows: Vec<f32>, indices: &[u32], images: usize) -> Self {
        let mut place = vec![u32::MAX; images];
        for (row, index) in indices.iter().enumerate() {
            place[*index as usize] = row as u32;
        }
        Self { classes: rows.len() / indices.len().max(1), rows, place }
    }

    /// The rows of the images at `indices`.
    fn of(&self, indices: &[u32]) -> Vec<f32> {
        let row = |index: &u32| &self.rows[self.place[*index as usize] as usize * self.classes..][..self.classes];
        indices.iter().flat_map(row).copied().collect()
    }
}

/// What changes in a pass.
pub struct Trainee<'a, B: Backend> {
    /// The network.
    pub network: &'a mut Executor<B>,
    /// Its optimizer's state.
    pub optimizer: &'a mut State<B>,
    /// What holds weights at zero while it trains.
    pub sparsity: &'a mut Sparsity,
    /// What losses on features train beside it.
    pub connectors: &'a mut Connectors<B>,
    /// The network that learns beside it, if any.
    pub peer: Option<&'a mut Peer<B>>,
}

/// Trains for one epoch (from 0), one learning rate a step.
///
/// # Errors
/// [`Stop::Diverged`] at the first loss, gradient or weight that is not finite.
pub fn pass<B: Backend>(
    task: &Task,
    trainee: Trainee<B>,
    objective: &mut Objective,
    teacher: &Teacher<B>,
    epoch: u64,
    rates: &[f64],
) -> Result<Passed, Stop> {
    let Trainee { network, optimizer, sparsity, connectors, mut peer } = trainee;
    let device = &network.device().clone();
    let order = data::epoch_order(task.train, task.seed, epoch);
    let training = task.training;
    let steps = training.steps(order.len() as u64);
    let order = &order[..steps.images() as usize];
    let classes = network.graph().classes();
    let (keep, penalised) = (objective.keep(), objective.penalised());
    objective.penalties.begin_epoch(network);
    let teacher_layers = objective.losses.teacher_layers();
    let mut activity: Vec<Vec<f32>> = vec![Vec::new(); penalised.len()];
    let mut watch = Watch::new(epoch, rates);
    // The memory of images and of gradients, from step to step.
    let mut input: Option<Flat<B>> = None;
    let mut idle: Option<Gradients<f32, B>> = None;
    let begun = Instant::now();
    let mut told = begun;
    let augment = (!training.augment.is_empty()).then_some((&training.augment[..], task.seed, epoch));
    let batches = data::Batches::new(task.images, task.normalization, augment);
    batches.ahead(order, steps.batch as usize, |step, indices, batch| {
        if task.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let lr = rates[step];
        let pixels = tensor::refill(device, &mut input, &batch.pixels)?;
        let answer = match teacher {
            Teacher::None => None,
            Teacher::Logits(known) => Some(Answer { logits: device.upload(&known.of(indices))?, kept: Vec::new() }),
            Teacher::Network(teacher) => Some(teacher.answer(&pixels, batch, &teacher_layers)?),
        };
        let others = peer.as_ref().map(|peer| peer.forward(pixels.clone(), epoch, indices)).transpose()?;
        let draws = Draws { seed: task.seed, epoch, samples: indices };
        let gradients = match idle.take() {
            Some(mut gradients) => {
                network.zero_gradients(&mut gradients)?;
                zero_leaves(&mut gradients, connectors.parameters(), device)?;
                gradients
            }
            None => {
                let mut gradients = network.alloc_gradients()?;
                add_leaves(&mut gradients, connectors.parameters())?;
                gradients
            }
        };
        let mut tape = tensor::tape(device, gradients)?;
        let forward = network.forward(pixels, batch.size, Mode::Train(Some(draws)), &keep, &mut tape)?;
        observe(&forward, network, &penalised, &mut activity);
        let targets = Targets::new(batch);
        let given = Given {
            targets,
            teacher: answer.as_ref(),
            peer: others.as_ref().map(|(forward, _)| &forward.logits),
            epoch,
        };
        let loss = objective.sum(network, &forward, &given, connectors.parameters(), tape)?;
        let labels: Vec<u32> = (0..batch.size).map(|image| batch.dominant_label(image)).collect();
        watch.note(step, batch.size, tensor::value(&loss)?, B::count_right(&forward.logits, &labels, classes)?)?;
        let mut gradients = tensor::backward(loss)?;
        let count = epoch * rates.len() as u64 + step as u64;
        let takes_step = sparsity.after_backward(count, network, &mut gradients, optimizer)?;
        if training.clip_norm.is_some() || step % GRADIENT_CHECK == 0 {
            let trained = network.trainable().chain(connectors.parameters()).map(|parameter| &parameter.tensor);
            let norm = clip(&mut gradients, &trained.collect::<Vec<_>>(), training.clip_norm)?;
            if !norm.is_finite() {
                // A loss of an earlier step may be where it began.
                watch.look()?;
                return Err(watch.diverged("the gradient", step));
            }
        }
        // The peer stands still when the network does, so that their optimizers count the same steps.
        if let (true, Some(peer), Some(others)) = (takes_step, &mut peer, others) {
            let given = Given { targets, teacher: answer.as_ref(), peer: Some(&forward.logits), epoch };
            watch.note_peer(step, peer.learn(training, lr, others, &given)?)?;
        }
        if takes_step {
            optimizer.step(&training.optimizer, lr, network.parameters_mut(), &mut gradients)?;
            connectors.step(&training.optimizer, lr, &mut gradients)?;
            if !sparsity.keeps_dense() {
                network.apply_masks()?;
            }
            // Before surgery takes its copy of the weights, which is what the next step begins from.
            objective.penalties.after_step(network, lr)?;
        }
        sparsity.after_step(count, network)?;
        network.update_statistics(&forward)?;
        idle = Some(gradients);

        if told.elapsed() >= TELL_EVERY {
            watch.look()?;
            told = Instant::now();
            (task.progress)(Progress::Step {
                epoch: epoch + 1,
                epochs: training.epochs,
                step: step as u64 + 1,
                steps: rates.len() as u64,
                loss: watch.loss(),
                images_per_second: watch.images() as f64 / begun.elapsed().as_secs_f64(),
            });
        }
        Ok(())
    })?;
    watch.look()?;
    let inactive = activity.iter().flatten().filter(|largest| **largest == 0.0).count() as u64;
    Ok(Passed {
        loss: watch.loss(),
        accuracy: watch.accuracy(),
        inactive_units: (!penalised.is_empty()).then_some(inactive),
        images_per_second: watch.images() as f64 / begun.elapsed().as_secs_f64(),
    })
}

/// The norm of all gradients of `trained` taken together; they are scaled down to `limit` if it is above.
///
/// # Errors
/// When the device fails.
pub fn clip<B: Backend>(gradients: &mut Gradients<f32, B>, trained: &[&Flat<B>], limit: Option<f64>) -> Result<f64> {
    let norm = B::gradients_square_sum(gradients, trained)?.sqrt();
    if let Some(limit) = limit
        && norm > limit
    {
        for parameter in trained {
            B::scale_gradient(gradients, parameter, (limit / norm) as f32)?;
        }
    }
    Ok(norm)
}

/// Notes the largest absolute activation of every unit of the layers `penalised`, which were kept.
fn observe<B: Backend>(forward: &Forward<B>, network: &Executor<B>, penalised: &[usize], activity: &mut [Vec<f32>]) {
    let kept = forward.kept.iter().filter(|(layer, _)| penalised.contains(layer));
    for ((layer, value), largest) in kept.zip(activity) {
        let units = network.shape(*layer).channels();
        largest.resize(units, 0.0);
        for row in B::download(value).chunks(units) {
            for (largest, activation) in largest.iter_mut().zip(row) {
                *largest = largest.max(activation.abs());
            }
        }
    }
}
