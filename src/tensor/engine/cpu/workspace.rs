//! The memory of one run, and the run itself: step after step, and back.

use std::sync::Arc;

use dfdx::tensor::CpuError;
use rayon::prelude::*;

use super::convolution::{Convolution, Incoming, Outgoing};
use super::memory::{Buffer, Memory};
use super::normalize::Normalize;
use super::{Kernel, Plan, others};
use crate::error::{Error, Kind, Result};
use crate::tensor::backend::length;
use crate::tensor::engine::{Operation, Run, Value};
use crate::tensor::ops::batch_norm::Statistics;
use crate::tensor::partition::ELEMENTS;
use crate::tensor::recording::expect_length;
use crate::tensor::simd::map::{self, Function};
use crate::tensor::simd::slide::Finish;
use crate::tensor::{Backend, Cpu};

/// The memory of one run.
#[derive(Debug)]
pub(super) struct Workspace {
    plan: Arc<Plan>,
    memory: Memory,
    kernels: Vec<Kernel>,
    parameters: Vec<Vec<f32>>,
    gradients_of_parameters: Vec<Vec<f32>>,
    values: Vec<Option<Buffer>>,
    gradients: Vec<Option<Buffer>>,
    /// Of a convolution that measures, the sums over its tiles.
    moments: Vec<Option<Buffer>>,
    factors: Vec<Option<Vec<f32>>>,
    batch: usize,
}

impl Workspace {
    pub(super) fn new(plan: &Arc<Plan>) -> Option<Self> {
        let program = &plan.program;
        let kernels = program.steps.iter().map(|step| Kernel::new(&step.operation)).collect::<Option<_>>()?;
        let zeros = || program.parameters.iter().map(|length| vec![0.0; *length]).collect();
        let none = |count: usize| (0..count).map(|_| None).collect::<Vec<Option<Buffer>>>();
        Some(Self {
            plan: Arc::clone(plan),
            memory: Memory::default(),
            kernels,
            parameters: zeros(),
            gradients_of_parameters: zeros(),
            values: none(program.steps.len() + 1),
            gradients: none(program.steps.len() + 1),
            moments: none(program.steps.len()),
            factors: program.steps.iter().map(|_| None).collect(),
            batch: 0,
        })
    }

    pub(super) fn begin(&mut self, run: &Run<Cpu>) -> Result<()> {
        self.batch = run.batch;
        let program = &self.plan.program;
        expect_length("the images", run.pixels, &[run.batch, program.sizes[0]])?;
        if run.parameters.len() != self.parameters.len() {
            return Err(Error::new(Kind::Internal, "a network with other parameters"));
        }
        let parameters = self.parameters.par_iter_mut().zip(run.parameters);
        parameters.try_for_each(|(values, parameter)| {
            expect_length("a parameter", parameter, &[values.len()])?;
            parameter.copy_into(values);
            Ok::<(), Error>(())
        })?;
        let mut image = self.memory.take(length(run.pixels)).map_err(Cpu::error)?;
        run.pixels.copy_into(&mut image);
        self.values[0] = Some(image);
        self.factors.iter_mut().for_each(|factors| *factors = None);
        for (step, factors) in &run.factors {
            self.factors[*step] = Some(factors.clone());
        }
        Ok(())
    }

    /// Gives all memory back.
    pub(super) fn end(&mut self) {
        let buffers = self.values.iter_mut().chain(&mut self.gradients).chain(&mut self.moments);
        for buffer in buffers.filter_map(Option::take) {
            self.memory.give(buffer);
        }
    }

    pub(super) fn value(&self, value: Value) -> &[f32] {
        // Steps run in an order in which what they read is there; a value that is not has no numbers.
        self.values[value].as_deref().unwrap_or_default()
    }

