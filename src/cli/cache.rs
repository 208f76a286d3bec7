//! `pleach cache`.

use std::ops::ControlFlow;
use std::time::Duration;

use super::arguments::{self, CacheCommand, Global};
use super::session::store;
use super::{Failure, output};
use crate::error::{Error, Kind};
use crate::report::{bytes, count, stored};
use crate::store::{GcPolicy, Store};

/// Looks after the store.
pub fn cache(arguments: &arguments::Cache, global: &Global) -> Result<(), Failure> {
    let store = store(global)?;
    match &arguments.command {
        CacheCommand::Status => status(&store),
        CacheCommand::Verify => verify(&store),
        CacheCommand::List => {
            output::stdout(&stored::list(&store));
            Ok(())
        }
        CacheCommand::Gc { older_than, grace, keep_epochs, dry_run, wait } => {
            let days = |days: &u64| Duration::from_secs(days.saturating_mul(86_400));
            let policy = GcPolicy {
                wait: *wait,
                keep_epochs: *keep_epochs,
                older_than: older_than.as_ref().map(days),
                grace: Duration::from_secs(grace.saturating_mul(60)),
                dry_run: *dry_run,
            };
            gc(&store, &policy)
        }
    }
}

fn status(store: &Store) -> Result<(), Failure> {
    let status = store.status()?;
    let root = std::path::absolute(store.root()).unwrap_or_else(|_| store.root().to_owned());
    let mut text = format!("{}\n", root.display());
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:12} {value}\n"));
    line("objects", format!("{}, {}", count(status.objects), bytes(status.bytes)));
    for (kind, records) in &status.records {
        line(&format!("{kind}s"), count(*records));
    }
    line("corrupt", count(status.corrupt_records));
    line("quarantined", count(status.quarantined));
    line("unfinished", count(status.temps));
    output::stdout(&text);
    Ok(())
}

fn verify(store: &Store) -> Result<(), Failure> {
    let found = store.verify()?;
    for finding in &found.findings {
        output::warning(&format!("{}: {}", finding.path.display(), finding.what));
    }
    let (objects, records) = (count(found.objects), count(found.records));
    output::stdout(&format!("{objects} objects ({}) and {records} records read\n", bytes(found.bytes)));
    if found.findings.is_empty() {
        return Ok(());
    }
    let message = format!("{} were corrupt and are put aside", found.findings.len());
    Err(Error::new(Kind::Store, message).at(store.root()).hint("run the pipelines again to make them anew").into())
}

fn gc(store: &Store, policy: &GcPolicy) -> Result<(), Failure> {
    let mut holder = None;
    let mut told = false;
    let collected = store.gc_waiting(policy, &mut |pid| {
        holder = pid;
        if policy.wait && !std::mem::replace(&mut told, true) {
            output::stderr("waiting for a run that uses the store to end");
        }
        if policy.wait { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let Some(collected) = collected else {
        let who = holder.map_or(String::new(), |pid| format!(" (process {pid})"));
        let error = Error::new(Kind::LockTimeout, format!("a run{who} uses the store, so nothing was deleted"));
        return Err(error.at(store.root()).hint("wait for it to end, or use `--wait`").into());
    };
    let verb = if policy.dry_run { "would delete" } else { "deleted" };
    output::stdout(&format!(
        "{verb} {} epochs, {} other records, {} objects ({}), {} files from quarantine; \
         others younger than {} minutes stay\n",
        count(collected.epochs),
        count(collected.records),
        count(collected.objects),
        bytes(collected.bytes),
        count(collected.quarantined),
        policy.grace.as_secs() / 60,
    ));
    Ok(())
}
