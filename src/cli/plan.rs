//! `pleach plan`.

use std::collections::HashSet;

use serde_json::json;

use super::arguments::{self, Global};
use super::session::{Session, store};
use super::{Failure, output};
use crate::error::Result;
use crate::plan::estimate::{Estimate, Machine, estimate};
use crate::plan::{self, Plan};
use crate::report;
use crate::stage::speed;
use crate::store::Store;
use crate::tensor;
use crate::tensor::device::{Choice, Device};

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
    let time = estimated(&session, &plan, &store);
    let needs = plan::disk::estimate(&session.manifest, &plan, &digests, &store);
    if arguments.json {
        let mut told = report::plan::json(&plan, &session.manifest, &time);
        told["disk"] = json!({ "needs": needs, "free": store.free_bytes() });
        output::stdout(&format!("{told:#}\n"));
    } else {
        output::stdout(&report::plan::text(&plan, &session.manifest, &time, arguments.expand));
        output::stdout(&report::plan::disk(needs, store.free_bytes()));
    }
    Ok(())
}

/// How long a plan takes on this machine, on the device that a run would choose.
pub fn estimated(session: &Session, plan: &Plan, store: &Store) -> Estimate {
    let devices = "auto".parse::<Choice>().and_then(Choice::find).unwrap_or_default();
    let device =
        devices.gpus.first().map_or_else(|| Device::Cpu.to_string(), |gpu| Device::Cuda(gpu.clone()).to_string());
    let machine = Machine { processor: tensor::processor(), device };
    estimate(&session.manifest, plan, store, &machine, &speed::forward)
}
