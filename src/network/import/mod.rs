//! Weights from elsewhere: a safetensors file with PyTorch's tensor names, as torchvision's networks have them.
//!
//! - `rules`: what a manifest says about names, fresh layers and zeros
//! - `header`: names, types and shapes in a file; `foreign`: files that are something else
//! - `matching`: which tensor of a file becomes which of a network
//! - `misfit`: why a file does not fit, and what would help
//! - `values`: the numbers of a tensor in 32 bits

mod foreign;
mod header;
mod matching;
mod misfit;
pub mod rules;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeSet;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use safetensors::tensor::SafeTensors;
use serde::Serialize;

use super::model::HostTensor;
use super::{Graph, Model, Signature, pattern, weights};
use crate::error::{Error, Kind, Result};
use header::{Entries, Header};
use matching::{Matching, Source};
use rules::{Mask, Rules};

/// Weights that are exactly zero make at least this share of all before anything is said about it: trained weights hardly
/// ever are.
const MANY_ZEROS: f64 = 0.1;

/// A network whose weights are to come from a file.
pub struct Request<'a> {
    /// Its layers.
    pub graph: &'a Graph,
    /// How tensors of the file become its own.
    pub rules: &'a Rules,
    /// Of fresh weights.
    pub seed: u64,
    /// A setting of the architecture and the layers that there would be with it: proposed if the file fits these better.
    pub other: Option<(&'static str, Graph)>,
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Taken {
    /// Tensors that come from the file.
    pub taken: usize,
    /// Tensors with fresh values.
    pub fresh: usize,
    /// Tensors of the file that were left there.
    pub ignored: usize,
    /// Tensors with a mask.
    pub masked: usize,
    /// Values that the masks hold at zero, of biases too.
    pub masked_weights: u64,
    /// What was taken off names; empty for nothing.
    pub prefix: String,
    /// For people.
    pub notes: Vec<String>,
}

/// Whether the file fits the network, if that is known, by names, types and shapes; reads no values. `size` is that of the
/// whole file, where it is known. What the file says that its network was trained for, if it does.
///
/// # Errors
/// `Kind::Input` with all that is wrong at once, and what would help; `Kind::Manifest` when a pattern of layers matches
/// none.
pub fn check(request: Option<&Request>, file: &mut impl Read, size: Option<u64>) -> Result<Option<Signature>> {
    guarded(|| {
        let header = header::read(file, size)?;
        if let Some(request) = request {
            fitting(request, &header.entries)?;
        }
        Signature::in_metadata(&header.metadata)
    })
}

/// The network with the weights of the file. Tensors called `….num_batches_tracked` are ignored; values of 64 and 16 bits
/// (f64, f16, bf16) are brought to 32; the two tensors that `torch.nn.utils.prune` makes of one (`weight_orig`,
/// `weight_mask`; of a bias too) are multiplied, and the second becomes a mask. With what came of it, and what the file says
/// that its network was trained for, if it does.
///
/// # Errors
/// `Kind::Input` with all that is wrong at once: tensors that are missing, extra, of the wrong shape or type, and
/// values that are not finite or become so in 32 bits.
pub fn import(request: &Request, file: &[u8]) -> Result<(Model, Taken, Option<Signature>)> {
    guarded(|| {
        let Header { entries, metadata } = header::read(&mut &file[..], Some(file.len() as u64))?;
        let found = fitting(request, &entries)?;
        let tensors = SafeTensors::deserialize(file).map_err(|error| {
            Error::new(Kind::Input, format!("the weights are not a valid safetensors file: {error}"))
        })?;
        let (model, taken) = read(request, &entries, &found, &tensors)?;
        Ok((model, taken, Signature::in_metadata(&metadata)?))
    })
}

/// A panic in a parser of foreign bytes must not take the process down.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::new(Kind::Input, "the weights could not be read: a parser panicked")))
}

/// The matching of a file that fits.
fn fitting(request: &Request, entries: &Entries) -> Result<Matching> {
    let Request { graph, rules, .. } = request;
    let is_idle = |wanted: &&String| !rules::layers(graph).any(|layer| pattern::matches(wanted, layer));
    if let Some(idle) = rules.fresh.iter().find(is_idle) {
        let message = format!("no layer of the network with weights matches `{idle}` of `fresh`");
        let names: Vec<&str> = rules::layers(graph).collect();
        return Err(Error::new(Kind::Manifest, message).hint(format!("the network has {}", misfit::few(&names))));
    }
    if entries.is_empty() {
        let error = Error::new(Kind::Input, "the file has no tensors");
        return Err(error.hint("write it again from the network's `state_dict()`, or download it again"));
    }
    if let Some(error) = misfit::idle_prefix(rules, entries) {
        return Err(error);
    }
    let found = matching::find(graph, rules, entries);
    if found.fits() { Ok(found) } else { Err(misfit::error(request, entries, &found)) }
}

