//! The one owner of a run's state: it alone decides what runs next and what a failure means. Workers get tasks and send
//! messages; nothing else is shared.

mod admission;
mod survey;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use admission::Candidate;

use super::budget::Budget;
use super::shares::{Limits, Shares};
use super::worker::{Done, Message, Shared, Task, work};
use super::{Event, Request, Summary, exit_code, kept_nothing, reason};
use crate::error::{Error, Kind, Result};
use crate::stage::evaluate::Metrics;
use crate::stage::inputs::DataSets;
use crate::stage::{Failure, Parameters};
use crate::store::{Digest, Journal, Pins, Record};

#[derive(Debug)]
enum State {
    /// Not wanted.
    Absent,
    /// Waits for its inputs or for a worker.
    Pending,
    Running,
    Done(Box<Record>),
    Failed,
    Skipped,
}

/// Runs what is wanted and everything it needs, and tells `report` what happens.
///
/// # Errors
/// Only when the run cannot begin: the store cannot be used. A stage's failure is in the summary.
pub fn run(request: &Request, report: &mut dyn FnMut(&Event)) -> Result<Summary> {
    let Request { manifest, store, options, cancel, .. } = *request;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    let name = format!("{now}-{}", std::process::id());
    let Some(pins) = survey::pins(request, &name, report)? else { return Err(cancel.error()) };
    let data = DataSets::default();
    let jobs = options.jobs.max(1);
    let (tasks, queue) = channel::<Task>();
    let queue = Arc::new(Mutex::new(queue));
    let (messages, inbox) = channel::<Message>();
    let no_gpu = options.devices.absent.as_deref();
    let shared = Shared { store, data: &data, cancel, run: &name, no_gpu };

    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (queue, messages, shared) = (Arc::clone(&queue), messages.clone(), &shared);
            std::thread::Builder::new()
                .name("stage".to_owned())
                .spawn_scoped(scope, move || worker(&queue, &messages, shared))
                .map_err(|error| Error::new(Kind::Internal, format!("cannot start a worker thread: {error}")))?;
        }
        // A journal of a store that is only read would have to go elsewhere, and be lost there.
        let journal = store.is_writable().then(|| store.journal(&name));
        let mut owner = Owner {
            request,
            name: &name,
            states: (0..manifest.stages.len()).map(|_| State::Absent).collect(),
            ready: BTreeSet::new(),
            rank: vec![0; manifest.stages.len()],
            waiting: BTreeMap::new(),
            shares: Shares::new(Limits {
                jobs,
                threads: options.threads,
                memory: options.memory,
                gpus: options.devices.gpus.len(),
            }),
            short_of_memory: HashSet::new(),
            told_of_precision: false,
            lost: HashSet::new(),
            ran: BTreeSet::new(),
            failure: None,
            diverged: HashSet::new(),
            not_finite: None,
            journal: None,
            pins,
            budget: options.deadline.map(Budget::new),
            report,
        };
        match journal {
            Some(Ok(journal)) => owner.journal = Some(journal),
            Some(Err(error)) => owner.without_journal(&error),
            None => {}
        }
        owner.run(tasks, &inbox)
    })
}

/// One worker: its own rayon pool, so that stages share no threads and none waits inside another. The pool lives on for
/// the next stage if that has as many.
fn worker(queue: &Mutex<Receiver<Task>>, messages: &Sender<Message>, shared: &Shared) {
    let mut pool = None;
    loop {
        let task = match queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv() {
            Ok(task) => task,
            Err(_) => return,
        };
        if pool.as_ref().is_none_or(|pool: &rayon::ThreadPool| pool.current_num_threads() != task.threads) {
            pool = None;
        }
        let ready = match pool.take() {
            Some(pool) => Ok(pool),
            None => rayon::ThreadPoolBuilder::new().num_threads(task.threads).build(),
        };
        let done = match ready {
            Ok(ready) => pool.insert(ready).install(|| work(&task, shared, messages)),
            Err(error) => {
                let message = format!("cannot start {} threads: {error}", task.threads);
                Done::Failed(Failure::Error(Error::new(Kind::Stage, message).hint("use fewer `--threads` or `--jobs`")))
            }
        };
        if messages.send(Message::Done(task.stage, done)).is_err() {
            return;
        }
    }
}

