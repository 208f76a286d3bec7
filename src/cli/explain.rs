//! `pleach explain`.

use super::arguments::{self, Global};
use super::session::{Session, store};
use super::{Failure, output};
use crate::plan::{data_digests, explain};
use crate::report;

/// Shows everything one stage's key is made of.
pub fn explain(arguments: &arguments::Explain, global: &Global) -> Result<(), Failure> {
    let session = Session::open(&arguments.manifest)?;
    let stage = session.stage(&arguments.stage)?;
    let store = store(global)?;
    let digests = data_digests(&session.manifest, &session.graph.needed(&[stage]))?;
    let explanation = explain::explain(&session.manifest, &session.graph, stage, &store, &digests)?;
    output::stdout(&report::explain::text(&explanation, &arguments.stage));
    Ok(())
}
