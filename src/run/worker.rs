//! Carries out one stage under the lock of its key, and commits the result.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Instant;

use serde_json::json;

use super::{Cancel, Event};
use crate::error::{Error, Kind};
use crate::stage::inputs::DataSets;
use crate::stage::key::{self, Fields};
use crate::stage::outputs::Outputs;
use crate::stage::work::Work;
use crate::stage::{self, Context, Description, Failure, divergence};
use crate::store::{Commit, Digest, Record, Store};
use crate::tensor;
use crate::tensor::device::Device;
use crate::train::Progress;

/// One stage to carry out.
#[derive(Debug)]
pub struct Task {
    /// Its index in the manifest.
    pub stage: usize,
    /// Its name, for messages.
    pub name: String,
    /// The label of its record.
    pub label: String,
    /// What to do.
    pub description: Description,
    /// What its key is made of.
    pub fields: Fields,
    /// Its key.
    pub key: Digest,
    /// Whether to do it again although the store has it, from the first epoch on.
    pub refresh: bool,
    /// Threads to do it with.
    pub threads: usize,
    /// How many stages are at work when it begins.
    pub beside: usize,
    /// What to compute it on.
    pub device: Device,
    /// How much it computes.
    pub work: Work,
}

/// How a task ended.
#[derive(Debug)]
pub enum Done {
    /// Its result is committed; `ran` is false when another process had made it meanwhile.
    Result {
        /// The committed record.
        record: Box<Record>,
        /// Whether this process carried it out.
        ran: bool,
        /// Wall time.
        seconds: f64,
    },
    /// It has no result.
    Failed(Failure),
}

/// What workers tell the scheduler.
#[derive(Debug)]
pub enum Message {
    /// Something happened.
    Event(Event),
    /// A task ended.
    Done(usize, Done),
}

/// What all workers share.
pub struct Shared<'a> {
    /// The store.
    pub store: &'a Store,
    /// Data sets in memory.
    pub data: &'a DataSets,
    /// Whether to stop.
    pub cancel: &'a Cancel,
    /// The run's name.
    pub run: &'a str,
    /// Why there is no GPU, if one was looked for.
    pub no_gpu: Option<&'a str>,
}

/// Carries out `task`; everything that happens goes to `messages`. A panic is a failure of the stage.
pub fn work(task: &Task, shared: &Shared, messages: &Sender<Message>) -> Done {
    let done = catch_unwind(AssertUnwindSafe(|| work_unguarded(task, shared, messages)));
    let failure = match done {
        Ok(Ok(done)) => return done,
        Ok(Err(failure)) => failure,
        Err(panic) => {
            let message = format!("the stage panicked: {}", panic_message(&*panic));
            Failure::Error(Error::new(Kind::Stage, message).hint("this is a defect of pleach; please report it"))
        }
    };
    if let Failure::Diverged { error, .. } | Failure::Error(error) = &failure
        && error.kind == Kind::Diverged
    {
        // Only plans and reports would miss it: the run itself knows.
        let _ = divergence::remember(shared.store, &task.key, &task.label, &task.fields, error);
    }
    if let Failure::Diverged { last_finite: Some(weights), .. } = &failure {
        let name = format!("{}-last-finite.safetensors", task.name);
        if let Ok(path) = shared.store.save_in_run(shared.run, &name, weights) {
            let message = format!("the last finite weights are in {}", path.display());
            tell(messages, Event::Note { stage: task.name.clone(), message });
        }
    }
    Done::Failed(failure)
}