struct Owner<'a> {
    request: &'a Request<'a>,
    name: &'a str,
    states: Vec<State>,
    /// Stages whose inputs are done, by rank.
    ready: BTreeSet<(usize, usize)>,
    /// The position of each stage in the order.
    rank: Vec<usize>,
    /// Ready stages that were looked at: they are not in the store, and wait to begin.
    waiting: BTreeMap<(usize, usize), Candidate>,
    /// What runs.
    shares: Shares,
    /// Stages that were said to wait for memory, or to need more than there is.
    short_of_memory: HashSet<usize>,
    /// Whether it was said that the processor computes in `f32` whatever a stage asks for.
    told_of_precision: bool,
    /// Stages that an object was lost for, with the object.
    lost: HashSet<(usize, Digest)>,
    /// Stages that this run carried out.
    ran: BTreeSet<usize>,
    failure: Option<Error>,
    /// Stages that failed because they diverged.
    diverged: HashSet<usize>,
    /// The first evaluation of a network that diverged.
    not_finite: Option<Error>,
    journal: Option<Journal>,
    pins: Pins<'a>,
    /// The time that the run has.
    budget: Option<Budget>,
    report: &'a mut dyn FnMut(&Event),
}

impl Owner<'_> {
    fn run(&mut self, tasks: Sender<Task>, inbox: &Receiver<Message>) -> Result<Summary> {
        let begun = Instant::now();
        let needed = self.request.graph.needed(self.request.targets);
        for (rank, stage) in needed.iter().enumerate() {
            self.states[*stage] = State::Pending;
            self.rank[*stage] = rank;
        }
        self.survey(&needed)?;
        for stage in &needed {
            self.consider(*stage);
        }
        let (run, pipeline) = (self.name.to_owned(), self.request.manifest.pipeline.name.clone());
        self.tell(Event::RunStarted { run, pipeline, stages: needed.len() });
        self.serve(&tasks, inbox);
        // Workers end when the queue closes.
        drop(tasks);
        let (mut cached, mut ran, mut failed, mut skipped) = (0, 0, 0, 0);
        for stage in needed {
            match self.states[stage] {
                State::Pending => {
                    skipped += 1;
                    let because =
                        if self.request.cancel.is_requested() { "the run was stopped" } else { "another stage failed" };
                    self.tell(Event::StageSkipped { stage: self.stage_name(stage), because: because.to_owned() });
                }
                State::Skipped => skipped += 1,
                State::Failed => failed += 1,
                State::Done(_) if self.ran.contains(&stage) => ran += 1,
                State::Done(_) => cached += 1,
                State::Absent | State::Running => {}
            }
        }
        if self.request.cancel.is_requested() {
            self.failure = Some(self.request.cancel.error());
        }
        let seconds = begun.elapsed().as_secs_f64();
        let lost = kept_nothing(self.request.store, ran);
        if let Some(error) = &lost {
            self.tell(Event::Warning { message: error.message.clone() });
        }
        let errors = [&self.failure, &self.not_finite, &lost];
        let (code, reason) = (exit_code(errors), reason(errors));
        let run = self.name.to_owned();
        self.tell(Event::RunFinished { run: run.clone(), cached, ran, failed, skipped, seconds, code, reason });
        if let Some(Err(error)) = self.journal.as_ref().map(Journal::flush) {
            self.without_journal(&error);
        }
        let record = |state: &State| match state {
            State::Done(record) => Some((**record).clone()),
            _ => None,
        };
        let records = self.states.iter().map(record).collect();
        let (failure, not_finite) = (self.failure.take(), self.not_finite.take());
        let diverged = std::mem::take(&mut self.diverged);
        Ok(Summary { run, records, cached, ran, failed, skipped, seconds, failure, diverged, not_finite, lost })
    }

    /// Dispatches and listens until nothing runs and nothing can be begun.
    fn serve(&mut self, tasks: &Sender<Task>, inbox: &Receiver<Message>) {
        loop {
            if self.budget.as_ref().is_some_and(|budget| budget.is_over(Instant::now())) {
                self.request.cancel.stop_for_time();
            }
            while self.shares.has_place() && self.may_begin() && self.begin_one(tasks) {}
            for message in self.request.store.take_warnings() {
                self.tell(Event::Warning { message });
            }
            if self.shares.running() == 0 && ((self.ready.is_empty() && self.waiting.is_empty()) || !self.may_begin()) {
                return;
            }
            match inbox.recv_timeout(Duration::from_millis(500)) {
                Ok(Message::Event(event)) => self.tell(event),
                Ok(Message::Done(stage, done)) => {
                    self.shares.end(stage);
                    self.finish(stage, done);
                }
                // A tick, so that warnings and signals are not left waiting.
                Err(_) => {}
            }
        }
    }

    fn may_begin(&self) -> bool {
        !self.request.cancel.is_requested() && (self.failure.is_none() || self.request.options.keep_going)
    }

    /// Small results that are read after the run are read now, so that a corrupt one is made again. One that cannot be read
    /// this time is no corrupt one.
    fn is_readable(&self, record: &Record) -> Result<bool> {
        let Some(output) = record.outputs.get("metrics") else { return Ok(true) };
        let readable = self.request.store.get(&output.digest)?.is_some();
        if !readable {
            self.disown(record);
        }
        Ok(readable)
    }

    /// Forgets a record whose object is gone, if the store itself did not: it may be unable to move a corrupt one away.
    fn disown(&self, record: &Record) {
        if matches!(self.request.store.lookup(&record.key), Ok(Some(_))) {
            // If this fails too, the stage that needs the object says so.
            let _ = self.request.store.forget(&record.key);
        }
    }

    fn done(&mut self, stage: usize, record: Record) {
        self.tell_of_networks_that_diverged(stage, &record);
        self.states[stage] = State::Done(Box::new(record));
        for consumer in self.request.graph.consumers(stage) {
            self.consider(consumer);
        }
    }

    /// Says which networks of an evaluation have logits that are not finite. The evaluation has a result all the same, and
    /// only the run's exit code says that something is wrong.
    fn tell_of_networks_that_diverged(&mut self, stage: usize, record: &Record) {
        let (name, definition) = self.request.manifest.stages.get_index(stage).expect("in range");
        let Parameters::Evaluate { split, reference } = definition.parameters else { return };
        let metrics = record.outputs.get("metrics").and_then(|output| self.request.store.get(&output.digest).ok()?);
        let Some(metrics) = metrics.and_then(|bytes| serde_json::from_slice::<Metrics>(&bytes).ok()) else { return };
        let mut message = Vec::new();
        for (number, (model, metrics)) in definition.inputs.values().zip(&metrics.models).enumerate() {
            if metrics.has_diverged() {
                let of_reference = if reference == Some(number as u64) { ", the reference," } else { "" };
                message.push(format!("`{}`{of_reference}", model.stage));
            }
        }
        if message.is_empty() {
            return;
        }
        let error = Error::new(
            Kind::Diverged,
            format!(
                "stage `{name}`: some logits of {} on the {} split are not finite; it has diverged, and is not averaged \
                 or compared",
                message.join(" and of "),
                split.name()
            ),
        );
        self.tell(Event::Warning { message: error.message.clone() });
        self.not_finite.get_or_insert(error);
    }

    /// Makes a stage ready if nothing is in its way.
    fn consider(&mut self, stage: usize) {
        if self.is_ready(stage) {
            let place = (self.rank[stage], stage);
            // What was found when it was looked at before may not hold any more.
            self.waiting.remove(&place);
            self.ready.insert(place);
        }
    }

    fn is_ready(&self, stage: usize) -> bool {
        matches!(self.states[stage], State::Pending)
            && self.request.graph.producers(stage).iter().all(|p| matches!(self.states[*p], State::Done(_)))
    }

    fn finish(&mut self, stage: usize, done: Done) {
        let name = self.stage_name(stage);
        match done {
            Done::Result { record, ran, seconds } => {
                let key = record.key.to_string();
                if ran {
                    self.ran.insert(stage);
                    let outputs = record.outputs.iter().map(|(n, o)| (n.clone(), o.digest.to_string())).collect();
                    self.tell(Event::StageFinished { stage: name, seconds, key, outputs });
                } else {
                    self.tell(Event::StageCached { stage: name, key });
                }
                self.done(stage, *record);
            }
            Done::Failed(Failure::Cancelled) => self.states[stage] = State::Pending,
            Done::Failed(Failure::InputLost { role, digest }) => self.heal(stage, &role, digest),
            Done::Failed(Failure::Error(error) | Failure::Diverged { error, .. }) => self.fail(stage, error),
        }
    }

    /// An object is gone or was corrupt: its stage runs again, and then this one. Once for each stage that misses it; a
    /// store that loses the same object again is not to be trusted.
    fn heal(&mut self, stage: usize, role: &str, digest: Digest) {
        if !self.lost.insert((stage, digest)) {
            let message = format!("object {} was lost again after it was made again", digest.short());
            let error = Error::new(Kind::Store, message).at(self.request.store.root());
            return self.fail(stage, error.hint("the disk may be failing; try another `--cache`"));
        }
        let (_, definition) = self.request.manifest.stages.get_index(stage).expect("in range");
        let name = definition.inputs[role].stage.clone();
        let producer = self.request.manifest.stages.get_index_of(&name).expect("references were checked");
        let is_back = match self.request.store.get(&digest) {
            Ok(found) => found.is_some(),
            Err(error) => return self.fail(stage, error),
        };
        self.states[stage] = State::Pending;
        match &self.states[producer] {
            // Another stage that takes the same input may have missed it first, and had it made again.
            State::Done(_) if is_back => self.consider(stage),
            State::Done(record) => {
                self.disown(record);
                self.states[producer] = State::Pending;
                let message = format!("an object of `{name}` is gone from the store; `{name}` runs again");
                self.tell(Event::Warning { message });
                self.consider(producer);
            }
            State::Failed | State::Skipped => self.skip(vec![stage], &name),
            State::Absent | State::Pending | State::Running => {}
        }
    }

    fn fail(&mut self, stage: usize, error: Error) {
        self.states[stage] = State::Failed;
        if error.kind == Kind::Diverged {
            self.diverged.insert(stage);
        }
        let name = self.stage_name(stage);
        let (code, message, hints) = (error.kind.exit_code(), error.to_string(), error.hints.clone());
        self.tell(Event::StageFailed { stage: name.clone(), code, message, hints });
        if self.failure.is_none() {
            let mut error = error;
            error.message = format!("stage `{name}` failed: {}", error.message);
            self.failure = Some(error);
        }
        self.skip(self.request.graph.consumers(stage), &name);
    }

    /// Gives up `stages`, and all that need them, because `failed` has no result.
    fn skip(&mut self, stages: Vec<usize>, failed: &str) {
        let mut after = stages;
        let mut skipped = Vec::new();
        while let Some(stage) = after.pop() {
            if matches!(self.states[stage], State::Pending) {
                self.states[stage] = State::Skipped;
                skipped.push(stage);
                after.extend(self.request.graph.consumers(stage));
            }
        }
        skipped.sort_by_key(|stage| self.rank[*stage]);
        for stage in skipped {
            let because = format!("`{failed}` failed");
            self.tell(Event::StageSkipped { stage: self.stage_name(stage), because });
        }
    }

    fn stage_name(&self, stage: usize) -> String {
        self.request.manifest.stages.get_index(stage).expect("in range").0.clone()
    }

    fn tell(&mut self, event: Event) {
        if let Some(budget) = &mut self.budget {
            budget.update(&event, Instant::now());
        }
        (self.report)(&event);
        if matches!(event, Event::Step { .. }) {
            return;
        }
        if let Some(Err(error)) = self.journal.as_ref().map(|journal| journal.append(&event)) {
            self.without_journal(&error);
        }
    }

    /// A journal that cannot be written is no reason to lose a run, but one to say so, once.
    fn without_journal(&mut self, error: &Error) {
        self.journal = None;
        self.tell(Event::Warning { message: format!("the run goes on without its journal: {error}") });
    }
}
