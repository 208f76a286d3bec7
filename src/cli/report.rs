//! `pleach report`.

use std::collections::HashSet;

use super::arguments::{self, Global, ReportFormat};
use super::session::{Session, store};
use super::{Failure, output};
use crate::error::{Error, Kind};
use crate::plan::{self, State};
use crate::report::{results, table};

/// Prints the results that are in the store.
pub fn report(arguments: &arguments::Report, global: &Global) -> Result<(), Failure> {
    let session = Session::open(&arguments.manifest)?;
    let (manifest, graph) = (&session.manifest, &session.graph);
    let targets = session.targets(&[])?;
    let store = store(global)?;
    let digests = plan::data_digests(manifest, graph.order())?;
    let plan = plan::plan(manifest, graph, &targets, &store, &digests, &HashSet::new())?;
    let mut records = vec![None; manifest.stages.len()];
    for planned in plan.stages {
        if let State::Cached(record) = planned.state {
            records[planned.stage] = Some(*record);
        }
    }
    let evaluations = results::evaluations(manifest, &records, &store)?;
    if evaluations.is_empty() {
        let error = Error::new(Kind::Input, "the store has no evaluation of this manifest as it stands");
        let hint = format!("run `pleach run {}`", arguments.manifest.path.display());
        return Err(error.at(store.root()).hint(hint).into());
    }
    match arguments.format {
        ReportFormat::Text => {
            for evaluation in &evaluations {
                output::stdout(&format!("{}\n", table::evaluation(evaluation)));
                output::stdout(&format!("accuracy by class, in per cent\n{}\n", table::per_class(evaluation)));
            }
        }
        ReportFormat::Json => {
            let json = serde_json::to_string_pretty(&evaluations).expect("results are plain data");
            output::stdout(&format!("{json}\n"));
        }
    }
    Ok(())
}