    /// Runs all steps. Values stay if they are to be read on the way back.
    ///
    /// # Errors
    /// When the system has no room for a value; the workspace is then of no more use.
    pub(super) fn forward(&mut self, keep: bool, training: bool) -> Result<Vec<(usize, Statistics)>, CpuError> {
        let plan = Arc::clone(&self.plan);
        let mut statistics = Vec::new();
        let mut readers = if keep { Vec::new() } else { plan.readers.clone() };
        for (number, step) in plan.program.steps.iter().enumerate() {
            if !training && plan.normalization_behind[number].is_some() {
                // Computed with the normalization.
                continue;
            }
            let mut y = self.memory.take(self.batch.saturating_mul(plan.program.sizes[number + 1]))?;
            let mut kernel = std::mem::replace(&mut self.kernels[number], Kernel::Other);
            match (&mut kernel, &step.operation) {
                (Kernel::Convolution(convolution), operation) => {
                    self.convolve(number, convolution, operation, &mut y)?
                }
                (Kernel::Normalize(normalize), Operation::Normalize { parameters, .. }) if training => {
                    statistics.push((number, self.normalize(number, normalize, parameters, &mut y)?));
                }
                (Kernel::Normalize(normalize), Operation::Normalize { parameters, .. }) => {
                    self.normalize_frozen(number, normalize, parameters, &mut y);
                }
                (_, operation) => {
                    let inputs: Vec<&[f32]> = step.inputs.iter().map(|value| self.value(*value)).collect();
                    others::forward(operation, &inputs, self.factors[number].as_deref(), &mut y, self.batch);
                }
            }
            self.kernels[number] = kernel;
            self.values[number + 1] = Some(y);
            if !keep {
                let before = plan.convolution_before[number].filter(|_| !training);
                let inputs = before.map_or(&[][..], |before| &plan.program.steps[before].inputs);
                for value in step.inputs.iter().chain(inputs) {
                    readers[*value] -= 1;
                    if readers[*value] == 0
                        && let Some(buffer) = self.values[*value].take()
                    {
                        self.memory.give(buffer);
                    }
                }
            }
        }
        Ok(statistics)
    }

    fn convolve(
        &mut self,
        number: usize,
        convolution: &mut Convolution,
        operation: &Operation,
        y: &mut [f32],
    ) -> Result<(), CpuError> {
        let (Operation::Convolution { weight, bias, .. } | Operation::Linear { weight, bias, .. }) = operation else {
            return Ok(());
        };
        convolution.pack_forward(&self.parameters[*weight]);
        let finish = bias.map_or(Finish::Write, |bias| Finish::Bias(&self.parameters[bias]));
        let mut moments = match self.plan.normalization_behind[number].map(|behind| &self.kernels[behind]) {
            Some(Kernel::Normalize(normalize)) => {
                Some(self.memory.take(2 * normalize.channels * convolution.tiles(self.batch))?)
            }
            _ => None,
        };
        let x = self.values[self.plan.program.steps[number].inputs[0]].as_deref().unwrap_or_default();
        convolution.forward(x, y, finish, moments.as_deref_mut());
        self.moments[number] = moments;
        Ok(())
    }

    /// With the batch's own statistics.
    fn normalize(
        &mut self,
        number: usize,
        normalize: &mut Normalize,
        [weight, bias, _, _]: &[usize; 4],
        y: &mut [f32],
    ) -> Result<Statistics, CpuError> {
        let inputs = &self.plan.program.steps[number].inputs;
        let x = self.values[inputs[0]].as_deref().unwrap_or_default();
        let before = self.plan.convolution_before[number];
        let (moments, share) = match before.and_then(|before| Some((self.moments[before].take()?, before))) {
            Some((moments, before)) => {
                let Kernel::Convolution(convolution) = &self.kernels[before] else {
                    return Ok(Statistics::default());
                };
                (moments, convolution.windows.tile * convolution.windows.output)
            }
            None => {
                let mut moments = self.memory.take(normalize.moments(x.len()))?;
                let share = normalize.measure(x, &mut moments);
                (moments, share)
            }
        };
        let statistics = normalize.statistics(x, &moments, share);
        normalize.settle(&statistics.mean, &statistics.variance, &self.parameters[*weight], &self.parameters[*bias]);
        normalize.apply(x, inputs.get(1).map(|other| self.value(*other)), y);
        self.memory.give(moments);
        Ok(statistics)
    }

