//! What happens in a run. Reporters are functions of these; `--json` prints them, the journal keeps them.

use serde::Serialize;

use crate::data::Normalization;

/// One thing that happened. As JSON: an object with the key `event`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Event {
    /// A run begins.
    RunStarted {
        /// Its name.
        run: String,
        /// The pipeline's name.
        pipeline: String,
        /// How many stages it has to look after.
        stages: usize,
    },
    /// A stage's result was in the store.
    StageCached {
        /// Its name.
        stage: String,
        /// Its key.
        key: String,
    },
    /// A stage is being carried out.
    StageStarted {
        /// Its name.
        stage: String,
        /// Its kind.
        kind: String,
        /// Its key.
        key: String,
    },
    /// Another process is making the same result.
    StageWaiting {
        /// Its name.
        stage: String,
        /// The other process, if known.
        pid: Option<u32>,
    },
    /// What images are normalised by for the network of a stage that trains or imports.
    Normalization {
        /// Its name.
        stage: String,
        /// Mean and deviation, one a channel, of pixels scaled to 0 to 1.
        #[serde(flatten)]
        constants: Normalization,
    },
    /// Training goes on where an earlier run stopped.
    StageResumed {
        /// Its name.
        stage: String,
        /// How many epochs are done.
        epoch: u64,
        /// Of how many.
        epochs: u64,
    },
    /// Some steps of an epoch are done. Not kept in the journal.
    Step {
        /// The stage's name.
        stage: String,
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
    /// An epoch is done and its checkpoint committed.
    Epoch {
        /// The stage's name.
        stage: String,
        /// From 1.
        epoch: u64,
        /// Of how many.
        epochs: u64,
        /// Mean training loss.
        loss: f64,
        /// Training accuracy, measured on the batches as they were trained on.
        accuracy: f64,
        /// Accuracy on the validation split, if there is one.
        validation_accuracy: Option<f64>,
        /// Learning rate of the last step.
        lr: f64,
        /// Units that stayed at zero through the epoch, in layers with an activation penalty.
        inactive_units: Option<u64>,
        /// Training images a second.
        images_per_second: f64,
    },
    /// A stage says something about its result.
    Note {
        /// The stage's name.
        stage: String,
        /// One line.
        message: String,
    },
    /// A stage's result is committed.
    StageFinished {
        /// Its name.
        stage: String,
        /// Wall time.
        seconds: f64,
        /// Its key.
        key: String,
        /// The hashes of its outputs, by name.
        outputs: std::collections::BTreeMap<String, String>,
    },
    /// A stage failed.
    StageFailed {
        /// Its name.
        stage: String,
        /// The exit code its error stands for.
        code: u8,
        /// What happened.
        message: String,
        /// What to do.
        hints: Vec<String>,
    },
    /// A stage was not begun.
    StageSkipped {
        /// Its name.
        stage: String,
        /// Why.
        because: String,
    },
    /// Something that is not an error, but that a user should know.
    Warning {
        /// One line.
        message: String,
    },
    /// The run is over.
    RunFinished {
        /// Its name.
        run: String,
        /// Stages taken from the store.
        cached: usize,
        /// Stages carried out.
        ran: usize,
        /// Stages that failed.
        failed: usize,
        /// Stages not begun.
        skipped: usize,
        /// Wall time.
        seconds: f64,
        /// The process's exit code.
        code: u8,
        /// Why it is not 0.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}
