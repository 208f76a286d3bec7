//! `pleach run`.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::arguments::{self, Global};
use super::progress::Reporter;
use super::session::{Session, store_to_run};
use super::{Failure, output, serve, signals};
use crate::error::{Error, Kind, Result};
use crate::plan::{check_imports, data_digests, plan};
use crate::report::results;
use crate::report::table::{self, Extent};
use crate::run;
use crate::run::status::{self, Status};
use crate::tensor::device::Choice;
use crate::tensor::memory;

/// A table of more rows scrolls everything else away.
const ROWS: usize = 50;

/// Runs what is missing and prints the results.
pub fn run(arguments: &arguments::Run, global: &Global) -> Result<(), Failure> {
    if let Some(name) = std::env::var("PLEACH_SIMD").ok().filter(|name| !name.is_empty()) {
        crate::tensor::limit_vectors(&name)?;
    }
    let devices = arguments.device.parse::<Choice>()?.find()?;
    let cancel = signals::install()?;
    let session = Session::open(&arguments.manifest)?;
    let targets = session.targets(&arguments.stages, &arguments.only.only)?;
    let needed = session.graph.needed(&targets);
    let is_needed: HashSet<usize> = needed.iter().copied().collect();
    let mut refresh = HashSet::new();
    for name in &arguments.refresh {
        // Of a section, those that are needed.
        let stages: Vec<usize> = session.stages(name)?.into_iter().filter(|stage| is_needed.contains(stage)).collect();
        if stages.is_empty() {
            let message = format!("`--refresh {name}`: the stages that were asked for do not need `{name}`");
            return Err(Error::new(Kind::Usage, message).hint(format!("name `{name}` among the stages to run")).into());
        }
        refresh.extend(stages);
    }
    let store = store_to_run(global, arguments.read_only_cache, |store| {
        let digests = data_digests(&session.manifest, &needed)?;
        let plan = plan(&session.manifest, &session.graph, &targets, store, &digests, &refresh)?;
        let (_, to_run, may_run) = plan.counts();
        Ok(to_run + may_run == 0)
    })?;
    let digests = data_digests(&session.manifest, &needed)?;
    check_imports(&session.manifest, &needed)?;
    digests.warnings.iter().for_each(|warning| output::warning(warning));
    let options = run::Options {
        jobs: arguments.jobs.map_or(devices.gpus.len().max(1), usize::from),
        threads: arguments.threads.map_or_else(cores, usize::from),
        memory: arguments.memory.unwrap_or_else(available_memory),
        // Who gives a larger number has memory that we do not know of, or knows better than the estimate.
        most_memory: memory::most().map_or(u64::MAX, |most| most.max(arguments.memory.unwrap_or(0))),
        keep_going: arguments.keep_going,
        refresh,
        devices,
    };
    let mut reporter = Reporter::new(arguments.json, arguments.quiet);
    let shows_time = arguments.serve.is_some() || matches!(reporter, Reporter::Bars(_));
    let took = if shows_time { status::history(&session.manifest, &store) } else { Default::default() };
    let status = Arc::new(Mutex::new(Status::new(&session.manifest, &needed, options.jobs, took)));
    if let Some(port) = arguments.serve {
        serve::start(port, &session.manifest.pipeline.name, Arc::clone(&status))?;
    }
    let mut told = |event: &run::Event| {
        let mut status = status.lock().unwrap_or_else(PoisonError::into_inner);
        status.update(event);
        reporter.event(event, &status);
    };
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
    let (summary, found) = match manifest.search {
        None => (run::run(&request, &mut told)?, None),
        Some(_) => {
            let (summary, decision) = run::run_searching(&request, &mut told)?;
            (summary, Some(decision))
        }
    };
    drop(reporter);
    if let Some(decision) = found.filter(|_| !arguments.json) {
        output::stdout(&crate::report::plan::search(&decision, manifest));
    }
    let shown = if arguments.json { Ok(Vec::new()) } else { results::evaluations(manifest, &summary.records, &store) };
    if let Ok(evaluations) = &shown {
        let extent = Extent { columns: output::columns_of_stdout(), rows: ROWS, classes: false };
        output::stdout(&output::results(&table::results(evaluations, manifest, extent)));
    }
    match summary.failure.or(summary.not_finite) {
        // A stage's failure was told as an event when it happened.
        Some(error) if matches!(error.kind, Kind::Interrupted | Kind::Terminated) => Err(Failure::Error(error)),
        Some(error) => Err(Failure::Said(error.kind.exit_code())),
        None => {
            shown?;
            // Told when the run ended, and here once more below the results.
            summary.lost.map_or(Ok(()), |error| Err(Failure::Error(error)))
        }
    }
}

/// One thread a core that this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Four fifths of what is available: estimates are not exact, and others use the machine too. No limit where nothing says.
fn available_memory() -> u64 {
    memory::of_machine().map_or(u64::MAX, |memory| memory.free / 5 * 4)
}
