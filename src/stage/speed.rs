//! How fast this machine computes a network, by a short measurement: for an estimate of time where nothing like it has run.

use std::time::Instant;

use crate::network::{Executor, Graph, Mode, Model};
use crate::tensor::{Backend, Cpu, NoneTape};

/// About how many multiply-adds a measurement takes.
const WORK: u64 = 500_000_000;

/// The most images in it.
const IMAGES: u64 = 64;

/// The most parameters of a network that is measured: its weights are drawn first.
const PARAMETERS: u64 = 50_000_000;

/// Multiply-adds a second of the processor on `graph`, forward. `None` when it is too large to be measured in passing.
pub fn forward(graph: &Graph) -> Option<f64> {
    let macs = graph.macs().max(1);
    if graph.parameter_count() > PARAMETERS || macs > 40 * WORK {
        return None;
    }
    let images = (WORK / macs).clamp(1, IMAGES) as usize;
    let model = Model::initialise(graph.clone(), 0).ok()?;
    let network = Executor::new(&model, &Cpu::default()).ok()?;
    let pixels = vec![0.5; images * graph.input.iter().product::<usize>()];
    let pass = || {
        let begun = Instant::now();
        let pixels = network.device().upload(&pixels).ok()?;
        let forward = network.forward(pixels, images, Mode::Evaluate, &[], &mut NoneTape).ok()?;
        Cpu::download(&forward.logits);
        Some(begun.elapsed().as_secs_f64())
    };
    pass()?;
    let seconds = pass()?.min(pass()?);
    (seconds > 0.0).then(|| (macs * images as u64) as f64 / seconds)
}
