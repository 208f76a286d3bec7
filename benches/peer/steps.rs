//! pleach's side: training steps as a training stage does them, and batches of inference.

use std::io::{BufRead, Write};
use std::time::Instant;

use pleach::error::Result;
use pleach::network::{Draws, Executor, Mode as Pass, Model};
use pleach::tensor::{self, Backend, Cpu, Flat, Gradients, NoneTape};
use pleach::train::optimizer::State;
use pleach::train::parameters::Optimizer;

use super::networks;
use super::protocol::{Measured, Mode, Request};

/// The optimizer of both sides.
const SGD: Optimizer = Optimizer::Sgd { lr: 0.01, momentum: 0.9, nesterov: false, weight_decay: 0.0, decay_all: false };

/// Answers requests until there are no more. A process is for one kind of request; only the seconds may change.
pub fn serve() {
    let before = kibibytes("VmRSS");
    let mut current: Option<Work> = None;
    for line in std::io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line.expect("text")).expect("a request");
        let work = current.get_or_insert_with(|| Work::new(&request).expect("memory"));
        let images_per_second = work.measure(request.seconds).expect("a step");
        let graph = work.network.graph();
        let measured = Measured {
            images_per_second,
            parameters: graph.parameter_count(),
            multiplications: graph.macs(),
            peak: kibibytes("VmHWM"),
            before,
        };
        let mut answers = std::io::stdout().lock();
        writeln!(answers, "{}", serde_json::to_string(&measured).expect("plain data")).expect("somebody listens");
    }
}

/// A network, a batch, and what is done with them again and again.
struct Work {
    mode: Mode,
    pool: rayon::ThreadPool,
    network: Executor<Cpu>,
    optimizer: State<Cpu>,
    pixels: Vec<f32>,
    labels: Vec<u32>,
    samples: Vec<u32>,
    steps: u64,
    /// The memory of images and of gradients, from step to step.
    input: Option<Flat<Cpu>>,
    idle: Option<Gradients<f32, Cpu>>,
}

impl Work {
    fn new(request: &Request) -> Result<Self> {
        let device = Cpu::default();
        let graph = networks::graph(&request.network);
        let count = request.batch * graph.input.iter().product::<usize>();
        let network = Executor::new(&Model::initialise(graph, 0)?, &device)?;
        let batch = request.batch as u32;
        Ok(Self {
            mode: request.mode,
            pool: rayon::ThreadPoolBuilder::new().num_threads(request.threads).build().expect("threads can be started"),
            optimizer: State::new(&SGD, network.parameters(), &device)?,
            network,
            pixels: (0..count).map(|i| (i * 7919 % 1009) as f32 / 291.0 - 1.73).collect(),
            labels: (0..batch).map(|i| i % networks::CLASSES as u32).collect(),
            samples: (0..batch).collect(),
            steps: 0,
            input: None,
            idle: None,
        })
    }

    /// Images a second over at least so many seconds, after a step that is not counted (at first three).
    fn measure(&mut self, seconds: f64) -> Result<f64> {
        for _ in 0..if self.steps == 0 { 3 } else { 1 } {
            self.step()?;
        }
        let (first, begun) = (self.steps, Instant::now());
        while self.steps == first || begun.elapsed().as_secs_f64() < seconds {
            self.step()?;
        }
        Ok(((self.steps - first) * self.labels.len() as u64) as f64 / begun.elapsed().as_secs_f64())
    }

    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        let Self { mode, pool, network, optimizer, pixels, labels, samples, steps, input, idle } = self;
        pool.install(|| match mode {
            Mode::Training => {
                train(network, optimizer, pixels, labels, Draws { seed: 0, epoch: *steps, samples }, (input, idle))
            }
            Mode::Inference => infer(network, pixels, labels.len()),
        })
    }
}

/// What `train::epoch` does with a batch once its pixels are there.
fn train(
    network: &mut Executor<Cpu>,
    optimizer: &mut State<Cpu>,
    pixels: &[f32],
    labels: &[u32],
    draws: Draws,
    (input, idle): (&mut Option<Flat<Cpu>>, &mut Option<Gradients<f32, Cpu>>),
) -> Result<()> {
    let device = &network.device().clone();
    let pixels = tensor::refill(device, input, pixels)?;
    let gradients = match idle.take() {
        Some(mut gradients) => {
            network.zero_gradients(&mut gradients)?;
            gradients
        }
        None => network.alloc_gradients()?,
    };
    let mut tape = tensor::tape(device, gradients)?;
    let forward = network.forward(pixels, labels.len(), Pass::Train(Some(draws)), &[], &mut tape)?;
    let loss = Cpu::cross_entropy(&forward.logits, labels, 0.0, &mut tape)?;
    let loss = device.weighted_sum(&[(1.0, loss)], tape)?;
    assert!(loss.as_vec()[0].is_finite(), "a loss that is not finite");
    let mut gradients = tensor::backward(loss)?;
    optimizer.step(&SGD, SGD.lr(), network.parameters_mut(), &mut gradients)?;
    network.update_statistics(&forward)?;
    *idle = Some(gradients);
    Ok(())
}

fn infer(network: &Executor<Cpu>, pixels: &[f32], batch: usize) -> Result<()> {
    let pixels = network.device().upload(pixels)?;
    let forward = network.forward(pixels, batch, Pass::Evaluate, &[], &mut NoneTape)?;
    drop(std::hint::black_box(Cpu::download(&forward.logits)));
    Ok(())
}

/// A line of what Linux tells about this process's memory; 0 elsewhere.
fn kibibytes(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|words| words.strip_prefix(line)?.strip_prefix(':')?.split_whitespace().next());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}
