//! `pleach cache`.

use super::arguments::{self, CacheCommand, Global};
use super::session::{store, store_to_write};
use super::{Failure, gc, output};
use crate::error::{Error, Kind};
use crate::report::{bytes, count, stored};
use crate::store::Store;

/// Looks after the store.
pub fn cache(arguments: &arguments::Cache, global: &Global) -> Result<(), Failure> {
    let collects = matches!(&arguments.command, CacheCommand::Gc(gc) if !gc.dry_run);
    let store = if collects { store_to_write(global)? } else { store(global)? };
    match &arguments.command {
        CacheCommand::Status => status(&store),
        CacheCommand::Verify => verify(&store),
        CacheCommand::List => {
            output::stdout(&stored::list(&store));
            Ok(())
        }
        CacheCommand::Gc(arguments) => gc::gc(arguments, &store),
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
