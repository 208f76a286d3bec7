//! The work of an import stage: a network with the weights of a file.

use std::path::Path;

use super::outputs::Outputs;
use super::{Context, Description, Failure, fit, inputs};
use crate::data::files;
use crate::error::{Error, Kind, Result};
use crate::network::arch::Architecture;
use crate::network::{Model, Signature};
use crate::store::Digest;

/// The most bytes of a file with weights: far above what a CPU trains.
const FILE_LIMIT: u64 = 8 << 30;

/// The hash of the bytes of a file with weights.
///
/// # Errors
/// `Kind::Input` when it is missing, no regular file, or cannot be read.
pub fn digest(path: &Path) -> Result<Digest> {
    Ok(Digest::from_bytes(*files::hash_within(path, FILE_LIMIT)?.as_bytes()))
}

/// Reads the file once, so that the bytes that are hashed are those that are used, and hands over `network` and
/// `weights`.
///
/// # Errors
/// `Kind::Input` when the file is not the one that the stage was planned with, or does not fit the network; see
/// [`Failure`].
pub fn import(
    description: &Description,
    network: Option<&Architecture>,
    context: &Context,
) -> Result<Outputs, Failure> {
    let input = description.import.as_ref();
    let input = input.ok_or_else(|| Error::new(Kind::Internal, "the stage has no file to import"))?;
    let graph = match network {
        Some(architecture) => architecture.build(input.shape, input.classes)?,
        None => inputs::graph(description, "like", context)?,
    };
    let data = inputs::needed_data(description, context)?;
    let file = files::read_within(&input.path, FILE_LIMIT)?;
    if Digest::from_bytes(*file.watched.hash.as_bytes()) != input.digest {
        let error = Error::new(Kind::Input, "the file with the weights changed while the run was going on");
        return Err(error.at(&input.path).hint("run again when nothing writes to it").into());
    }
    context.check_cancelled()?;
    let model = Model::import(graph, &file.bytes).map_err(|error| {
        error.at(&input.path).hint("`network` must be the one that the file was made from, layer for layer")
    })?;
    // A file of pleach's own says what its network was trained for; of others the data section does.
    let met = fit::meet(Signature::in_safetensors(&file.bytes)?, "the file", &data, context);
    let signature = met.map_err(|error| error.at(&input.path))?.signature;
    Ok(Outputs::network(&model)?.signature(Some(&signature)))
}
