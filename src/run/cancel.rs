//! How a signal reaches a training step: an atomic that signal handlers set and everything else only reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::{Error, Kind};

/// Whether a run is to stop, and why. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    /// Set by a handler, or by a test.
    pub requested: Arc<AtomicBool>,
    /// The number of the signal, 0 for none.
    pub signal: Arc<AtomicUsize>,
    /// Whether it is to stop because its time is used up.
    out_of_time: Arc<AtomicBool>,
}

/// SIGINT's number; as that of the next two, it is the same on every Unix.
const SIGINT: usize = 2;
const SIGHUP: usize = 1;
const SIGTERM: usize = 15;
/// On Linux, macOS and the BSDs.
const SIGXCPU: usize = 24;

impl Cancel {
    /// Whether the run is to stop.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Asks it to stop because its time is used up.
    pub fn stop_for_time(&self) {
        if !self.is_requested() {
            self.out_of_time.store(true, Ordering::Relaxed);
            self.requested.store(true, Ordering::Relaxed);
        }
    }

    /// The kind of error that the run ends with.
    pub fn kind(&self) -> Kind {
        match self.signal.load(Ordering::Relaxed) {
            0 if self.out_of_time.load(Ordering::Relaxed) => Kind::Budget,
            0 | SIGINT => Kind::Interrupted,
            _ => Kind::Terminated,
        }
    }

    /// The error that the run ends with.
    pub fn error(&self) -> Error {
        if self.kind() == Kind::Budget {
            let message = "the time of `--budget` is used up; what was finished is kept";
            return Error::new(Kind::Budget, message).hint("run the same command to go on");
        }
        let by = match self.signal.load(Ordering::Relaxed) {
            SIGINT => "Ctrl-C (SIGINT)",
            SIGHUP => "a hang-up (SIGHUP)",
            SIGTERM => "SIGTERM",
            SIGXCPU => "the limit on processor time (`ulimit -t`, SIGXCPU)",
            _ => "a signal",
        };
        let message = format!("stopped by {by}; what was finished is kept");
        Error::new(self.kind(), message).hint("run the same command to go on")
    }
}
