//! The memory of one run, and the run itself: step after step, and back.
//!
//! Addresses do not change from run to run, so the launches of both ways are recorded when they are seen for the second time
//! and from then on done at a stroke.

use std::sync::Arc;

use dfdx::tensor::Cuda;

use super::Plan;
use super::layout::{Kernel, Layout, needs_gradient};
use super::steps::{self, Values};
use crate::error::{Error, Kind, Result};
use crate::tensor::cuda::launch::{Graph, Memory, Pointer, copy, expect_matrix_units, send, taken};
use crate::tensor::cuda::recording::{pointer, zeros};
use crate::tensor::engine::{Operation, Run, Value};
use crate::tensor::ops::batch_norm::BatchStatistics;

/// Work that is recorded once its addresses have come twice.
#[derive(Debug, Default)]
struct Recorded {
    addresses: Vec<Pointer>,
    graph: Option<Graph>,
}

impl Recorded {
    /// Does `work`, which launches the same whenever it is given the same addresses.
    fn run(&mut self, addresses: Vec<Pointer>, work: impl Fn(&[Pointer]) -> Result<()>) -> Result<()> {
        if self.addresses != addresses {
            // What a graph was recorded with may be gone.
            self.graph = None;
            self.addresses = addresses;
            return work(&self.addresses);
        }
        if self.graph.is_none() {
            self.graph = Some(Graph::record(|| work(&self.addresses))?);
        }
        self.graph.as_ref().map_or(Ok(()), Graph::launch)
    }
}

/// The memory of one run.
#[derive(Debug)]
pub(super) struct Workspace {
    room: Room,
    forward: Recorded,
    backward: Recorded,
    /// Mean and variance of every normalization, by step.
    statistics: Vec<Option<BatchStatistics<Cuda>>>,
}

/// Everything that has an address.
#[derive(Debug)]
struct Room {
    plan: Arc<Plan>,
    layout: Layout,
    memory: Memory,
    batch: usize,
    training: bool,
    /// Addresses of mean and variance of every normalization, by step.
    statistics: Vec<Option<[Pointer; 2]>>,
    /// Which steps have factors.
    scaled: Vec<bool>,
    /// Of the run's parameters; those of gradients follow on the way back.
    parameters: Vec<Pointer>,
}

impl Workspace {
    pub(super) fn new(plan: &Arc<Plan>, batch: usize, training: bool, device: &Cuda) -> Result<Self> {
        let program = &plan.program;
        if !program.precision.is_f32() {
            expect_matrix_units()?;
        }
        let layout = Layout::new(program, &plan.kernels, batch, training)?;
        let memory = Memory::new(layout.total)?;
        let mut statistics = Vec::with_capacity(program.steps.len());
        for (step, kernel) in program.steps.iter().zip(&plan.kernels) {
            statistics.push(match kernel {
                Kernel::Normalize(normalize) if training => {
                    let count = batch * program.sizes[step.inputs[0]] / normalize.channels;
                    let (mean, variance) = (zeros(device, normalize.channels)?, zeros(device, normalize.channels)?);
                    Some(BatchStatistics { mean, variance, count })
                }
                _ => None,
            });
        }
        let places =
            |statistics: &BatchStatistics<Cuda>| Ok([pointer(&statistics.mean)?, pointer(&statistics.variance)?]);
        let addresses = statistics.iter().map(|one| one.as_ref().map(places).transpose()).collect::<Result<_>>()?;
        let scaled = vec![false; program.steps.len()];
        let plan = Arc::clone(plan);
        let room =
            Room { plan, layout, memory, batch, training, statistics: addresses, scaled, parameters: Vec::new() };
        Ok(Self { room, forward: Recorded::default(), backward: Recorded::default(), statistics })
    }

    /// Whether it is for runs of this kind.
    pub(super) fn fits(&self, batch: usize, training: bool) -> bool {
        self.room.batch == batch && self.room.training == training
    }

    /// Where a value is, and its length.
    pub(super) fn value(&self, value: Value) -> (Pointer, usize) {
        (self.room.value(value), self.room.length(value))
    }

