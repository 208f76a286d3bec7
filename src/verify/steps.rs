//! One training step or batch of inference after another, as stages do them.

use std::time::Instant;

use crate::error::{Error, Kind, Result};
use crate::network::{Draws, Executor, Mode, Model};
use crate::tensor::engine::Precision;
use crate::tensor::{self, Backend, Flat, Gradients, NoneTape};
use crate::train::optimizer::State;
use crate::train::parameters::Optimizer;

/// The optimizer of all sides that are compared.
const SGD: Optimizer = Optimizer::Sgd { lr: 0.01, momentum: 0.9, nesterov: false, weight_decay: 0.0, decay_all: false };

/// A network, a batch, and what is done with them again and again.
pub struct Work<B: Backend> {
    network: Executor<B>,
    optimizer: State<B>,
    pixels: Vec<f32>,
    labels: Vec<u32>,
    samples: Vec<u32>,
    steps: u64,
    /// The memory of images and of gradients, from step to step.
    input: Option<Flat<B>>,
    idle: Option<Gradients<f32, B>>,
    /// Losses that were not looked at yet.
    losses: Vec<Flat<B>>,
}

impl<B: Backend> Work<B> {
    /// A batch of `batch` images that are always the same, for `model` on `device`.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn new(model: &Model, batch: usize, precision: Precision, device: &B) -> Result<Self> {
        let graph = &model.graph;
        let count = batch * graph.input.iter().product::<usize>();
        let network = Executor::new(model, device)?.with_precision(precision);
        Ok(Self {
            optimizer: State::new(&SGD, network.parameters(), device)?,
            pixels: (0..count).map(|i| (i * 7919 % 1009) as f32 / 291.0 - 1.73).collect(),
            labels: (0..batch as u32).map(|i| i % graph.classes() as u32).collect(),
            samples: (0..batch as u32).collect(),
            network,
            steps: 0,
            input: None,
            idle: None,
            losses: Vec::new(),
        })
    }

    /// The network as it is now.
    pub fn network(&self) -> &Executor<B> {
        &self.network
    }

    /// One training step: what a stage does with a batch once its pixels are there. The loss before it.
    ///
    /// # Errors
    /// When the device fails.
    pub fn train(&mut self) -> Result<f32> {
        self.step()?;
        let losses = self.look()?;
        losses.last().copied().ok_or_else(|| Error::new(Kind::Internal, "a step without a loss"))
    }

    fn step(&mut self) -> Result<()> {
        let device = &self.network.device().clone();
        let pixels = tensor::refill(device, &mut self.input, &self.pixels)?;
        let gradients = match self.idle.take() {
            Some(mut gradients) => {
                self.network.zero_gradients(&mut gradients)?;
                gradients
            }
            None => self.network.alloc_gradients()?,
        };
        let mut tape = tensor::tape(device, gradients)?;
        let draws = Draws { seed: 0, epoch: self.steps, samples: &self.samples };
        let mode = Mode::Train(Some(draws));
        let forward = self.network.forward(pixels, self.labels.len(), mode, &[], &mut tape)?;
        let loss = B::cross_entropy(&forward.logits, &self.labels, 0.0, &mut tape)?;
        self.losses.push(loss.clone());
        let loss = device.weighted_sum(&[(1.0, loss)], tape)?;
        let mut gradients = tensor::backward(loss)?;
        self.optimizer.step(&SGD, 0.01, self.network.parameters_mut(), &mut gradients)?;
        self.network.update_statistics(&forward)?;
        self.idle = Some(gradients);
        self.steps += 1;
        Ok(())
    }

    /// Reads the losses that were not looked at yet.
    fn look(&mut self) -> Result<Vec<f32>> {
        let losses = tensor::numbers(&self.losses.iter().collect::<Vec<_>>())?;
        self.losses.clear();
        if losses.iter().all(|loss| loss.is_finite()) {
            Ok(losses)
        } else {
            Err(Error::new(Kind::Diverged, "a loss is not finite"))
        }
    }

    /// One batch of inference; its logits.
    ///
    /// # Errors
    /// When the device fails.
    pub fn infer(&mut self) -> Result<Vec<f32>> {
        let pixels = self.network.device().upload(&self.pixels)?;
        let forward = self.network.forward(pixels, self.labels.len(), Mode::Evaluate, &[], &mut NoneTape)?;
        Ok(B::download(&forward.logits))
    }

    /// Images a second over at least so many seconds of training, or else of inference, after three steps that are not
    /// counted.
    ///
    /// # Errors
    /// When the device fails.
    pub fn images_per_second(&mut self, training: bool, seconds: f64) -> Result<f64> {
        for _ in 0..3 {
            self.round(training)?;
        }
        let (mut rounds, begun) = (0_usize, Instant::now());
        while rounds == 0 || begun.elapsed().as_secs_f64() < seconds {
            self.round(training)?;
            rounds += 1;
        }
        Ok((rounds * B::LOOK_EVERY * self.labels.len()) as f64 / begun.elapsed().as_secs_f64())
    }

    /// As many steps as are done before somebody looks at a loss.
    fn round(&mut self, training: bool) -> Result<()> {
        for _ in 0..B::LOOK_EVERY {
            if training {
                self.step()?;
            } else {
                drop(std::hint::black_box(self.infer()?));
            }
        }
        self.look().map(drop)
    }
}
