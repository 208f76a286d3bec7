//! The work of an import stage: a network with the weights of a file.

use std::path::Path;

use super::outputs::Outputs;
use super::{Context, Description, Failure, fit, inputs};
use crate::data::files;
use crate::error::{Error, Kind, Result};
use crate::network::arch::Architecture;
use crate::network::import::rules::Rules;
use crate::network::import::{self, Request};
use crate::network::{Graph, Signature};
use crate::store::Digest;
use crate::train::Progress;

/// The most bytes of a file with weights: far above what a CPU trains.
const FILE_LIMIT: u64 = 8 << 30;

/// The hash of the bytes of a file with weights.
///
/// # Errors
/// `Kind::Input` when it is missing, no regular file, or cannot be read.
pub fn digest(path: &Path) -> Result<Digest> {
    Ok(Digest::from_bytes(*files::hash_within(path, FILE_LIMIT)?.as_bytes()))
}

/// Whether the file fits the network of this architecture, for images of (height, width, channels) in so many classes, by
/// the names, types and shapes in its header.
///
/// # Errors
/// `Kind::Input` when it does not, or cannot be read; see [`import::check`].
pub fn check(path: &Path, architecture: &Architecture, shape: [usize; 3], classes: usize, rules: &Rules) -> Result<()> {
    let (mut file, size) = files::open_plain(path, FILE_LIMIT)?;
    let graph = architecture.build(shape, classes)?;
    let request = request(&graph, rules, 0, Some(architecture), classes);
    import::check(&request, &mut file, size).map_err(|error| error.at(path))
}

fn request<'a>(
    graph: &'a Graph,
    rules: &'a Rules,
    seed: u64,
    architecture: Option<&Architecture>,
    classes: usize,
) -> Request<'a> {
    let other = architecture.and_then(Architecture::with_other_stem);
    let other = other.and_then(|(words, other)| Some((words, other.build(graph.input, classes).ok()?)));
    Request { graph, rules, seed, other }
}

/// Reads the file once, so that the bytes that are hashed are those that are used, and hands over `network`, `weights` and
/// `report`: how many tensors were taken, fresh, ignored, masked.
///
/// # Errors
/// `Kind::Input` when the file is not the one that the stage was planned with, or does not fit the network; see
/// [`Failure`].
pub fn import(
    description: &Description,
    network: Option<&Architecture>,
    rules: &Rules,
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
    let request = request(&graph, rules, description.seed, network, input.classes);
    let (model, taken) = import::import(&request, &file.bytes).map_err(|error| error.at(&input.path))?;
    taken.notes.iter().for_each(|note| (context.progress)(Progress::Note(note.clone())));
    // A file of pleach's own says what its network was trained for; of others the data section does.
    let mut said = Signature::in_safetensors(&file.bytes).map_err(|error| error.at(&input.path))?;
    if let Some(said) = said.as_mut().filter(|_| rules.head_is_fresh(&graph)) {
        // A fresh head has the classes of the data.
        said.classes.clone_from(&data.set.class_names);
    }
    let met = fit::meet(said, "the file", &data, context).map_err(|error| error.at(&input.path))?;
    Ok(Outputs::network(&model)?.signature(Some(&met.signature)).json("report", &taken))
}
