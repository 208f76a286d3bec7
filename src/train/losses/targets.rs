//! The labels of a batch: the one place where losses meet them.

use crate::data::Batch;
use crate::error::Result;
use crate::tensor::{Backend, Flat, Tape};

/// The right answers for a batch.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    batch: &'a Batch,
}

impl<'a> Targets<'a> {
    /// The labels of `batch`, both of them where images are mixed.
    pub fn new(batch: &'a Batch) -> Self {
        Self { batch }
    }

    /// How many images there are.
    pub fn images(&self) -> usize {
        self.batch.size
    }

    /// The class of each image, for losses that set the right class apart; of a mixed image that which has most of it.
    pub fn labels(&self) -> Vec<u32> {
        (0..self.batch.size).map(|index| self.batch.dominant_label(index)).collect()
    }

    /// The terms of cross entropy, whose factors add up to `weight`.
    ///
    /// # Errors
    /// When a label is none of the network's classes, and when the device fails.
    pub fn cross_entropy<B: Backend, T: Tape<f32, B>>(
        &self,
        logits: &Flat<B>,
        smoothing: f64,
        weight: f64,
        tape: &mut T,
    ) -> Result<Vec<(f32, Flat<B>)>> {
        let (labels, smoothing) = (&self.batch.labels, smoothing as f32);
        let term = match &self.batch.mix {
            None => B::cross_entropy(logits, labels, smoothing, tape)?,
            Some(mix) => B::mixed_cross_entropy(logits, labels, &mix.labels, &mix.shares, smoothing, tape)?,
        };
        Ok(vec![(weight as f32, term)])
    }
}
