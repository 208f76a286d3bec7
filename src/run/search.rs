//! A run whose manifest has a search: rounds of ordinary runs, each with the stages that the search wants next. What a round
//! found is in the store, so nothing of it is lost when a run ends early, and nothing runs twice.

use std::collections::HashSet;

use super::{Event, Options, Request, Summary, exit_code, kept_nothing, reason, scheduler};
use crate::error::{Error, Kind, Result};
use crate::plan::search::{Decision, Outcome, decide, seen, without_result};
use crate::store::Record;

/// Runs until the search wants nothing more. With `keep_going`, a candidate that diverges has lost, and the search goes
/// on; any other failure ends it.
///
/// # Errors
/// When a round cannot begin. A stage's failure is in the summary.
pub fn run(request: &Request, report: &mut dyn FnMut(&Event)) -> Result<(Summary, Decision)> {
    let Request { manifest, graph, store, targets, .. } = *request;
    let asked: HashSet<usize> = graph.needed(targets).into_iter().collect();
    let mut records: Vec<Option<Record>> = vec![None; manifest.stages.len()];
    let mut options: Options = request.options.clone();
    let mut total: Option<Summary> = None;
    let mut before: HashSet<usize> = HashSet::new();
    let mut ran_before = 0;
    let mut warned = HashSet::new();
    loop {
        let results: Vec<_> =
            records.iter().enumerate().map(|(stage, record)| seen(manifest, stage, record.as_ref()?, store)).collect();
        let lost = total.as_ref().map_or_else(HashSet::new, |summary| without_result(graph, &summary.diverged));
        let outcome = |stage: usize| if lost.contains(&stage) { Some(Outcome::Diverged) } else { results[stage] };
        let decision = decide(manifest, graph, &asked, &outcome);
        if let Some(mut summary) = total.take_if(|summary| !goes_on(summary, &options) || decision.wanted == before) {
            tell_of_divergence(request, &decision, &mut summary, report);
            summary.lost = kept_nothing(store, summary.ran);
            if let Some(error) = &summary.lost {
                report(&Event::Warning { message: error.message.clone() });
            }
            let Summary { run, cached, ran, failed, skipped, seconds, failure, not_finite, .. } = &summary;
            let errors = [failure, not_finite, &summary.lost];
            let (code, reason) = (exit_code(errors), reason(errors));
            let (run, cached) = (run.clone(), cached.saturating_sub(ran_before));
            let (ran, failed, skipped, seconds) = (*ran, *failed, *skipped, *seconds);
            report(&Event::RunFinished { run, cached, ran, failed, skipped, seconds, code, reason });
            return Ok((Summary { records, cached, ..summary }, decision));
        }
        // What diverged was told, and would again.
        let mut round: Vec<usize> = decision.wanted.iter().copied().filter(|stage| !lost.contains(stage)).collect();
        round.sort_unstable();
        let again = std::mem::replace(&mut before, decision.wanted);
        let told = |stage: &String| manifest.stages.get_index_of(stage).is_some_and(|stage| again.contains(&stage));
        let request = Request { targets: &round, options: &options, ..*request };
        let summary = scheduler::run(&request, &mut |event| match event {
            // It was told in an earlier round.
            Event::StageCached { stage, .. } if told(stage) => {}
            // Told once, of all rounds.
            Event::RunFinished { .. } => {}
            Event::Warning { message } if kept_nothing(store, 1).is_some_and(|lost| lost.message == *message) => {}
            Event::Warning { message } if !warned.insert(message.clone()) => {}
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
                failure: worse(all.failure, summary.failure),
                diverged: all.diverged.union(&summary.diverged).copied().collect(),
                not_finite: all.not_finite.or(summary.not_finite),
                ..summary
            },
        });
        // Once is enough.
        options.refresh.retain(|stage| !round.contains(stage));
    }
}

/// Whether there is no failure but of candidates that diverged, and those are to be left behind.
fn goes_on(summary: &Summary, options: &Options) -> bool {
    let diverged = |error: &Error| error.kind == Kind::Diverged;
    let only_diverged = summary.failure.as_ref().is_none_or(diverged) && summary.failed == summary.diverged.len();
    only_diverged && (options.keep_going || summary.failed == 0)
}

/// The failure that ends a run, or else the first.
fn worse(first: Option<Error>, next: Option<Error>) -> Option<Error> {
    let ends = next.as_ref().is_some_and(|error| error.kind != Kind::Diverged);
    if ends { next } else { first.or(next) }
}

/// Says what a search that cannot go on came to: all its candidates diverged, or one did and it was to stop then.
fn tell_of_divergence(request: &Request, decision: &Decision, summary: &mut Summary, report: &mut dyn FnMut(&Event)) {
    let undecided = decision.settings.iter().any(|setting| setting.found.is_none());
    if undecided && !request.options.keep_going && !summary.diverged.is_empty() {
        let message = "the search stopped at a candidate that diverged; with `--keep-going` it goes on without it";
        report(&Event::Warning { message: message.to_owned() });
    }
    for setting in decision.settings.iter().filter(|setting| setting.all_diverged) {
        let of = request.manifest.words(&setting.coordinates);
        let of = if of.is_empty() { String::new() } else { format!(" of {of}") };
        let message = format!("the search{of} found nothing: every candidate that was left diverged");
        let error = Error::new(Kind::Diverged, message);
        report(&Event::Warning { message: error.message.clone() });
        summary.not_finite.get_or_insert(error);
    }
}
