//! Carrying out a plan.
//!
//! - `scheduler`: the one owner of state; decides what runs next;
//! - `search`: rounds of runs, each with what a search wants next;
//! - `shares`: who runs beside whom, with how many threads;
//! - `worker`: carries out one stage under the lock of its key, and commits the result;
//! - `status`: how far a run is;
//! - `event`: what happens, as reporters and the journal are told;
//! - `budget`: when a run has to stop to keep to its time;
//! - `cancel`: how a signal reaches a training step.

mod budget;
mod cancel;
mod event;
mod scheduler;
mod search;
mod shares;
pub mod status;
mod worker;

use std::collections::HashSet;
use std::time::Instant;

pub use cancel::Cancel;
pub use event::Event;
pub use scheduler::run;
pub use search::run as run_searching;

use crate::error::{Error, Kind};
use crate::graph::StageGraph;
use crate::manifest::Manifest;
use crate::plan::DataDigests;
use crate::store::{Record, Store};
use crate::tensor::device::Devices;

/// What to run, and with what.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The manifest.
    pub manifest: &'a Manifest,
    /// Its stages.
    pub graph: &'a StageGraph,
    /// The stages that are wanted; what they need runs too.
    pub targets: &'a [usize],
    /// Where results are and go.
    pub store: &'a Store,
    /// Hashes of the data that the stages read.
    pub digests: &'a DataDigests,
    /// How.
    pub options: &'a Options,
    /// Whether to stop.
    pub cancel: &'a Cancel,
}

/// How to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Stages at once, at least 1; of those that compute, as many as there are GPUs if there are any.
    pub jobs: usize,
    /// Threads of all of them together, at least 1; a stage gets its part when it begins. Results do not depend on it.
    pub threads: usize,
    /// Bytes that stages running beside each other may take together, by [`crate::stage::demand`]. One may always run.
    pub memory: u64,
    /// Bytes that a stage on the processor can have at all; one that would take more, by the same estimate, fails.
    pub most_memory: u64,
    /// Go on with what does not depend on a failed stage.
    pub keep_going: bool,
    /// Stages that run whatever the store has.
    pub refresh: HashSet<usize>,
    /// What stages compute on.
    pub devices: Devices,
    /// When it has to be over: it stops at the last epoch that fits.
    pub deadline: Option<Instant>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Summary {
    /// The run's name, under which its journal is kept.
    pub run: String,
    /// The results by stage index; `None` for stages that were not asked for, failed or were skipped.
    pub records: Vec<Option<Record>>,
    /// How many stages came from the store.
    pub cached: usize,
    /// How many were carried out.
    pub ran: usize,
    /// How many failed.
    pub failed: usize,
    /// How many were skipped because of a failure or a signal.
    pub skipped: usize,
    /// Wall time.
    pub seconds: f64,
    /// The first failure, or the signal that ended the run.
    pub failure: Option<Error>,
    /// The stages that failed because they diverged.
    pub diverged: HashSet<usize>,
    /// The first evaluation that has a result which says that a network diverged: it stops nothing.
    pub not_finite: Option<Error>,
    /// That what was carried out is lost, as the store is only read.
    pub lost: Option<Error>,
}

impl Summary {
    /// 0, or the code of the first failure, or of a network that diverged, or that nothing is kept.
    pub fn exit_code(&self) -> u8 {
        exit_code([&self.failure, &self.not_finite, &self.lost])
    }
}

/// The code of the first that there is.
fn exit_code(errors: [&Option<Error>; 3]) -> u8 {
    errors.into_iter().flatten().next().map_or(0, |error| error.kind.exit_code())
}

/// The error of a run that carried out stages with a store that is only read.
fn kept_nothing(store: &Store, ran: usize) -> Option<Error> {
    (ran > 0 && store.keeps_nothing()).then(|| {
        Error::new(Kind::Store, "what this run made is lost, as the store is only read")
            .at(store.root())
            .hint("run without `--read-only-cache` to keep results")
    })
}

/// Why the exit code is not 0.
fn reason(errors: [&Option<Error>; 3]) -> Option<String> {
    errors.into_iter().flatten().next().map(Error::to_string)
}
