//! Networks and data that a stage reads, verified against the hashes in its description.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::{Context, DataInput, Description, Failure, NetworkInput};
use crate::data::{self, DataSet, Images, Normalization, Origin, Source};
use crate::error::{Error, Kind, Result};
use crate::network::{Model, Signature};
use crate::store::Digest;
use crate::train::Progress;

/// Data sets in memory, each read once a run and shared by the stages that use it.
#[derive(Default)]
pub struct DataSets(Mutex<Slots>);

/// Few enough to look through.
type Slots = Vec<(Origin, Arc<Slot>)>;

#[derive(Default)]
struct Slot {
    set: OnceLock<Result<Arc<DataSet>>>,
    /// Whether its repeated images were told.
    told: AtomicBool,
}

impl DataSets {
    /// The set, read when it is asked for first.
    ///
    /// # Errors
    /// [`Kind::Input`] when a file is missing or malformed.
    pub fn get(&self, origin: &Origin) -> Result<Arc<DataSet>> {
        self.slot(origin).set.get_or_init(|| origin.load().map(Arc::new)).clone()
    }

    /// A warning for each kind of repetition in a published set, when it is asked for first. Those of a user's own images
    /// are told by their files when a run is planned.
    ///
    /// # Errors
    /// As [`DataSets::get`].
    pub fn repeats(&self, origin: &Origin) -> Result<Vec<String>> {
        if origin.source == Source::Images || self.slot(origin).told.swap(true, Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        Ok(data::repeats::of_pixels(&*self.get(origin)?))
    }

    fn slot(&self, origin: &Origin) -> Arc<Slot> {
        let mut sets = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match sets.iter().find(|(other, _)| other == origin) {
            Some((_, slot)) => Arc::clone(slot),
            None => {
                sets.push((origin.clone(), Arc::default()));
                Arc::clone(&sets[sets.len() - 1].1)
            }
        }
    }

    /// Whether the files of a set still hold what was read from them.
    ///
    /// # Errors
    /// [`Kind::Input`] when they do not.
    pub fn check_unchanged(&self, origin: &Origin) -> Result<()> {
        self.get(origin)?.witness.unchanged()
    }
}

/// The images of one stage: a set, its split, and the normalisation of its training split.
pub struct Prepared {
    /// The whole set.
    pub set: Arc<DataSet>,
    /// Indices of training images.
    pub train: Vec<u32>,
    /// Indices of validation images, of the training set too.
    pub validation: Vec<u32>,
    /// From the training split, or as the manifest gives it.
    pub normalization: Normalization,
    /// Whether the manifest gives it.
    pub has_own_constants: bool,
}

impl Prepared {
    /// Images and indices of a split.
    pub fn split(&self, split: super::Split) -> (&Images, Vec<u32>) {
        match split {
            super::Split::Train => (&self.set.train, self.train.clone()),
            super::Split::Validation => (&self.set.train, self.validation.clone()),
            super::Split::Test => (&self.set.test, (0..self.set.test.len() as u32).collect()),
        }
    }
}

/// Reads the data of a stage and splits it.
///
/// # Errors
/// [`Kind::Input`] when the bytes are not those that the stage was planned with.
pub fn data(input: &DataInput, context: &Context) -> Result<Prepared> {
    let set = context.data.get(&input.origin())?;
    if Digest::from_bytes(*set.digest.as_bytes()) != input.digest {
        let error =
            Error::new(Kind::Input, format!("input `{}` changed while the run was going on", input.source.name()))
                .hint("run again when nothing writes to it");
        return Err(match &input.path {
            Some(path) => error.at(path),
            None => error,
        });
    }
    for repeat in context.data.repeats(&input.origin())? {
        (context.progress)(Progress::Note(format!("data set `{}`: {repeat}", input.source.name())));
    }
    let trained = (set.train.len() - set.validation) as u32;
    let mut available: Vec<u32> = (0..trained).collect();
    if let Some(limit) = input.limit {
        // A stratified choice, so that a small limit still has every class.
        let share = 1.0 - (limit as f64 / available.len() as f64).min(1.0);
        available = data::split(&set.train.labels[..trained as usize], set.classes(), share, input.seed).train;
    }
    let labels: Vec<u32> = available.iter().map(|i| set.train.labels[*i as usize]).collect();
    let split = if input.validation > 0.0 {
        // A copy of a training image says nothing of others.
        let contents: Vec<u32> = available.iter().map(|i| set.contents()[*i as usize]).collect();
        data::split_by_content(&labels, &contents, set.classes(), input.validation, input.seed)
    } else {
        data::split(&labels, set.classes(), 0.0, input.seed)
    };
    let pick = |indices: &[u32]| indices.iter().map(|i| available[*i as usize]).collect::<Vec<u32>>();
    let (train, mut validation) = (pick(&split.train), pick(&split.validation));
    // Of the set's own; a share is refused then.
    validation.extend(trained..set.train.len() as u32);
    let normalization = match &input.normalization {
        Some(constants) => constants.into(),
        None => Normalization::of(&set.train, &train),
    };
    let has_own_constants = input.normalization.is_some();
    Ok(Prepared { set, train, validation, normalization, has_own_constants })
}

/// The data input of a stage that needs one.
pub fn needed_data(description: &Description, context: &Context) -> Result<Prepared> {
    let input = description.data.as_ref();
    data(input.ok_or_else(|| Error::new(Kind::Internal, "the stage has no data"))?, context)
}

/// Reads a network with its weights.
///
/// # Errors
/// [`Failure::InputLost`] when one of its objects is gone or was corrupt.
pub fn network(description: &Description, role: &str, context: &Context) -> Result<Model, Failure> {
    let input = input(description, role)?;
    let graph = object(&input.network, role, context)?;
    let weights = input.weights.ok_or_else(|| internal(format!("input `{role}` has no weights")))?;
    let weights = object(&weights, role, context)?;
    let masks = input.masks.map(|masks| object(&masks, role, context)).transpose()?;
    Ok(Model::from_parts(&graph, &weights, masks.as_deref())?)
}

/// Reads what a network was trained for; `None` when its result does not say.
///
/// # Errors
/// [`Failure::InputLost`] when the object is gone or was corrupt, and when its task is not known.
pub fn signature(description: &Description, role: &str, context: &Context) -> Result<Option<Signature>, Failure> {
    let Some(digest) = input(description, role)?.signature else { return Ok(None) };
    Ok(Some(Signature::from_json(&object(&digest, role, context)?)?))
}

/// Reads only a network's layer graph.
pub fn graph(description: &Description, role: &str, context: &Context) -> Result<crate::network::Graph, Failure> {
    let bytes = object(&input(description, role)?.network, role, context)?;
    Ok(crate::network::Graph::from_json(&bytes)?)
}

/// The size in bytes of a network's files, as they are stored.
pub fn stored_bytes(description: &Description, role: &str, context: &Context) -> Result<u64, Failure> {
    let input = input(description, role)?;
    let mut total = 0;
    for digest in [Some(input.network), input.weights, input.masks].into_iter().flatten() {
        total += object(&digest, role, context)?.len() as u64;
    }
    Ok(total)
}

fn input<'a>(description: &'a Description, role: &str) -> Result<&'a NetworkInput> {
    description.inputs.get(role).ok_or_else(|| internal(format!("the stage has no input `{role}`")))
}

fn internal(message: String) -> Error {
    Error::new(Kind::Internal, message)
}

fn object(digest: &Digest, role: &str, context: &Context) -> Result<Vec<u8>, Failure> {
    context.store.get(digest)?.ok_or_else(|| Failure::InputLost { role: role.to_owned(), digest: *digest })
}
