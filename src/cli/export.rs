//! `pleach export`.

use serde::Serialize;

use super::arguments::{self, Global};
use super::file::{self, Written};
use super::session::{Session, store};
use super::{Failure, output};
use crate::error::{Error, Kind, Result};
use crate::network::weights::encode_with;
use crate::network::{Graph, Model, Signature};
use crate::plan::{data_digests, explain};
use crate::report::bytes;

/// A layer graph, and what the network was trained for.
#[derive(Serialize)]
struct Exported {
    #[serde(flatten)]
    graph: Graph,
    signature: Option<Signature>,
}

/// Writes a stage's network to a file, with its signature.
pub fn export(arguments: &arguments::Export, global: &Global) -> Result<(), Failure> {
    let wanted = match arguments.output.extension().and_then(|ending| ending.to_str()) {
        Some("safetensors") => "weights",
        Some("json") => "network",
        _ => {
            let error = match arguments.output.as_os_str() == "-" {
                true => Error::new(Kind::Usage, "`-`, standard output, has no ending that says what to write"),
                false => Error::new(Kind::Usage, "the file's ending does not say what to write").at(&arguments.output),
            };
            return Err(error.hint("end it in `.safetensors` for the weights, or `.json` for the layer graph").into());
        }
    };
    let session = Session::open(&arguments.manifest)?;
    let stage = session.stage(&arguments.stage)?;
    let store = store(global)?;
    let digests = data_digests(&session.manifest, &session.graph.needed(&[stage]))?;
    let explanation = explain::explain(&session.manifest, &session.graph, stage, &store, &digests)?;
    let run = format!("run `pleach run {} {}` first", arguments.manifest.path.display(), arguments.stage);
    let name = &arguments.stage;
    let record = explanation
        .cached
        .ok_or_else(|| Error::new(Kind::Input, format!("stage `{name}` has no result in the store")).hint(&run))?;
    store.mark_used(&record.key);
    let content = |wanted: &str| -> Result<Vec<u8>> {
        let output = record
            .outputs
            .get(wanted)
            .ok_or_else(|| Error::new(Kind::Usage, format!("stage `{name}` makes no network")))?;
        let gone = || Error::new(Kind::Input, format!("the result of `{name}` is gone from the store")).hint(&run);
        store.get(&output.digest)?.ok_or_else(gone)
    };
    let signature = match record.outputs.contains_key("signature") {
        true => Some(Signature::from_json(&content("signature")?)?),
        false => None,
    };
    let (content, stored_otherwise) = match wanted {
        "weights" => {
            let stored = content("weights")?;
            let model = Model::from_parts(&content("network")?, &stored, None)?;
            let written = signature.map_or_else(|| model.safetensors(), |s| encode_with(&model.tensors, &s))?;
            (written, masked(&model, stored.len()))
        }
        "network" if signature.is_some() => {
            let exported = Exported { graph: Graph::from_json(&content("network")?)?, signature };
            let written = serde_json::to_vec_pretty(&exported)
                .map_err(|error| Error::new(Kind::Internal, format!("a graph could not be written: {error}")))?;
            (written, String::new())
        }
        _ => (content(wanted)?, String::new()),
    };
    if file::write(&arguments.output, &content)? == Written::There {
        let size = bytes(content.len() as u64);
        output::stdout(&format!("{}: {wanted} of {name}, {size}{stored_otherwise}\n", arguments.output.display()));
    }
    Ok(())
}

/// What is to be said of a network with masks, which the store keeps in a smaller form of our own.
fn masked(model: &Model, stored: usize) -> String {
    if model.masks.is_empty() {
        return String::new();
    }
    let percent = 100.0 * model.masked_share();
    format!(
        "; {percent:.1} % of its weights are masked and are zeros in this file (the store has it in {}; an import with \
         `mask = \"zeros\"` has the masks again)",
        bytes(stored as u64)
    )
}