    /// Runs all steps. In training, the statistics of every normalization, by step.
    pub(super) fn forward(&mut self, run: &Run<Cuda>) -> Result<Vec<(usize, BatchStatistics<Cuda>)>> {
        let room = &mut self.room;
        room.parameters.clear();
        for parameter in run.parameters {
            room.parameters.push(pointer(parameter)?);
        }
        let pixels = pointer(run.pixels)?;
        copy(pixels, room.value(0), room.length(0))?;
        taken(pixels)?;
        let scaled: Vec<bool> =
            (0..room.scaled.len()).map(|step| run.factors.iter().any(|(scaled, _)| *scaled == step)).collect();
        if room.scaled != scaled {
            // Other kernels run, or with other arguments.
            room.scaled = scaled;
            self.forward = Recorded::default();
            self.backward = Recorded::default();
        }
        for (step, factors) in &run.factors {
            let length =
                room.factors_of(*step).ok_or_else(|| Error::new(Kind::Internal, "factors for what is no scaling"))?;
            if factors.len() != length {
                return Err(Error::new(
                    Kind::Internal,
                    format!("{} factors where {length} were expected", factors.len()),
                ));
            }
            send(factors, room.own(*step))?;
        }
        let room = &self.room;
        self.forward.run(room.parameters.clone(), |_| room.forward())?;
        let statistics = self.statistics.iter().enumerate();
        Ok(statistics.filter_map(|(step, statistics)| Some((step, statistics.clone()?))).collect())
    }

    /// Brings the gradients of the outputs back, and adds those of parameters to where `own` says.
    pub(super) fn backward(&mut self, incoming: &[Pointer], own: &[Pointer]) -> Result<()> {
        let room = &self.room;
        let program = &room.plan.program;
        let mut seen = Vec::with_capacity(incoming.len());
        for (value, gradient) in program.outputs.iter().zip(incoming) {
            let Some(place) = room.gradient(*value) else { continue };
            if seen.contains(value) {
                return Err(Error::new(Kind::Internal, "a value that is asked for twice"));
            }
            seen.push(*value);
            copy(*gradient, place, room.length(*value))?;
        }
        let addresses = room.parameters.iter().chain(own).copied().collect();
        self.backward.run(addresses, |_| room.backward(own))
    }
}

impl Room {
    fn value(&self, value: Value) -> Pointer {
        self.memory.pointer().plus(self.layout.values[value])
    }

    fn length(&self, value: Value) -> usize {
        self.batch * self.plan.program.sizes[value]
    }

    fn gradient(&self, value: Value) -> Option<Pointer> {
        self.layout.gradients[value].map(|place| self.memory.pointer().plus(place))
    }

    /// What a step's kernel keeps.
    fn own(&self, step: usize) -> Pointer {
        self.memory.pointer().plus(self.layout.own[step])
    }

    fn scratch(&self) -> Pointer {
        self.memory.pointer().plus(self.layout.scratch)
    }

    /// How many factors a scaling step has.
    fn factors_of(&self, step: usize) -> Option<usize> {
        let program = &self.plan.program;
        match program.steps[step].operation {
            Operation::Scale { run } => Some(self.length(step + 1) / run),
            _ => None,
        }
    }

    /// The rows of a normalization.
    fn rows(&self, step: usize, channels: usize) -> usize {
        self.length(step + 1) / channels
    }

