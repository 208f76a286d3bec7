//! pleach's side: training steps as a training stage does them, and batches of inference.

use std::io::{BufRead, Write};

use pleach::error::Result;
use pleach::network::Model;
use pleach::tensor::Cpu;
use pleach::tensor::engine::Precision;
use pleach::verify::networks;
use pleach::verify::peer::{Measured, Mode, Request};
use pleach::verify::steps::Work;

/// Answers requests until there are no more. A process is for one kind of request; only the seconds may change.
pub fn serve() {
    let before = kibibytes("VmRSS");
    let mut current: Option<(Work<Cpu>, rayon::ThreadPool)> = None;
    for line in std::io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line.expect("text")).expect("a request");
        let (work, pool) = current.get_or_insert_with(|| begin(&request).expect("memory"));
        let training = request.mode == Mode::Training;
        let measure = || work.images_per_second(training, request.seconds).expect("a step");
        let images_per_second = pool.install(measure);
        let graph = work.network().graph();
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

fn begin(request: &Request) -> Result<(Work<Cpu>, rayon::ThreadPool)> {
    let model = Model::initialise(networks::graph(&request.network)?, 0)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(request.threads).build().expect("threads can be started");
    Ok((Work::new(&model, request.batch, Precision::F32, &Cpu::default())?, pool))
}

/// A line of what Linux tells about this process's memory; 0 elsewhere.
fn kibibytes(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|words| words.strip_prefix(line)?.strip_prefix(':')?.split_whitespace().next());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}
