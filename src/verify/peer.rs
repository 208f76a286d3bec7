//! PyTorch at the same work: what each side is asked, and what it answers. It is a line of JSON each way, for PyTorch
//! (`peer.py`) and for pleach (`benches/peer`) the same. Each side is a process of its own, so that its memory is its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};

/// PyTorch's side, for `python -c`.
pub const PROGRAM: &str = include_str!("peer.py");

/// Work to be done again and again for some time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// One of the known networks.
    pub network: String,
    /// PyTorch's layout of values, or `compiled`; pleach has one.
    pub variant: String,
    /// What it runs on: `cpu` or `cuda`, and with `cuda` how exact products are, `cuda-tf32`.
    pub device: String,
    /// What is done.
    pub mode: Mode,
    /// Threads on the processor.
    pub threads: usize,
    /// Images in a batch.
    pub batch: usize,
    /// For at least so long.
    pub seconds: f64,
}

/// What is done with a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Forward, cross entropy, backward, a step of SGD with momentum.
    Training,
    /// Forward with running statistics.
    Inference,
}

impl Mode {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Training => "training",
            Mode::Inference => "inference",
        }
    }
}

/// How the work went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// Over all the seconds.
    pub images_per_second: f64,
    /// Of the network, running statistics left out.
    pub parameters: u64,
    /// Multiplications with accumulation for one image.
    pub multiplications: u64,
    /// The most memory that the process ever held, KiB.
    pub peak: u64,
    /// What it held before there was a network, KiB.
    pub before: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Measured(Measured),
    Failed { error: String },
}

/// A process that answers requests; it ends with this value.
#[derive(Debug)]
pub struct Side {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Side {
    /// Starts `command`.
    ///
    /// # Errors
    /// A text for the user, if it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self, String> {
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child =
            started.map_err(|error| format!("{} cannot be started: {error}", command.get_program().display()))?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Ok(Self { child, requests, answers })
    }

    /// One request and its answer.
    ///
    /// # Errors
    /// What the side says is wrong, or that it is gone.
    pub fn ask(&mut self, request: &Request) -> Result<Measured, String> {
        let mut line = serde_json::to_string(request).expect("plain data");
        line.push('\n');
        let requests = self.requests.as_mut().expect("there until the side is dropped");
        requests.write_all(line.as_bytes()).map_err(|error| format!("the process is gone: {error}"))?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(|error| format!("no answer: {error}"))?;
        match serde_json::from_str(&answer) {
            Ok(Answer::Measured(measured)) => Ok(measured),
            Ok(Answer::Failed { error }) => Err(error),
            Err(_) => Err(format!("the process ended, or did not answer as agreed: {answer:?}")),
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.requests = None;
        drop(self.child.wait());
    }
}
