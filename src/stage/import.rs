//! The work of an import stage: a network with the weights of a file.

use std::path::Path;

use super::outputs::Outputs;
use super::{Context, Description, Failure, fit, inputs};
use crate::data::{Outline, files};
use crate::error::{Error, Kind, Result};
use crate::network::Graph;
use crate::network::arch::Architecture;
use crate::network::import::rules::Rules;
use crate::network::import::{self, Request};
use crate::store::Digest;
use crate::train::Progress;

/// The most bytes of a file with weights: far above what a CPU trains.
const FILE_LIMIT: u64 = 8 << 30;

/// What its network is called in messages.
const THE_FILE: &str = "the network of the file";

/// The hash of the bytes of a file with weights.
///
/// # Errors
/// `Kind::Input` when it is missing, no regular file, or cannot be read.
pub fn digest(path: &Path) -> Result<Digest> {
    Ok(Digest::from_bytes(*files::hash_within(path, FILE_LIMIT)?.as_bytes()))
}

/// Whether the file fits the network of this architecture by the names, types and shapes in its header, and the data set that
/// is told by `outline` by what the file says that it was trained for. Without an architecture, because the network is that
/// of a stage's result, only the latter.
///
/// # Errors
/// `Kind::Input` when it does not, or cannot be read; see [`import::check`].
pub fn check(path: &Path, network: Option<&Architecture>, outline: &Outline, rules: &Rules) -> Result<()> {
    let (mut file, size) = files::open_content(path, FILE_LIMIT)?;
    let graph = network.map(|network| network.build(outline.shape, outline.classes)).transpose()?;
    let request = graph.as_ref().map(|graph| request(graph, rules, 0, network, outline.classes));
    let found = import::check(request.as_ref(), &mut file, size).and_then(|said| {
        let Some(said) = said else { return Ok(()) };
        let head_is_fresh = match &graph {
            Some(graph) => rules.head_is_fresh(graph),
            // Whether a pattern means the head is known when the network is.
            None => rules.head.is_some() || !rules.fresh.is_empty(),
        };
        let classes = if head_is_fresh { &said.classes } else { &outline.class_names };
        said.order(THE_FILE, outline.shape, classes).map(drop).map_err(|error| {
            error.hint(match said.input == outline.shape {
                true => "`head = \"fresh\"` makes the last layer anew, for the classes of the data",
                false => "take data of that size; a set of your own images has `size` and `channels`",
            })
        })
    });
    found.map_err(|error| error.at(path))
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
    let (model, taken, mut said) = import::import(&request, &file.bytes).map_err(|error| error.at(&input.path))?;
    taken.notes.iter().for_each(|note| (context.progress)(Progress::Note(note.clone())));
    // A file of pleach's own says what its network was trained for; of others the data section does.
    if let Some(said) = said.as_mut().filter(|_| rules.head_is_fresh(&graph)) {
        // A fresh head has the classes of the data.
        said.classes.clone_from(&data.set.class_names);
    }
    let met = fit::meet(said, THE_FILE, &data, context).map_err(|error| error.at(&input.path))?;
    (context.progress)(Progress::Normalization(met.normalization().clone()));
    Ok(Outputs::network(&model)?.signature(Some(&met.signature)).json("report", &taken))
}