    fn forward(&self) -> Result<()> {
        for (number, (step, kernel)) in self.plan.program.steps.iter().zip(&self.plan.kernels).enumerate() {
            let (x, y) = (self.value(step.inputs[0]), self.value(number + 1));
            match (kernel, &step.operation) {
                (
                    Kernel::Convolution(convolution),
                    Operation::Convolution { weight, bias, .. } | Operation::Linear { weight, bias, .. },
                ) => {
                    let weights = [self.parameters[*weight], self.own(number)];
                    convolution.pack(weights[0], weights[1])?;
                    let bias = bias.map_or(Pointer::NONE, |bias| self.parameters[bias]);
                    convolution.forward(self.batch, x, weights, bias, y)?;
                }
                (Kernel::Normalize(normalize), Operation::Normalize { parameters, .. }) => {
                    let rows = self.rows(number, normalize.channels);
                    let [weight, bias, mean, variance] = parameters.map(|parameter| self.parameters[parameter]);
                    let statistics = self.statistics[number].unwrap_or([mean, variance]);
                    if self.statistics[number].is_some() {
                        normalize.measure(x, rows, statistics, self.scratch())?;
                    }
                    normalize.settle(statistics, [weight, bias], self.own(number))?;
                    let other = step.inputs.get(1).map_or(Pointer::NONE, |other| self.value(*other));
                    normalize.apply(x, rows, self.own(number), other, y)?;
                }
                (_, operation) => {
                    let inputs = self.inputs(number);
                    steps::forward(operation, self.values(number, &inputs))?;
                }
            }
        }
        Ok(())
    }

    fn inputs(&self, step: usize) -> Vec<(Pointer, usize)> {
        let inputs = &self.plan.program.steps[step].inputs;
        inputs.iter().map(|value| (self.value(*value), self.length(*value))).collect()
    }

    fn values<'a>(&self, step: usize, inputs: &'a [(Pointer, usize)]) -> Values<'a> {
        let factors = if self.scaled[step] { self.own(step) } else { Pointer::NONE };
        Values { inputs, output: (self.value(step + 1), self.length(step + 1)), factors, batch: self.batch }
    }

    /// `own` are the places of the gradients of parameters.
    fn backward(&self, own: &[Pointer]) -> Result<()> {
        let program = &self.plan.program;
        // Whether something is there that is to be added to.
        let mut begun = vec![false; program.sizes.len()];
        program.outputs.iter().for_each(|value| begun[*value] = true);
        for (number, (step, kernel)) in program.steps.iter().zip(&self.plan.kernels).enumerate().rev() {
            let Some(g) = self.gradient(number + 1).filter(|_| begun[number + 1]) else { continue };
            let mut given = |value: Value| {
                let place = self.gradient(value).filter(|_| needs_gradient(program, value));
                place.map(|place| (place, std::mem::replace(&mut begun[value], true)))
            };
            let x = self.value(step.inputs[0]);
            match (kernel, &step.operation) {
                (
                    Kernel::Convolution(convolution),
                    Operation::Convolution { weight, bias, .. } | Operation::Linear { weight, bias, .. },
                ) => {
                    convolution.backward_weights(self.batch, x, g, own[*weight], self.scratch())?;
                    if let Some(bias) = bias {
                        convolution.backward_bias(self.batch, g, own[*bias], self.scratch())?;
                    }
                    if let Some((dx, sum)) = given(step.inputs[0]) {
                        let weights = [self.parameters[*weight], self.own(number)];
                        convolution.backward_input(self.batch, g, weights, dx, sum)?;
                    }
                }
                (Kernel::Normalize(normalize), Operation::Normalize { parameters, .. }) => {
                    let (rows, tables) = (self.rows(number, normalize.channels), self.own(number));
                    let second = step.inputs.get(1).copied();
                    let other = second.map_or(Pointer::NONE, |other| self.value(other));
                    let (dother, sum) = second.and_then(&mut given).unwrap_or((Pointer::NONE, false));
                    let of_parameters = [own[parameters[0]], own[parameters[1]]];
                    let through = self.statistics[number].is_some();
                    let scratch = self.scratch();
                    normalize.gather(g, x, rows, tables, (other, dother, sum), of_parameters, through, scratch)?;
                    if let Some((dx, sum)) = given(step.inputs[0]) {
                        normalize.back(g, x, rows, tables, dx, sum)?;
                    }
                }
                (_, operation) => {
                    let inputs = self.inputs(number);
                    for (place, value) in step.inputs.iter().enumerate() {
                        if let Some(dx) = given(*value) {
                            steps::backward(operation, place, self.values(number, &inputs), g, dx)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