fn work_unguarded(task: &Task, shared: &Shared, messages: &Sender<Message>) -> Result<Done, Failure> {
    let mut told = false;
    let lock = shared.store.lock(&task.key, &mut |pid| {
        if !std::mem::replace(&mut told, true) {
            tell(messages, Event::StageWaiting { stage: task.name.clone(), pid });
        }
        if shared.cancel.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let Some(_lock) = lock else { return Err(Failure::Cancelled) };
    // While we waited, another process may have made it.
    if let Some(record) = shared.store.lookup(&task.key)?.filter(|_| !task.refresh) {
        return Ok(Done::Result { record: Box::new(record), ran: false, seconds: 0.0 });
    }
    let kind = task.description.parameters.kind().to_owned();
    tell(messages, Event::StageStarted { stage: task.name.clone(), kind, key: task.key.to_string() });
    let begun = Instant::now();
    let sender = std::sync::Mutex::new(messages.clone());
    let epochs = AtomicU64::new(0);
    let progress = |progress: Progress| {
        epochs.fetch_add(u64::from(matches!(progress, Progress::Epoch { .. })), Ordering::Relaxed);
        let sender = sender.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        tell(&sender, event(&task.name, progress));
    };
    let context = Context {
        store: shared.store,
        data: shared.data,
        label: &task.label,
        cancelled: &shared.cancel.requested,
        resume: !task.refresh,
        device: &task.device,
        beside: task.beside,
        progress: &progress,
    };
    let outputs = stage::carry_out(&task.description, &context)?;
    if let Some(input) = &task.description.data {
        shared.data.check_unchanged(&input.origin())?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let took = Took { seconds, work: task.work.of(epochs.into_inner()) };
    let record = commit(task, shared, outputs, took, messages)?;
    Ok(Done::Result { record: Box::new(record), ran: true, seconds })
}

/// What a stage took in this run.
#[derive(Debug, Clone, Copy, Default)]
struct Took {
    /// Wall time.
    seconds: f64,
    /// Multiply-adds, about: those of earlier runs that it went on from are not among them.
    work: u64,
}

fn commit(
    task: &Task,
    shared: &Shared,
    outputs: Outputs,
    took: Took,
    messages: &Sender<Message>,
) -> Result<Record, Failure> {
    let created = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut provenance = json!({
        "pleach": env!("CARGO_PKG_VERSION"),
        "platform": format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        "device": task.device.to_string(),
        "threads": task.threads,
        "processor": tensor::processor(),
        "seconds": took.seconds,
        "work": took.work,
        "run": shared.run,
        "measured": outputs.measured,
    });
    if let Some(why) = shared.no_gpu {
        provenance["no-gpu"] = why.into();
    }
    let record = Record {
        key: task.key,
        kind: "stage".to_owned(),
        label: task.label.clone(),
        family: key::family(&task.fields, task.description.inputs.keys()),
        fields: task.fields.clone(),
        outputs: BTreeMap::new(),
        provenance,
        created,
    };
    let told = |message: String| tell(messages, Event::Warning { message });
    let earlier = if task.refresh { shared.store.lookup(&task.key)? } else { None };
    // Two results of GPUs are as good as each other, and others may have been made of the first.
    let replaces = task.refresh && task.device.repeats();
    let (record, commit) = shared.store.put_and_commit(record, &outputs.files, replaces)?;
    if replaces && earlier.is_some_and(|earlier| earlier.outputs != record.outputs) {
        told(format!("stage `{}` came out differently from its earlier result, which it replaced", task.name));
    }
    match commit {
        Commit::Stored | Commit::Same => Ok(record),
        Commit::Kept(earlier) => {
            told(format!("stage `{}` came out differently from its earlier result, which is kept", task.name));
            Ok(earlier)
        }
    }
}

fn event(stage: &str, progress: Progress) -> Event {
    let stage = stage.to_owned();
    match progress {
        Progress::Resumed { epoch, epochs } => Event::StageResumed { stage, epoch, epochs },
        Progress::Step { epoch, epochs, step, steps, loss, images_per_second } => {
            Event::Step { stage, epoch, epochs, step, steps, loss, images_per_second }
        }
        Progress::Epoch { entry, epochs, images_per_second } => Event::Epoch {
            stage,
            epoch: entry.epoch,
            epochs,
            loss: entry.loss,
            accuracy: entry.accuracy,
            validation_accuracy: entry.validation_accuracy,
            lr: entry.lr,
            inactive_units: entry.inactive_units,
            images_per_second,
        },
        Progress::Normalization(constants) => Event::Normalization { stage, constants },
        Progress::Note(message) => Event::Note { stage, message },
    }
}

/// Sends an event. A scheduler that is gone does not listen any more, and that is no error here.
fn tell(messages: &Sender<Message>, event: Event) {
    let _ = messages.send(Message::Event(event));
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no message".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::stage::Parameters;
    use crate::store::Options;
    use crate::tensor::device::Gpu;

    #[test]
    fn a_second_result_is_told_and_takes_the_place_of_the_first_on_the_processor_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), &Options::default()).unwrap();
        let (data, cancel) = (DataSets::default(), Cancel::default());
        let shared = Shared { store: &store, data: &data, cancel: &cancel, run: "run", no_gpu: Some("it is too old") };
        let gpu = Device::Cuda(Gpu { ordinal: 0, name: "Large".into(), capability: (9, 0), memory: 80 << 30 });
        for (number, device, stays) in [(0, Device::Cpu, "second"), (1, gpu, "first")] {
            let parameters = Parameters::Evaluate { split: stage::Split::Test, reference: Some(number) };
            let description = Description { parameters, seed: 0, data: None, import: None, inputs: BTreeMap::new() };
            let fields = key::fields(&description);
            let (name, label, key) = ("teacher".to_owned(), "pipeline/teacher".to_owned(), key::key(&fields));
            let task = |refresh| Task {
                stage: 0,
                name: name.clone(),
                label: label.clone(),
                description: description.clone(),
                fields: fields.clone(),
                key,
                refresh,
                threads: 1,
                beside: 0,
                device: device.clone(),
                work: Work::default(),
            };
            let (sender, inbox) = channel();
            let commit = |task: Task, content: &str| {
                let files = BTreeMap::from([("report".to_owned(), content.as_bytes().to_vec())]);
                commit(&task, &shared, Outputs { files, ..Outputs::default() }, Took::default(), &sender).unwrap()
            };
            let first = commit(task(false), "first");
            assert_eq!(first.provenance["device"], device.to_string());
            assert_eq!(first.provenance["no-gpu"], "it is too old");
            assert!(inbox.try_recv().is_err(), "there is nothing to tell");
            let record = commit(task(true), "second");
            assert_eq!(store.get(&record.outputs["report"].digest).unwrap().unwrap(), stays.as_bytes(), "{device}");
            assert_eq!(store.lookup(&key).unwrap().unwrap().outputs, record.outputs);
            let Ok(Message::Event(Event::Warning { message })) = inbox.try_recv() else { panic!("nothing was told") };
            let which = if stays == "first" { "which is kept" } else { "which it replaced" };
            assert!(message.contains("differently") && message.ends_with(which), "{message}");
        }
    }
}
