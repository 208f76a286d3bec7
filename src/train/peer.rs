//! The peer of deep mutual learning: a second network of the same layers with other fresh weights, which learns from the same
//! batches, by the same optimizer and the same losses on logits, and from the first network's logits as that does from its
//! own. Penalties, pruning and losses on features are the first network's alone. Once training is over it is dropped.

use rand::Rng;

use super::epoch::clip;
use super::losses::{Given, Losses};
use super::optimizer::{State, Tensors};
use super::parameters::{Loss, Training};
use crate::error::Result;
use crate::network::{Draws, Executor, Forward, Graph, Mode, Model};
use crate::tensor::{self, Backend, Flat, OwnedTape};

/// A peer and the optimizer's state of it.
pub struct Peer<B: Backend> {
    network: Executor<B>,
    optimizer: State<B>,
    losses: Losses,
    seed: u64,
}

/// Whether a stage has a peer.
pub fn is_wanted(training: &Training) -> bool {
    training.losses.iter().any(|loss| matches!(loss, Loss::Mutual { .. }))
}

fn losses(training: &Training, graph: &Graph) -> Result<Losses> {
    let on_logits: Vec<Loss> = training.losses.iter().filter(|loss| loss.layers().is_empty()).cloned().collect();
    Losses::new(&on_logits, graph, None)
}

/// The seed of everything that is random about the peer of a stage with `seed`.
fn seed_of(seed: u64) -> u64 {
    crate::random::generator(seed, "peer", 0, 0).next_u64()
}

impl<B: Backend> Peer<B> {
    /// A fresh one for a network of `graph`, in a stage with `seed`.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn new(training: &Training, graph: &Graph, seed: u64, device: &B) -> Result<Self> {
        let model = Model::initialise(graph.clone(), seed_of(seed))?;
        let network = Executor::new(&model, device)?.with_precision(training.precision);
        let optimizer = State::new(&training.optimizer, network.parameters(), device)?;
        Ok(Self { losses: losses(training, network.graph())?, network, optimizer, seed: seed_of(seed) })
    }

    /// Takes it from a checkpoint.
    ///
    /// # Errors
    /// When the optimizer's tensors do not fit, and when the device has no room.
    pub fn restore(
        training: &Training,
        (model, tensors): &(Model, Tensors),
        seed: u64,
        steps: u64,
        device: &B,
    ) -> Result<Self> {
        let network = Executor::new(model, device)?.with_precision(training.precision);
        let optimizer = State::restore(&training.optimizer, network.parameters(), device, steps, tensors)?;
        Ok(Self { losses: losses(training, network.graph())?, network, optimizer, seed: seed_of(seed) })
    }

    /// The network and the optimizer's state.
    pub fn save(&self, training: &Training) -> (Model, Tensors) {
        (self.network.download(), self.optimizer.save(&training.optimizer, self.network.parameters()))
    }

    /// Looks at a batch, and records it.
    ///
    /// # Errors
    /// When the device fails.
    pub fn forward(&self, pixels: Flat<B>, epoch: u64, samples: &[u32]) -> Result<(Forward<B>, OwnedTape<f32, B>)> {
        let draws = Draws { seed: self.seed, epoch, samples };
        let mut tape = tensor::tape(self.network.device(), self.network.alloc_gradients()?)?;
        let forward = self.network.forward(pixels, samples.len(), Mode::Train(Some(draws)), &[], &mut tape)?;
        Ok((forward, tape))
    }

    /// One step. Returns the loss, one number.
    ///
    /// # Errors
    /// When the device fails.
    pub fn learn(
        &mut self,
        training: &Training,
        lr: f64,
        (forward, mut tape): (Forward<B>, OwnedTape<f32, B>),
        given: &Given<B>,
    ) -> Result<Flat<B>> {
        let terms = self.losses.terms(&forward, given, &[], &mut tape)?;
        let loss = self.network.device().weighted_sum(&terms, tape)?;
        let value = tensor::value(&loss)?;
        let mut gradients = tensor::backward(loss)?;
        if training.clip_norm.is_some() {
            let trained: Vec<&Flat<B>> = self.network.trainable().map(|parameter| &parameter.tensor).collect();
            clip(&mut gradients, &trained, training.clip_norm)?;
        }
        self.optimizer.step(&training.optimizer, lr, self.network.parameters_mut(), &mut gradients)?;
        self.network.update_statistics(&forward)?;
        Ok(value)
    }

    /// Fails with `Kind::Diverged` if a value is NaN or infinite.
    ///
    /// # Errors
    /// Names the parameter.
    pub fn check_finite(&self) -> Result<()> {
        self.network.download().check_finite()?;
        self.optimizer.check_finite(self.network.parameters())
    }
}
