//! Training: the loop and its parts.
//!
//! - `parameters`: what a manifest says about it;
//! - `session`: a network being trained, from its first epoch or from a checkpoint to its last;
//! - `steps`: how an epoch's images are divided into steps;
//! - `epoch`: one pass over the training split;
//! - `watch`: what its steps came to, looked at now and then;
//! - `objective`: losses and penalties, summed to the number that is made small;
//! - `penalties/`: the terms that look inside the network, one file each;
//! - `losses/`: the terms that compare the network with labels, a teacher or a peer; connectors between features;
//! - `peer`: the second network of mutual learning;
//! - `optimizer`, `schedule`: how weights change, and how fast;
//! - `sparsity`: masks that change while a network is trained;
//! - `checkpoint`: an epoch as an action of its own in the store;
//! - `answers`: a teacher's logits on the training images, as an action of their own in the store;
//! - `history`: what every epoch came to, and what is decided from it;
//! - `evaluation`: a network's logits on a split, and what they are worth.

mod answers;
pub mod checkpoint;
mod epoch;
pub mod evaluation;
mod history;
pub mod losses;
mod objective;
pub mod optimizer;
pub mod parameters;
mod peer;
mod penalties;
mod schedule;
mod session;
mod sparsity;
pub mod steps;
#[cfg(test)]
mod tests;
mod watch;

pub use history::{Entry, History};
pub use session::{Task, Trained, Tutor, train};

use crate::data::Normalization;
use crate::error::Error;

/// What a training stage tells while it works.
#[derive(Debug, Clone)]
pub enum Progress {
    /// It goes on after so many epochs.
    Resumed {
        /// Epochs done.
        epoch: u64,
        /// Of how many.
        epochs: u64,
    },
    /// Some steps are done.
    Step {
        /// The running epoch, from 1.
        epoch: u64,
        /// Of how many.
        epochs: u64,
        /// Steps done.
        step: u64,
        /// Of how many.
        steps: u64,
        /// Mean loss of the epoch so far.
        loss: f64,
        /// Training images a second.
        images_per_second: f64,
    },
    /// An epoch is done.
    Epoch {
        /// What it came to.
        entry: Entry,
        /// Of how many.
        epochs: u64,
        /// Training images a second.
        images_per_second: f64,
    },
    /// What images are normalised by for the network. Told when it begins.
    Normalization(Normalization),
    /// One line about the result.
    Note(String),
}

/// Why training ended without a result.
#[derive(Debug)]
pub enum Stop {
    /// It failed.
    Error(Error),
    /// Something became infinite or not a number.
    Diverged {
        /// What and where.
        error: Error,
        /// The weights of the last epoch that was finished, as safetensors.
        last_finite: Option<Vec<u8>>,
    },
    /// The run is stopping.
    Cancelled,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}
