//! A run whose manifest has a search: rounds of ordinary runs, each with the stages that the search wants next. What a round
//! found is in the store, so nothing of it is lost when a run ends early, and nothing runs twice.

use std::collections::HashSet;

use super::{Event, Options, Request, Summary, scheduler};
use crate::error::Result;
use crate::plan::search::{Decision, decide, seen};
use crate::store::Record;

/// Runs until the search wants nothing more.
///
/// # Errors
/// When a round cannot begin. A stage's failure is in the summary.
pub fn run(request: &Request, report: &mut dyn FnMut(&Event)) -> Result<(Summary, Decision)> {
    let Request { manifest, graph, store, targets, .. } = *request;
    let asked: HashSet<usize> = graph.needed(targets).into_iter().collect();
    let mut records: Vec<Option<Record>> = vec![None; manifest.stages.len()];
    let mut options: Options = request.options.clone();
    let mut total: Option<Summary> = None;
    let mut before: Vec<usize> = Vec::new();
    let mut ran_before = 0;
    loop {
        let results: Vec<_> =
            records.iter().enumerate().map(|(stage, record)| seen(manifest, stage, record.as_ref()?, store)).collect();
        let decision = decide(manifest, graph, &asked, &|stage| results[stage]);
        let mut round: Vec<usize> = decision.wanted.iter().copied().collect();
        round.sort_unstable();
        if let Some(summary) = total.take_if(|summary| summary.failure.is_some() || round == before) {
            let Summary { run, cached, ran, failed, skipped, seconds, failure, .. } = &summary;
            let code = failure.as_ref().map_or(0, |error| error.kind.exit_code());
            let (run, cached) = (run.clone(), cached.saturating_sub(ran_before));
            let (ran, failed, skipped, seconds) = (*ran, *failed, *skipped, *seconds);
            report(&Event::RunFinished { run, cached, ran, failed, skipped, seconds, code });
            return Ok((Summary { records, cached, ..summary }, decision));
        }
        let again: HashSet<usize> = before.into_iter().collect();
        let told = |stage: &String| manifest.stages.get_index_of(stage).is_some_and(|stage| again.contains(&stage));
        let request = Request { targets: &round, options: &options, ..*request };
        let summary = scheduler::run(&request, &mut |event| match event {
            // It was told in an earlier round.
            Event::StageCached { stage, .. } if told(stage) => {}
            // Told once, of all rounds.
            Event::RunFinished { .. } => {}
            other => report(other),
        })?;
        for (record, found) in records.iter_mut().zip(&summary.records) {
            if found.is_some() {
                record.clone_from(found);
            }
        }
        // What earlier rounds ran is cached in this one.
        ran_before = total.as_ref().map_or(0, |all| all.ran);
        total = Some(match total {
            None => summary,
            Some(all) => Summary {
                ran: all.ran + summary.ran,
                failed: all.failed + summary.failed,
                skipped: all.skipped + summary.skipped,
                seconds: all.seconds + summary.seconds,
                ..summary
            },
        });
        // Once is enough.
        options.refresh.retain(|stage| !round.contains(stage));
        before = round;
    }
}