fn read(request: &Request, entries: &Entries, found: &Matching, file: &SafeTensors) -> Result<(Model, Taken)> {
    let Request { graph, rules, seed, .. } = request;
    // Fresh weights are drawn layer by layer, whatever the others become.
    let mut model = Model::initialise((*graph).clone(), *seed)?;
    let (mut problems, mut hints) = (Vec::new(), BTreeSet::new());
    let mut zeros = Zeros::default();
    for (spec, source) in &found.sources {
        let (mut data, mask) = match values(file, source) {
            Ok(found) => found,
            Err(words) => {
                problems.push(format!("`{}` {words}", spec.name));
                hints.insert("`torch.nn.utils.prune.remove` makes one tensor of values and mask before they are saved");
                continue;
            }
        };
        if data.len() != spec.dims.iter().product::<usize>() {
            problems.push(format!("`{}` is cut off", spec.name));
            continue;
        }
        if let Err(words) = weights::check(spec, &data) {
            hints.insert(
                "training diverged, or the file is damaged: take weights from before that, or write the file again",
            );
            problems.push(format!("`{}` {words}", spec.name));
            continue;
        }
        let is_weight = matching::zeros_are_masked(spec);
        // A mask of the file's own holds whatever tensor it is of.
        let mask = match rules.mask {
            Some(Mask::Zeros) if is_weight => Some(data.iter().map(|value| *value != 0.0).collect()),
            _ => mask,
        };
        if is_weight {
            zeros.count(&spec.name, &data, mask.as_deref());
        }
        if let Some(mask) = mask.filter(|mask| mask.contains(&false)) {
            // Negative zeros too.
            data.iter_mut().zip(&mask).filter(|(_, kept)| !**kept).for_each(|(value, _)| *value = 0.0);
            model.masks.insert(spec.name.clone(), mask);
        }
        model.tensors.insert(spec.name.clone(), HostTensor { dims: spec.dims.clone(), data });
    }
    if !problems.is_empty() {
        return Err(hints.into_iter().fold(weights::misfit(problems), Error::hint));
    }
    let taken = taken(request, entries, found, &model, &zeros);
    Ok((model, taken))
}

/// The values of a tensor, and its mask if the file has one; or what is wrong with it.
fn values(file: &SafeTensors, source: &Source) -> Result<(Vec<f32>, Option<Vec<bool>>), String> {
    let view = |name: &String| file.tensor(name).map_err(|error| format!("cannot be read: {error}"));
    let floats = |name: &String| {
        let view = view(name)?;
        values::floats(view.dtype(), view.data()).ok_or_else(|| "is of a type that is not read".to_owned())
    };
    match source {
        Source::Whole(name) => Ok((floats(name)?, None)),
        Source::Masked([values, mask]) => {
            let view = view(mask)?;
            let mask = values::bits(view.dtype(), view.data());
            let mask = mask.ok_or_else(|| "has a mask with values other than 0 and 1".to_owned())?;
            let values = floats(values)?.into_iter().zip(&mask).map(|(value, kept)| if *kept { value } else { 0.0 });
            Ok((values.collect(), Some(mask)))
        }
    }
}

/// The exact zeros among the weights of the file.
#[derive(Default)]
struct Zeros {
    zeros: u64,
    /// Those that stay zero.
    masked: u64,
    weights: u64,
    /// Tensors that have nothing else.
    empty: Vec<String>,
}

impl Zeros {
    fn count(&mut self, name: &str, data: &[f32], mask: Option<&[bool]>) {
        let zeros = data.iter().filter(|value| **value == 0.0).count();
        self.zeros += zeros as u64;
        self.masked += mask.map_or(0, |mask| mask.iter().filter(|kept| !**kept).count()) as u64;
        self.weights += data.len() as u64;
        if zeros == data.len() {
            self.empty.push(name.to_owned());
        }
    }

    fn share(&self, part: u64) -> f64 {
        part as f64 / self.weights.max(1) as f64
    }
}

/// What came of it, in numbers and in words.
fn taken(request: &Request, entries: &Entries, found: &Matching, model: &Model, zeros: &Zeros) -> Taken {
    let rules = request.rules;
    let masked_weights = model.masks.values().flatten().filter(|kept| !**kept).count() as u64;
    let mut summary = format!("{} tensors taken from the file", found.sources.len());
    if found.fresh > 0 {
        let layers: Vec<&str> = rules.fresh_layers(request.graph).into_iter().collect();
        summary += &format!(", {} fresh ({})", found.fresh, layers.join(", "));
    }
    if !found.ignored.is_empty() {
        summary += &format!(", {} of the file ignored", found.ignored.len());
    }
    if !model.masks.is_empty() {
        let percent = 100.0 * zeros.share(zeros.masked);
        summary += &format!(", {} masked ({percent:.1} % of the weights stay zero)", model.masks.len());
    }
    let mut notes = vec![summary];
    if rules.prefix.is_none() && !found.prefix.is_empty() {
        let prefix = &found.prefix;
        notes.push(format!("`{prefix}` was taken off all names{}", misfit::origin_of(prefix)));
    }
    for name in zeros.empty.iter().filter(|name| model.masks.contains_key(*name)) {
        notes.push(format!("all of `{name}` is zero and masked: of this layer only a bias can learn"));
    }
    let unmasked = zeros.zeros - zeros.masked;
    if rules.mask.is_none() && zeros.share(unmasked) >= MANY_ZEROS {
        let percent = 100.0 * zeros.share(unmasked);
        notes.push(format!(
            "{percent:.1} % of the weights are exactly zero, and training changes them: `mask = \"zeros\"` holds them"
        ));
    }
    for wanted in &rules.ignore_extra {
        // A note only: it changes nothing, and one list may be for the files of a sweep.
        if !entries.keys().any(|name| matching::may_stay(wanted, name, &found.prefix)) {
            notes.push(format!("no tensor of the file matches `{wanted}` of `ignore-extra`"));
        }
    }
    Taken {
        taken: found.sources.len(),
        fresh: found.fresh,
        ignored: found.ignored.len(),
        masked: model.masks.len(),
        masked_weights,
        prefix: found.prefix.clone(),
        notes,
    }
}
