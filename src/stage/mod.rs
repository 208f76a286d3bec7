//! Stages: what each kind reads, what it writes, what its key is made of, and its work.
//!
//! - `parameters`: a kind with its parameters after defaults;
//! - `description`: everything that decides one result; with a store, all that is needed to carry it out;
//! - `demand`: what a stage asks of the machine: work and memory; `disk`: what it adds to the store;
//! - `key`: how a description becomes the key of a cached result, and what an epoch's key is made of;
//! - `inputs`: networks and data, read and verified;
//! - `fit`: how a network and a data set meet: classes by name, images in the network's own constants;
//! - `outputs`: what a stage hands over to be committed;
//! - `divergence`: that a stage diverged, for plans, searches and reports;
//! - `training`: the work of the four kinds that train;
//! - `import`, `prune`, `evaluate`: the work of the others; `measurement` keeps what one network of an evaluation is worth,
//!   and `timing` is what the clock says of it.

pub mod demand;
pub mod description;
pub mod disk;
pub mod divergence;
pub mod evaluate;
mod fit;
pub mod import;
pub mod inputs;
pub mod key;
mod measurement;
pub mod outputs;
mod parameters;
mod prune;
pub mod speed;
pub mod timing;
mod training;
pub mod work;

use std::sync::atomic::{AtomicBool, Ordering};

pub use demand::Demand;
pub use description::{DataInput, Description, ImportInput, NetworkInput};
pub use parameters::{Parameters, Split};

use crate::error::{Error, Kind};
use crate::store::{Digest, Store};
use crate::tensor::device::Device;
use crate::tensor::{Backend, Cpu};
use crate::train::{Progress, Stop};
use inputs::DataSets;
use outputs::Outputs;

/// What a stage may lean on while it is carried out: nothing of the process that planned it.
pub struct Context<'a> {
    /// Where inputs come from and checkpoints go.
    pub store: &'a Store,
    /// Data sets that are already in memory.
    pub data: &'a DataSets,
    /// The label of its results, for people.
    pub label: &'a str,
    /// Whether checkpoints of earlier runs may be used.
    pub resume: bool,
    /// Set when the run is to stop; the stage ends at the next step.
    pub cancelled: &'a AtomicBool,
    /// What to compute on.
    pub device: &'a Device,
    /// How many stages of this run are at work beside it.
    pub beside: usize,
    /// Told what happens.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// Why a stage has no result.
#[derive(Debug)]
pub enum Failure {
    /// It failed.
    Error(Error),
    /// It became non-finite; with the last weights that were finite, as safetensors, if an epoch was finished.
    Diverged {
        /// What happened, where.
        error: Error,
        /// For inspection; never cached.
        last_finite: Option<Vec<u8>>,
    },
    /// An input is not in the store any more, or was corrupt: the stage that made it must run again.
    InputLost {
        /// The role of the input.
        role: String,
        /// The object.
        digest: Digest,
    },
    /// The run is stopping.
    Cancelled,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Error(error) => Failure::Error(error),
            Stop::Diverged { error, last_finite } => Failure::Diverged { error, last_finite },
            Stop::Cancelled => Failure::Cancelled,
        }
    }
}

impl Context<'_> {
    /// An error when the run is to stop.
    pub fn check_cancelled(&self) -> Result<(), Failure> {
        if self.cancelled.load(Ordering::Relaxed) { Err(Failure::Cancelled) } else { Ok(()) }
    }
}

/// Carries out one stage.
///
/// # Errors
/// See [`Failure`]. Nothing is published in that case.
pub fn carry_out(description: &Description, context: &Context) -> Result<Outputs, Failure> {
    if let Parameters::Import { network, rules } = &description.parameters {
        return import::import(description, network.as_ref(), rules, context);
    }
    match context.device {
        Device::Cpu => compute(description, context, &Cpu::default()),
        #[cfg(feature = "cuda")]
        Device::Cuda(gpu) => compute(description, context, &crate::tensor::cuda::open(gpu.ordinal)?),
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(_) => Err(Error::new(Kind::Internal, "a GPU in a build without CUDA").into()),
    }
}

/// The stages that compute. One that finds the device full is tried a second time, when it has let go of what it had.
fn compute<B: Backend>(description: &Description, context: &Context, device: &B) -> Result<Outputs, Failure> {
    let attempt = || match &description.parameters {
        Parameters::Prune { method } => prune::prune(description, method, context, device),
        Parameters::Evaluate { split, .. } => evaluate::evaluate(description, *split, context, device),
        Parameters::Train { training, .. }
        | Parameters::Distill { training, .. }
        | Parameters::Regularize { training }
        | Parameters::FineTune { training } => training::train(description, training, context, device),
        Parameters::Import { .. } => Err(Error::new(Kind::Internal, "an import computes nothing").into()),
    };
    let is_full = |failure: &Failure| matches!(failure, Failure::Error(error) if error.kind == Kind::DeviceMemory);
    match attempt() {
        Err(failure) if is_full(&failure) => {}
        done => return done,
    }
    device.release()?;
    (context.progress)(Progress::Note("the device's memory was full; once more".to_owned()));
    attempt().map_err(|failure| {
        if !is_full(&failure) {
            return failure;
        }
        // What is free now, the stage did not have to share.
        let released = device.release();
        let room = device.memory().filter(|_| released.is_ok()).map_or(String::new(), |memory| format!("; {memory}"));
        let message = format!("there is not enough memory on {}, in two attempts{room}", context.device);
        let error = Error::new(Kind::DeviceMemory, message);
        Failure::Error(match description.parameters.training() {
            Some(training) => error.hint(format!("lower `batch`, which is {}", training.batch)),
            None => error.hint("use a device with more memory, or end what else takes it"),
        })
    })
}
