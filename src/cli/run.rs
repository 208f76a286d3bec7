//! `pleach run`.

use std::collections::HashSet;

use super::arguments::{self, Global};
use super::progress::Reporter;
use super::session::{Session, store};
use super::{Failure, output, signals};
use crate::error::{Error, Kind, Result};
use crate::plan::data_digests;
use crate::report::{results, table};
use crate::run;

/// Runs what is missing and prints the results.
pub fn run(arguments: &arguments::Run, global: &Global) -> Result<(), Failure> {
    if let Some(name) = std::env::var("PLEACH_SIMD").ok().filter(|name| !name.is_empty()) {
        crate::tensor::limit_vectors(&name)?;
    }
    device(&arguments.device)?;
    let cancel = signals::install()?;
    let session = Session::open(&arguments.manifest)?;
    let targets = session.targets(&arguments.stages)?;
    let refresh: HashSet<usize> =
        arguments.refresh.iter().map(|name| session.stage(name)).collect::<Result<HashSet<usize>>>()?;
    let store = store(global)?;
    let needed = session.graph.needed(&targets);
    if let Some(name) = arguments.refresh.iter().find(|name| session.stage(name).is_ok_and(|s| !needed.contains(&s))) {
        let message = format!("`--refresh {name}`: the stages that were asked for do not need `{name}`");
        return Err(Error::new(Kind::Usage, message).hint(format!("name `{name}` among the stages to run")).into());
    }
    let digests = data_digests(&session.manifest, &needed)?;
    let options = run::Options {
        jobs: arguments.jobs.into(),
        threads: arguments.threads.map_or_else(cores, usize::from),
        memory: arguments.memory.unwrap_or_else(memory),
        keep_going: arguments.keep_going,
        refresh,
    };
    let mut reporter = Reporter::new(arguments.json);
    let (manifest, graph) = (&session.manifest, &session.graph);
    let request = run::Request {
        manifest,
        graph,
        targets: &targets,
        store: &store,
        digests: &digests,
        options: &options,
        cancel: &cancel,
    };
    let summary = run::run(&request, &mut |event| reporter.event(event))?;
    drop(reporter);
    let shown = if arguments.json { Ok(Vec::new()) } else { results::evaluations(manifest, &summary.records, &store) };
    for evaluation in shown.iter().flatten() {
        output::stdout(&format!("{}\n", table::evaluation(evaluation)));
    }
    match summary.failure {
        // A stage's failure was told as an event when it happened.
        Some(error) if matches!(error.kind, Kind::Interrupted | Kind::Terminated) => Err(Failure::Error(error)),
        Some(error) => Err(Failure::Said(error.kind.exit_code())),
        None => shown.map(|_| ()).map_err(Failure::Error),
    }
}

/// One thread a core that this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Four fifths of what is available: estimates are not exact, and others use the machine too. No limit where nothing says.
fn memory() -> u64 {
    run::available_memory().map_or(u64::MAX, |bytes| bytes / 5 * 4)
}

/// Only the CPU computes in this version.
fn device(name: &str) -> Result<()> {
    match name {
        "auto" | "cpu" => Ok(()),
        cuda if cuda == "cuda" || cuda.strip_prefix("cuda:").is_some_and(|n| n.parse::<u32>().is_ok()) => {
            Err(Error::new(Kind::Usage, format!("`--device {cuda}`: this version computes on the CPU only"))
                .hint("use `--device cpu` or leave it out"))
        }
        other => Err(Error::new(Kind::Usage, format!("there is no device `{other}`"))
            .hint("it can be `auto`, `cpu` or `cuda:0`")),
    }
}
