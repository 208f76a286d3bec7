//! `pleach run`.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

use super::arguments::{self, Global};
use super::progress::Reporter;
use super::session::{Session, store_to_run};
use super::{Failure, output, serve, signals};
use crate::error::{Error, Kind, Result};
use crate::plan::{check_imports, data_digests, plan};
use crate::report::expect::{self, Checked};
use crate::report::table::{self, Extent};
use crate::report::{self, best, results};
use crate::run;
use crate::run::status::{self, Progress, StageStatus, Status};
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
    let deadline = arguments.budget.and_then(|budget| Instant::now().checked_add(budget));
    let session = Arc::new(Session::open(&arguments.manifest)?);
    let targets = session.targets(&arguments.stages, &arguments.only.only)?;
    let path = arguments.manifest.path.display().to_string();
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
    let store = Arc::new(store_to_run(global, arguments.read_only_cache, |store| {
        let digests = data_digests(&session.manifest, &needed)?;
        let plan = plan(&session.manifest, &session.graph, &targets, store, &digests, &refresh)?;
        let (_, to_run, may_run) = plan.counts();
        Ok(to_run + may_run == 0)
    })?);
    let digests = Arc::new(data_digests(&session.manifest, &needed)?);
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
        deadline,
    };
    let mut reporter = Reporter::new(arguments.json, arguments.quiet);
    let shows_time = arguments.serve.is_some() || matches!(reporter, Reporter::Bars(_));
    let took = if shows_time { status::history(&session.manifest, &store) } else { Default::default() };
    let mut over = None;
    let status = Arc::new(Mutex::new(Status::new(&session.manifest, &needed, options.jobs, took)));
    if let Some(port) = arguments.serve {
        let shown = serve::Shown {
            status: Arc::clone(&status),
            session: Arc::clone(&session),
            store: Arc::clone(&store),
            digests: Arc::clone(&digests),
            targets: targets.clone(),
            path: path.clone(),
        };
        serve::start(port, shown)?;
    }
    let mut told = |event: &run::Event| {
        let mut status = status.lock().unwrap_or_else(PoisonError::into_inner);
        status.update(event);
        match event {
            // The exit code depends on what is expected of the results.
            run::Event::RunFinished { .. } if arguments.json => over = Some(event.clone()),
            event => reporter.event(event, &status),
        }
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
    let evaluations = results::evaluations(manifest, &summary.records, &store);
    let checked = match &evaluations {
        Ok(evaluations) => expect::check(manifest, evaluations, &needed, found.as_ref()),
        Err(_) => Vec::new(),
    };
    if arguments.json {
        tell_the_end(over, &checked);
    } else {
        if let Some(decision) = &found {
            output::stdout(&report::plan::search(decision, manifest));
        }
        if let Ok(evaluations) = &evaluations {
            let best = best::text(&best::best(evaluations, manifest, &checked), &path);
            let extent = Extent { columns: output::columns_of_stdout(), rows: ROWS, classes: false };
            let tables = table::results(evaluations, manifest, extent);
            output::stdout(&output::results(&format!("{tables}{best}{}", expect::text(&checked))));
        }
    }
    // The page that is served has a share in the store until the process ends.
    store.show_warnings();
    if arguments.serve.is_some() {
        output::stderr(&format!("  the report: `pleach report {} --format html -o report.html`", best::quoted(&path)));
    }
    match summary.failure.or(summary.not_finite) {
        Some(error) if error.kind == Kind::Budget => {
            let status = status.lock().unwrap_or_else(PoisonError::into_inner);
            Err(Failure::Error(left(&status).into_iter().fold(error, Error::hint)))
        }
        // A stage's failure was told as an event when it happened.
        Some(error) if matches!(error.kind, Kind::Interrupted | Kind::Terminated) => Err(Failure::Error(error)),
        Some(error) => Err(Failure::Said(error.kind.exit_code())),
        None => match (evaluations, expect::failure(&checked)) {
            (Err(error), _) if !arguments.json => Err(Failure::Error(error)),
            // Told when the run ended, and here once more below the results.
            _ if summary.lost.is_some() => summary.lost.map_or(Ok(()), |error| Err(Failure::Error(error))),
            (_, Some(error)) => Err(Failure::Error(error)),
            _ => Ok(()),
        },
    }
}

/// The last lines of `--json`: what is expected of the results, and the end of the run with the exit code that comes of it.
fn tell_the_end(over: Option<run::Event>, checked: &[Checked]) {
    let line = |text: &str| output::stdout(&format!("{text}\n"));
    for checked in checked {
        let mut told = json!({ "event": "expectation" });
        if let (Value::Object(told), Ok(Value::Object(fields))) = (&mut told, serde_json::to_value(checked)) {
            told.extend(fields);
        }
        line(&told.to_string());
    }
    let Some(mut over) = over else { return };
    if let (run::Event::RunFinished { code: code @ 0, reason, .. }, Some(error)) = (&mut over, expect::failure(checked))
    {
        (*code, *reason) = (error.kind.exit_code(), Some(error.to_string()));
    }
    line(&serde_json::to_string(&over).expect("events are plain data"));
}

/// What a run that was stopped has not done: how many stages, and how far those are that were at work.
fn left(status: &Status) -> Vec<String> {
    let is_left = |stage: &&StageStatus| !matches!(stage.state, Progress::Done | Progress::Cached);
    let count = status.stages.values().filter(is_left).count();
    let mut hints =
        vec![format!("{count} of {} stages are left; `pleach plan` says how long they take", status.stages.len())];
    for (name, stage) in status.stages.iter().filter(|(_, stage)| is_left(stage)) {
        if let Some([epoch, epochs]) = stage.finished_epochs() {
            hints.push(format!("`{name}` goes on after epoch {epoch} of {epochs}"));
        }
    }
    hints
}

/// One thread a core that this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Four fifths of what is available: estimates are not exact, and others use the machine too. No limit where nothing says.
fn available_memory() -> u64 {
    memory::of_machine().map_or(u64::MAX, |memory| memory.free / 5 * 4)
}
