//! `network = { file = "net.json" }`: a layer graph as `pleach export` writes it. What counts is the graph that the file
//! holds, as if its layers were written out: the path decides nothing.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::path::path;
use crate::data::files;
use crate::error::{Error, Kind, Result};
use crate::manifest::reader::Reader;
use crate::network::arch::{Architecture, WrittenLayer};

/// The most bytes of such a file: some hundred thousand layers.
const LIMIT: u64 = 64 << 20;

/// What the file holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exported {
    /// Height, width and channels of the images.
    input: [usize; 3],
    layers: Vec<WrittenLayer>,
    /// What the network was trained for; says nothing about its layers.
    #[serde(default, rename = "signature")]
    _signature: Option<IgnoredAny>,
}

/// Reads `file`.
pub fn graph_file(reader: &mut Reader, folder: &Path) -> Option<Architecture> {
    let path = path(reader, "file", folder, "a layer graph that `pleach export` wrote as JSON")?;
    match read(&path) {
        Ok(architecture) => Some(architecture),
        Err(error) => {
            let span = reader.place("file");
            let diagnostic = reader.diagnostics.error(span, error.to_string());
            diagnostic.hints.extend(error.hints);
            diagnostic.hint("`pleach export MANIFEST STAGE -o FILE.json` writes the layer graph of a network");
            None
        }
    }
}

/// The architecture that a file describes. What the data decides is checked when it is built.
fn read(path: &Path) -> Result<Architecture> {
    let content = files::read_within(path, LIMIT)?;
    let exported: Exported = serde_json::from_slice(&content.bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        let message = message.trim_end_matches(&format!(" at line {line} column {column}"));
        let message = format!("line {line}, column {column} of the file is no layer graph ({message})");
        Error::new(Kind::Manifest, message).at(path)
    })?;
    Ok(Architecture::Graph { layers: exported.layers, input: Some(exported.input) })
}
