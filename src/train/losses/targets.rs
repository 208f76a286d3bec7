//! The labels of a batch: the one place where losses meet them.

use crate::error::Result;
use crate::tensor::{Backend, Flat, Tape};

/// The right answers for a batch.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    labels: &'a [u32],
}

impl<'a> Targets<'a> {
    /// One class an image.
    pub fn new(labels: &'a [u32]) -> Self {
        Self { labels }
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The class of each image, for losses that set the right class apart.
    pub fn labels(&self) -> &'a [u32] {
        self.labels
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
        Ok(vec![(weight as f32, B::cross_entropy(logits, self.labels, smoothing as f32, tape)?)])
    }
}
