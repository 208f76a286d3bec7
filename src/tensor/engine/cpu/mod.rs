//! The engine of the processor.
//!
//! - this file: a program with its kernels, on dfdx's tape
//! - `workspace`: the order of steps, and whose memory is whose
//! - `convolution`: dense, depthwise and linear; `columns`: the gradient of very many weights; `window`: their tables
//! - `normalize`: batch normalization with its neighbours
//! - `others`: all other steps
//! - `memory`: buffers that are used again

mod columns;
mod convolution;
mod memory;
mod normalize;
mod others;
mod window;
mod workspace;

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use convolution::Convolution;
use normalize::Normalize;
use workspace::Workspace;

use super::{Operation, Outcome, Program, Run};
use crate::error::{Error, Kind, Result};
use crate::tensor::geometry::{Convolution as Geometry, Window};
use crate::tensor::partition::ELEMENTS;
use crate::tensor::recording::tensor;
use crate::tensor::simd::map;
use crate::tensor::{Backend, Cpu, Flat, Tape};

/// A program on the processor.
#[derive(Debug)]
pub struct Engine {
    program: Arc<Plan>,
    /// Memory of runs that are over.
    idle: Arc<Mutex<Vec<Workspace>>>,
}

/// A program, and what its neighbours do for each other.
#[derive(Debug)]
struct Plan {
    program: Program,
    /// Of a normalization, the convolution before it, whose output nobody else reads.
    convolution_before: Vec<Option<usize>>,
    /// Of a convolution, the normalization that it measures for.
    normalization_behind: Vec<Option<usize>>,
    /// How many steps read each value, and one more if it is asked for.
    readers: Vec<usize>,
}

/// What a step keeps between its runs.
#[derive(Debug)]
enum Kernel {
    Convolution(Box<Convolution>),
    Normalize(Box<Normalize>),
    Other,
}

impl Engine {
    /// None if there is an operation that it has no kernel for; the caller then runs the operations one by one.
    pub fn new(program: Program) -> Option<Self> {
        let plan = Arc::new(Plan::new(program));
        let first = Workspace::new(&plan)?;
        Some(Self { program: plan, idle: Arc::new(Mutex::new(vec![first])) })
    }

    /// Runs the program.
    ///
    /// # Errors
    /// When sizes are wrong, and with `Kind::DeviceMemory` when the system has no room for a value.
    pub fn run<T: Tape<f32, Cpu>>(&self, run: Run<Cpu>, tape: &mut T) -> Result<Outcome<Cpu>> {
        let device = run.pixels.device().clone();
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let fresh =
            || Workspace::new(&self.program).ok_or_else(|| Error::new(Kind::Internal, "a network without kernels"));
        let mut workspace = idle.map_or_else(fresh, Ok)?;
        workspace.begin(&run)?;
        let statistics = workspace.forward(run.training && T::OWNS_TAPE, run.training).map_err(Cpu::error)?;
        let statistics = statistics.into_iter().map(|(step, of_batch)| Ok((step, of_batch.into_tensors(&device)?)));
        let statistics = statistics.collect::<Result<_>>()?;
        let outputs =
            self.program.program.outputs.iter().map(|value| tensor(&device, workspace.value(*value).to_vec()));
        let outputs: Vec<Flat<Cpu>> = outputs.collect::<Result<_>>()?;
        if !(run.training && T::OWNS_TAPE) {
            workspace.end();
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
            return Ok(Outcome { outputs, statistics });
        }
        let ghosts: Vec<_> = outputs.iter().map(|output| output.ghost()).collect();
        let parameters: Vec<_> = run.parameters.iter().map(|parameter| parameter.ghost()).collect();
        let idle = Arc::clone(&self.idle);
        tape.add_backward_op(move |gradients| {
            let mut incoming = Vec::with_capacity(ghosts.len());
            for ghost in &ghosts {
                incoming.push(std::mem::take(&mut **gradients.get_or_alloc_mut(ghost)?));
            }
            workspace.backward(incoming)?;
            for (number, values) in workspace.trained() {
                let slot: &mut Vec<f32> = gradients.get_or_alloc_mut(&parameters[number])?;
                let shares = slot.par_chunks_mut(ELEMENTS).zip(values.par_chunks(ELEMENTS));
                shares.for_each(|(slot, values)| map::give(slot, values, true));
            }
            workspace.end();
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
            Ok(())
        });
        Ok(Outcome { outputs, statistics })
    }
}

impl Plan {
    fn new(program: Program) -> Self {
        let steps = &program.steps;
        let mut readers = vec![0; steps.len() + 1];
        steps.iter().flat_map(|step| &step.inputs).chain(&program.outputs).for_each(|value| readers[*value] += 1);
        let mut convolution_before = vec![None; steps.len()];
        let mut normalization_behind = vec![None; steps.len()];
        for (number, step) in steps.iter().enumerate() {
            let (Operation::Normalize { .. }, Some(before)) = (&step.operation, step.inputs[0].checked_sub(1)) else {
                continue;
            };
            let is_convolution = matches!(steps[before].operation, Operation::Convolution { .. });
            if is_convolution && readers[before + 1] == 1 {
                convolution_before[number] = Some(before);
                normalization_behind[before] = Some(number);
            }
        }
        Self { program, convolution_before, normalization_behind, readers }
    }
}

impl Kernel {
    fn new(operation: &Operation) -> Option<Self> {
        Some(match operation {
            Operation::Convolution { geometry, .. } => Self::Convolution(Box::new(Convolution::new(geometry)?)),
            Operation::Linear { features: [in_channels, out_channels], .. } => {
                let window = Window { kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] };
                let (in_channels, out_channels) = (*in_channels, *out_channels);
                let geometry = Geometry { batch: 1, input: [1, 1], in_channels, out_channels, window, groups: 1 };
                Self::Convolution(Box::new(Convolution::new(&geometry)?))
            }
            Operation::Normalize { channels, epsilon, after, .. } => {
                Self::Normalize(Box::new(Normalize::new(*channels, *epsilon, *after)))
            }
            _ => Self::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use dfdx::tensor::NoneTape;

    use super::*;
    use crate::tensor::engine::{Precision, Step};

    #[test]
    fn a_value_that_no_memory_has_room_for_is_an_error() {
        let device = Cpu::default();
        let step = |size| Program {
            sizes: vec![4, size],
            steps: vec![Step { operation: Operation::Flatten { channels: 1 }, inputs: vec![0], needs_gradient: false }],
            parameters: Vec::new(),
            outputs: vec![1],
            precision: Precision::F32,
        };
        let pixels = device.upload(&[1.0; 8]).unwrap();
        let run = || Run { pixels: &pixels, batch: 2, parameters: &[], training: false, factors: Vec::new() };
        for size in [1 << 50, usize::MAX] {
            let error = Engine::new(step(size)).unwrap().run(run(), &mut NoneTape).err();
            assert_eq!(error.map(|error| error.kind), Some(Kind::DeviceMemory));
        }
        assert_eq!(Engine::new(step(4)).unwrap().run(run(), &mut NoneTape).unwrap().outputs[0].as_vec(), [1.0; 8]);
    }
}