    /// With the running statistics, together with the convolution before it if there is one.
    fn normalize_frozen(&mut self, number: usize, normalize: &mut Normalize, parameters: &[usize; 4], y: &mut [f32]) {
        let [weight, bias, mean, variance] = parameters.map(|number| &self.parameters[number][..]);
        normalize.settle(mean, variance, weight, bias);
        let plan = Arc::clone(&self.plan);
        let inputs = &plan.program.steps[number].inputs;
        let other = inputs.get(1).copied();
        let Some(before) = plan.convolution_before[number] else {
            return normalize.apply(self.value(inputs[0]), other.map(|other| self.value(other)), y);
        };
        let step = &plan.program.steps[before];
        let mut kernel = std::mem::replace(&mut self.kernels[before], Kernel::Other);
        if let (Kernel::Convolution(convolution), Operation::Convolution { weight, bias, .. }) =
            (&mut kernel, &step.operation)
        {
            convolution.pack_forward(&self.parameters[*weight]);
            if let Some(bias) = bias {
                let shift = normalize.shift.iter_mut().zip(&normalize.scale).zip(&self.parameters[*bias]);
                shift.for_each(|((shift, scale), bias)| *shift += scale * bias);
            }
            let function: Function = normalize.after.into();
            let other = other.map(|other| self.value(other));
            let relu = function == Function::Relu;
            let finish = Finish::Affine { scale: &normalize.scale, shift: &normalize.shift, other, relu };
            convolution.forward(self.value(step.inputs[0]), y, finish, None);
            if !relu && function != Function::Identity {
                y.par_chunks_mut(ELEMENTS).for_each(|y| map::apply(y, function));
            }
        }
        self.kernels[before] = kernel;
    }

