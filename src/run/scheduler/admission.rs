//! Which stage begins next: the first that is ready, is not in the store, and may run beside those that do.

use std::sync::mpsc::Sender;

use super::{Owner, State};
use crate::data::Outline;
use crate::error::{Error, Kind, Result};
use crate::network::Graph;
use crate::number::bytes;
use crate::plan::estimate::Graphs;
use crate::plan::{label, resolve};
use crate::run::shares::Wait;
use crate::run::worker::Task;
use crate::run::{Event, Request};
use crate::stage::demand::{demand, parameters};
use crate::stage::disk::{Disk, Origin, disk, origin};
use crate::stage::work::Work;
use crate::stage::{Demand, Description, Parameters};
use crate::store::{Collected, GcPolicy};
use crate::tensor::device::Device;

/// A stage that can begin.
pub(super) struct Candidate {
    task: Task,
    demand: Demand,
    disk: Disk,
}

/// How many ready stages are looked at for one that can begin beside those that run.
const LOOK_AHEAD: usize = 64;

impl Owner<'_> {
    /// Begins the first stage that may begin beside those that run. Stages that are in the store are taken from there on
    /// the way. False when none may begin now.
    pub(super) fn begin_one(&mut self, tasks: &Sender<Task>) -> bool {
        // As many as can run are looked at first, so that threads are not kept for stages that need none.
        let mut enough = self.request.options.jobs.max(1);
        loop {
            while self.waiting.len() < enough
                && let Some((rank, stage)) = self.ready.pop_first()
            {
                // An input that was done when the stage became ready may have been lost since.
                if self.is_ready(stage)
                    && let Err(error) = self.look_at(rank, stage)
                {
                    self.fail(stage, error);
                    if !self.may_begin() {
                        return false;
                    }
                }
            }
            let others = (self.waiting.len() + self.ready.len()).saturating_sub(1);
            let admitted = |candidate: &Candidate| self.shares.admit(&candidate.demand, others);
            let first = self.waiting.iter().find_map(|(place, candidate)| Some((*place, admitted(candidate).ok()?)));
            if let Some((place, threads)) = first {
                return self.begin(place, threads, tasks);
            }
            self.tell_who_waits_for_memory();
            if self.ready.is_empty() || self.waiting.len() >= LOOK_AHEAD.max(enough) {
                return false;
            }
            enough = self.waiting.len() + 1;
        }
    }

    /// Takes a stage from the store, or makes it wait for its turn.
    fn look_at(&mut self, rank: usize, stage: usize) -> Result<()> {
        let states = &self.states;
        let resolved = resolve(self.request.manifest, stage, self.request.digests, &|i| match &states[i] {
            State::Done(record) => Some(record),
            _ => None,
        });
        let refresh = self.request.options.refresh.contains(&stage) && !self.ran.contains(&stage);
        self.pin(resolved.key)?;
        let record = if refresh { None } else { self.request.store.recall(&resolved.key)? };
        if let Some(record) = record
            && self.is_readable(&record)?
        {
            self.tell(Event::StageCached { stage: self.stage_name(stage), key: resolved.key.to_string() });
            self.done(stage, record);
            return Ok(());
        }
        let manifest = self.request.manifest;
        let (name, definition) = manifest.stages.get_index(stage).expect("in range");
        let outline = definition.data.as_deref().and_then(|data| Some((data, manifest.data[data].outline.as_ref()?)));
        let demand = demand(&resolved.description, outline, self.request.store);
        self.check_fits(&resolved.description.parameters, &demand)?;
        let disk = self.disk(&resolved.description, outline.map(|(_, outline)| outline));
        let work = self.work(stage);
        let task = Task {
            stage,
            name: name.clone(),
            label: label(manifest, stage),
            description: resolved.description,
            fields: resolved.fields,
            key: resolved.key,
            refresh,
            threads: 1,
            beside: 0,
            device: Device::Cpu,
            work,
        };
        self.waiting.insert((rank, stage), Candidate { task, demand, disk });
        Ok(())
    }

    /// An error if the machine cannot have the memory that a stage on the processor asks for: it would end the process, and
    /// with it every other stage. A GPU says itself what it has no room for.
    fn check_fits(&self, parameters: &Parameters, demand: &Demand) -> Result<()> {
        let options = &self.request.options;
        let needs = demand.memory.saturating_add(demand.data.as_ref().map_or(0, |(_, bytes)| *bytes));
        let on_gpu = demand.computes && !options.devices.gpus.is_empty();
        if on_gpu || needs <= options.most_memory {
            return Ok(());
        }
        let (needs, most) = (bytes(needs), bytes(options.most_memory));
        let message = format!("it needs about {needs} of memory, and this process can have {most}");
        let error = Error::new(Kind::DeviceMemory, message);
        let error = match parameters.training() {
            Some(training) => {
                error.hint(format!("lower `batch`, which is {}, or take a smaller network", training.batch))
            }
            None => error.hint("take a smaller network, or a machine with more memory"),
        };
        Err(error.hint("`--memory SIZE` with at least as much tries it all the same"))
    }

    /// What a stage whose inputs are there adds to the store.
    fn disk(&self, description: &Description, outline: Option<&Outline>) -> Disk {
        let graph = match origin(&description.parameters) {
            Origin::None => None,
            Origin::Built(architecture) => {
                outline.and_then(|outline| architecture.build(outline.shape, outline.classes).ok())
            }
            Origin::Input(role) => description.inputs.get(role).and_then(|input| {
                let bytes = self.request.store.get(&input.network).ok().flatten();
                Graph::from_json(&bytes?).ok()
            }),
        };
        disk(description, outline, graph.as_ref().map_or(0, parameters))
    }

    /// An error if the disk has no room for what a stage adds to the store: it would train for nothing.
    fn check_disk(&self, disk: &Disk) -> Result<()> {
        let store = self.request.store;
        let Some(free) = store.free_bytes().filter(|free| *free < disk.least) else { return Ok(()) };
        let message = format!("it adds at least {} to the store, and {} are free", bytes(disk.least), bytes(free));
        let error = Error::new(Kind::Store, message).at(store.root());
        let policy = GcPolicy { dry_run: true, ..GcPolicy::default() };
        // Beside this run a collection keeps what is young; it is asked for what goes when the run has ended.
        let freed = |would: Collected| would.bytes.max(would.gone.iter().map(|gone| gone.bytes).sum());
        let hint = match store.gc(&policy).map_or(0, freed) {
            0 => "`pleach cache gc` would free nothing; `--older-than` or `--max-size` would free results".to_owned(),
            freed => format!("`pleach cache gc` would free {}", bytes(freed)),
        };
        Err(error.hint(hint).hint("`--cache DIR` names a store on another disk"))
    }

    /// How much a stage computes, whose inputs are there.
    fn work(&self, stage: usize) -> Work {
        let Request { manifest, store, .. } = *self.request;
        let record = |stage: usize| match &self.states[stage] {
            State::Done(record) => Some(&**record),
            _ => None,
        };
        Graphs::new(manifest, store, &record).work(stage)
    }

    /// Gives a stage that waits to a worker. False when there is no worker left.
    fn begin(&mut self, place: (usize, usize), threads: usize, tasks: &Sender<Task>) -> bool {
        let Some(Candidate { task, demand, disk }) = self.waiting.remove(&place) else { return false };
        let (_, stage) = place;
        if !self.is_ready(stage) {
            // It has lost an input since it was looked at, and is looked at again when that is there.
            return true;
        }
        if let Err(error) = self.check_disk(&disk) {
            self.fail(stage, error);
            return true;
        }
        if self.shares.exceeds(&demand) && self.short_of_memory.insert(stage) {
            let needs = demand.memory.saturating_add(demand.data.as_ref().map_or(0, |(_, bytes)| *bytes));
            let (needs, budget) = (bytes(needs), bytes(self.request.options.memory));
            let message =
                format!("needs about {needs}, more than the {budget} of `--memory`, and runs with nothing beside it");
            self.tell(Event::Note { stage: task.name.clone(), message });
        }
        self.states[stage] = State::Running;
        let beside = self.shares.running();
        let gpu = self.shares.begin(stage, &demand, threads);
        let device = gpu.map_or(Device::Cpu, |gpu| Device::Cuda(self.request.options.devices.gpus[gpu].clone()));
        self.tell_of_precision(&task, &device);
        if tasks.send(Task { threads, beside, device, ..task }).is_err() {
            self.shares.end(stage);
            self.fail(stage, Error::new(Kind::Internal, "no worker is left"));
            return false;
        }
        true
    }

    /// Says once in a run that the processor always computes in `f32`, if a stage that begins on it asks for less.
    fn tell_of_precision(&mut self, task: &Task, device: &Device) {
        let less = task.description.parameters.training().is_some_and(|training| !training.precision.is_f32());
        if less && *device == Device::Cpu && !std::mem::replace(&mut self.told_of_precision, true) {
            let message = "its `precision` is for GPUs; on the CPU products are always `f32`".to_owned();
            self.tell(Event::Note { stage: task.name.clone(), message });
        }
    }

    /// Says once of each stage that nothing but memory keeps it from running.
    fn tell_who_waits_for_memory(&mut self) {
        let waits = |candidate: &&Candidate| self.shares.admit(&candidate.demand, 0) == Err(Wait::Memory);
        let short: Vec<(usize, String, u64)> = self
            .waiting
            .values()
            .filter(waits)
            .map(|candidate| (candidate.task.stage, candidate.task.name.clone(), candidate.demand.memory))
            .collect();
        for (stage, name, needs) in short {
            if self.short_of_memory.insert(stage) {
                let (needs, budget) = (bytes(needs), bytes(self.request.options.memory));
                let message =
                    format!("waits for memory: it needs about {needs}, and {budget} are for all stages (`--memory`)");
                self.tell(Event::Note { stage: name, message });
            }
        }
    }
}
