//! `pleach plan`.

use std::collections::HashSet;

use serde_json::json;

use super::arguments::{self, Global};
use super::session::{Session, store};
use super::{Failure, output};
use crate::error::Result;
use crate::plan;
use crate::report;

/// Shows what a run would do and why.
pub fn plan(arguments: &arguments::Plan, global: &Global) -> Result<(), Failure> {
    let session = Session::open(&arguments.manifest)?;
    let targets = session.targets(&arguments.stages, &arguments.only.only)?;
    let refresh = arguments.refresh.iter().map(|name| session.stages(name)).collect::<Result<Vec<_>>>()?;
    let refresh: HashSet<usize> = refresh.concat().into_iter().collect();
    let store = store(global)?;
    let needed = session.graph.needed(&targets);
    let digests = plan::data_digests(&session.manifest, &needed)?;
    plan::check_imports(&session.manifest, &needed)?;
    digests.warnings.iter().for_each(|warning| output::warning(warning));
    let plan = plan::plan(&session.manifest, &session.graph, &targets, &store, &digests, &refresh)?;
    let needs = plan::disk::estimate(&session.manifest, &plan, &digests, &store);
    if arguments.json {
        let mut told = report::plan::json(&plan, &session.manifest);
        told["disk"] = json!({ "needs": needs, "free": store.free_bytes() });
        output::stdout(&format!("{told:#}\n"));
    } else {
        output::stdout(&report::plan::text(&plan, &session.manifest, arguments.expand));
        output::stdout(&report::plan::disk(needs, store.free_bytes()));
    }
    Ok(())
}