    /// Runs all steps backwards from the gradients of what was asked for.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub(super) fn backward(&mut self, incoming: Vec<Vec<f32>>) -> Result<(), CpuError> {
        let plan = Arc::clone(&self.plan);
        self.gradients_of_parameters.iter_mut().for_each(|gradient| gradient.fill(0.0));
        for (value, gradient) in plan.program.outputs.iter().zip(incoming) {
            let (mut buffer, add) = self.gradient(*value)?;
            map::give(&mut buffer, &gradient, add);
            self.gradients[*value] = Some(buffer);
        }
        for (number, step) in plan.program.steps.iter().enumerate().rev() {
            let g = self.gradients[number + 1].take();
            if let (Some(mut g), true) = (g, step.needs_gradient) {
                let mut kernel = std::mem::replace(&mut self.kernels[number], Kernel::Other);
                match (&mut kernel, &step.operation) {
                    (Kernel::Convolution(convolution), operation) => {
                        self.convolve_back(number, convolution, operation, &g)?;
                        self.memory.give(g);
                    }
                    (Kernel::Normalize(normalize), Operation::Normalize { parameters, .. }) => {
                        self.normalize_back(number, normalize, parameters, g)?;
                    }
                    (_, operation) => {
                        for (place, value) in step.inputs.iter().enumerate() {
                            if !self.needs_gradient(*value) {
                                continue;
                            }
                            let (mut dx, add) = self.gradient(*value)?;
                            let inputs: Vec<&[f32]> = step.inputs.iter().map(|value| self.value(*value)).collect();
                            let factors = self.factors[number].as_deref();
                            let y = self.value(number + 1);
                            others::backward(
                                operation,
                                place,
                                (&inputs, y),
                                factors,
                                &mut g,
                                (&mut dx, add),
                                self.batch,
                            );
                            self.gradients[*value] = Some(dx);
                        }
                        self.memory.give(g);
                    }
                }
                self.kernels[number] = kernel;
            }
            // Everything that read it has run backwards.
            if let Some(value) = self.values[number + 1].take() {
                self.memory.give(value);
            }
        }
        Ok(())
    }

    fn needs_gradient(&self, value: Value) -> bool {
        value.checked_sub(1).is_some_and(|step| self.plan.program.steps[step].needs_gradient)
    }

    /// The gradient of a value so far, to be added to; or memory for it, to be written.
    fn gradient(&mut self, value: Value) -> Result<(Buffer, bool), CpuError> {
        Ok(match self.gradients[value].take() {
            Some(gradient) => (gradient, true),
            None => (self.memory.take(self.batch * self.plan.program.sizes[value])?, false),
        })
    }

    fn convolve_back(
        &mut self,
        number: usize,
        convolution: &mut Convolution,
        operation: &Operation,
        g: &[f32],
    ) -> Result<(), CpuError> {
        let (Operation::Convolution { weight, bias, .. } | Operation::Linear { weight, bias, .. }) = operation else {
            return Ok(());
        };
        let input = self.plan.program.steps[number].inputs[0];
        let mut dx = if self.needs_gradient(input) { Some(self.gradient(input)?) } else { None };
        let mut sums = self.memory.take(convolution.sums(self.batch))?;
        let mut dweight = std::mem::take(&mut self.gradients_of_parameters[*weight]);
        let mut dbias = bias.map(|bias| std::mem::take(&mut self.gradients_of_parameters[bias]));
        let through = self.plan.normalization_behind[number].and_then(|behind| match &self.kernels[behind] {
            Kernel::Normalize(normalize) => Some((normalize.through(), self.value(number + 1))),
            _ => None,
        });
        let outgoing = Outgoing {
            dx: dx.as_mut().map(|(dx, add)| (&mut dx[..], *add)),
            dweight: &mut dweight,
            // A constant before a normalization changes nothing.
            dbias: dbias.as_deref_mut().filter(|_| through.is_none()),
        };
        let x = self.value(input);
        convolution.backward(x, &self.parameters[*weight], Incoming { g, through }, outgoing, &mut sums);
        self.memory.give(sums);
        self.gradients_of_parameters[*weight] = dweight;
        if let (Some(bias), Some(dbias)) = (bias, dbias) {
            self.gradients_of_parameters[*bias] = dbias;
        }
        if let Some((dx, _)) = dx {
            self.gradients[input] = Some(dx);
        }
        Ok(())
    }

    fn normalize_back(
        &mut self,
        number: usize,
        normalize: &mut Normalize,
        parameters: &[usize; 4],
        mut g: Buffer,
    ) -> Result<(), CpuError> {
        let plan = Arc::clone(&self.plan);
        let inputs = &plan.program.steps[number].inputs;
        let mut other = match inputs.get(1).filter(|other| self.needs_gradient(**other)) {
            Some(other) => Some((*other, self.gradient(*other)?)),
            None => None,
        };
        let [mut dweight, mut dbias] =
            [parameters[0], parameters[1]].map(|number| std::mem::take(&mut self.gradients_of_parameters[number]));
        let mut memory = std::mem::take(&mut self.memory);
        let (x, y) = (self.value(inputs[0]), self.value(number + 1));
        let given = other.as_mut().map(|(_, (dx, add))| (&mut dx[..], *add));
        let gathered = normalize.gather([x, y], &mut g, given, [&mut dweight, &mut dbias], &mut memory);
        self.memory = memory;
        gathered?;
        self.gradients_of_parameters[parameters[0]] = dweight;
        self.gradients_of_parameters[parameters[1]] = dbias;
        if let Some((value, (dx, _))) = other {
            self.gradients[value] = Some(dx);
        }
        if plan.convolution_before[number].is_some() {
            // The convolution leads it through.
            self.gradients[inputs[0]] = Some(g);
            return Ok(());
        }
        if self.needs_gradient(inputs[0]) {
            let (mut dx, add) = self.gradient(inputs[0])?;
            normalize.pass_through(&g, self.value(inputs[0]), &mut dx, add);
            self.gradients[inputs[0]] = Some(dx);
        }
        self.memory.give(g);
        Ok(())
    }

    /// The gradients of parameters that have one.
    pub(super) fn trained(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let numbers = self.plan.program.steps.iter().flat_map(|step| match &step.operation {
            Operation::Convolution { weight, bias, .. } | Operation::Linear { weight, bias, .. } => {
                [Some(*weight), *bias]
            }
            Operation::Normalize { parameters, .. } => [Some(parameters[0]), Some(parameters[1])],
            _ => [None, None],
        });
        numbers.flatten().map(|number| (number, &self.gradients_of_parameters[number][..]))
    }
}
