//! The one error type: what failed, where, and what to do about it. Its kind decides the exit code.

use std::fmt;
use std::path::{Path, PathBuf};

/// `Result` with pleach's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller or a script needs to tell faults apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A defect of pleach itself.
    Internal,
    /// The command line was wrong.
    Usage,
    /// The manifest is invalid.
    Manifest,
    /// An input is missing, unreadable, or changed during the run.
    Input,
    /// A stage failed (a panic counts).
    Stage,
    /// A loss, gradient, weight or metric became NaN or infinite.
    Diverged,
    /// The device ran out of memory.
    DeviceMemory,
    /// A network is not what `[expect]` says, or is not known to be.
    Expectation,
    /// The time of `--budget` is used up, and something is left.
    Budget,
    /// The store could not be read or written: disk full, permission, input/output error.
    Store,
    /// Another process held a lock for too long.
    LockTimeout,
    /// The store was written by a newer pleach.
    StoreTooNew,
    /// SIGINT.
    Interrupted,
    /// SIGTERM or SIGHUP.
    Terminated,
}

impl Kind {
    /// The process exit code; a contract that scripts rely on.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Internal => 1,
            Kind::Usage => 2,
            Kind::Manifest => 10,
            Kind::Input => 11,
            Kind::Stage => 20,
            Kind::Diverged => 21,
            Kind::DeviceMemory => 22,
            Kind::Expectation => 23,
            Kind::Budget => 24,
            Kind::Store => 30,
            Kind::LockTimeout => 31,
            Kind::StoreTooNew => 32,
            Kind::Interrupted => 130,
            Kind::Terminated => 143,
        }
    }
}

/// An error for a person: a message that says what, the file it is about, and hints that say what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Decides the exit code.
    pub kind: Kind,
    /// What happened, as one sentence without a final full stop.
    pub message: String,
    /// The file or folder it happened to.
    pub path: Option<PathBuf>,
    /// What the user can do, one sentence each.
    pub hints: Vec<String>,
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), path: None, hints: Vec::new() }
    }

    /// Names the file or folder concerned.
    pub fn at(mut self, path: impl AsRef<Path>) -> Self {
        self.path = Some(path.as_ref().to_owned());
        self
    }

    /// Adds something the user can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(path) = &self.path {
            write!(f, ": {}", path.display())?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
