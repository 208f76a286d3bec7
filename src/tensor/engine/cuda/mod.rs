//! The engine of a GPU.
//!
//! - this file: a program on dfdx's tape
//! - `layout`: where everything lies in memory
//! - `workspace`: the memory of a run, and the run itself, recorded once and then done at a stroke
//! - [`steps`]: the kernels of all steps but convolutions and normalizations

mod layout;
pub(crate) mod steps;
#[cfg(test)]
mod tests;
mod workspace;

use std::sync::{Arc, Mutex, PoisonError};

use dfdx::tensor::Cuda;

use super::{Outcome, Program, Run};
use crate::error::{Kind, Result};
use crate::tensor::cuda::launch::{Pointer, copy};
use crate::tensor::cuda::recording::{device, expect_length, place, pointer, zeros};
use crate::tensor::{Flat, Tape};
use layout::Kernel;
use workspace::Workspace;

/// A program on a GPU.
#[derive(Debug)]
pub struct Engine {
    plan: Arc<Plan>,
    /// Memory of runs that are over, the last used last.
    idle: Arc<Mutex<Vec<Workspace>>>,
}

/// A program with its kernels.
#[derive(Debug)]
struct Plan {
    program: Program,
    kernels: Vec<Kernel>,
}

/// At most how many runs' memory is kept: that of a full batch and that of the last, smaller one.
const IDLE: usize = 2;

impl Engine {
    /// None if there is an operation that it has no kernel for; the caller then runs the operations one by one.
    pub fn new(program: Program) -> Option<Self> {
        let kernels = program
            .steps
            .iter()
            .map(|step| Kernel::new(&step.operation, program.precision))
            .collect::<Result<_>>()
            .ok()?;
        Some(Self { plan: Arc::new(Plan { program, kernels }), idle: Arc::default() })
    }

    /// Runs the program. The statistics it gives are good until it runs again.
    ///
    /// # Errors
    /// When sizes are wrong, and when the GPU has no room.
    pub fn run<T: Tape<f32, Cuda>>(&self, run: Run<Cuda>, tape: &mut T) -> Result<Outcome<Cuda>> {
        let program = &self.plan.program;
        let device = device(run.pixels);
        expect_length("the images", run.pixels, &[run.batch, program.sizes[0]])?;
        for (parameter, length) in run.parameters.iter().zip(&program.parameters) {
            expect_length("a parameter", parameter, &[*length])?;
        }
        let mut workspace = self.workspace(&run, &device)?;
        let statistics = workspace.forward(&run)?;
        let mut outputs: Vec<Flat<Cuda>> = Vec::with_capacity(program.outputs.len());
        for value in &program.outputs {
            let (place, length) = workspace.value(*value);
            let output = zeros(&device, length)?;
            copy(place, pointer(&output)?, length)?;
            outputs.push(output);
        }
        if !T::OWNS_TAPE {
            give_back(&self.idle, workspace);
            return Ok(Outcome { outputs, statistics });
        }
        let ghosts: Vec<_> = outputs.iter().map(|output| output.ghost()).collect();
        let parameters: Vec<_> = run.parameters.iter().map(|parameter| parameter.ghost()).collect();
        // Kernels read the values of parameters on the way back too.
        let kept: Vec<Flat<Cuda>> = run.parameters.iter().map(|parameter| (*parameter).clone()).collect();
        let idle = Arc::clone(&self.idle);
        let plan = Arc::clone(&self.plan);
        tape.add_backward_op(move |gradients| {
            let mut incoming = Vec::with_capacity(ghosts.len());
            for ghost in &ghosts {
                incoming.push(place(gradients.get_or_alloc_mut(ghost)?));
            }
            let mut own = vec![Pointer::NONE; parameters.len()];
            for number in trained(&plan.program) {
                own[number] = place(gradients.get_or_alloc_mut(&parameters[number])?);
            }
            workspace.backward(&incoming, &own).map_err(crate::tensor::cuda::dfdx_error)?;
            drop(kept);
            give_back(&idle, workspace);
            Ok(())
        });
        Ok(Outcome { outputs, statistics })
    }

    /// Memory for a run: that of an earlier one of the same kind, or new. When there is no room, that of others goes.
    fn workspace(&self, run: &Run<Cuda>, device: &Cuda) -> Result<Workspace> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = idle().iter().position(|workspace| workspace.fits(run.batch, run.training));
        if let Some(place) = fitting {
            return Ok(idle().remove(place));
        }
        match Workspace::new(&self.plan, run.batch, run.training, device) {
            Err(error) if error.kind == Kind::DeviceMemory && !idle().is_empty() => {
                idle().clear();
                Workspace::new(&self.plan, run.batch, run.training, device)
            }
            other => other,
        }
    }
}

fn give_back(idle: &Mutex<Vec<Workspace>>, workspace: Workspace) {
    let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
    if idle.len() >= IDLE {
        idle.remove(0);
    }
    idle.push(workspace);
}

/// The numbers of parameters that have gradients.
fn trained(program: &Program) -> impl Iterator<Item = usize> {
    use super::Operation;
    let numbers = program.steps.iter().flat_map(|step| match &step.operation {
        Operation::Convolution { weight, bias, .. } | Operation::Linear { weight, bias, .. } => [Some(*weight), *bias],
        Operation::Normalize { parameters, .. } => [Some(parameters[0]), Some(parameters[1])],
        _ => [None, None],
    });
    numbers.flatten()
}
