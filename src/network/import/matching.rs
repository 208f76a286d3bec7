//! Which tensor of a file becomes which of a network: by name, after a prefix is taken off.

use std::collections::{BTreeMap, BTreeSet};

use super::header::{Entries, Entry};
use super::rules::Rules;
use super::values;
use crate::network::{Graph, ParameterSpec, Role, pattern};

/// PyTorch counts the batches that a normalization has seen, and nothing here needs to know.
const COUNTER: &str = "num_batches_tracked";

/// What `torch.nn.utils.prune` appends to a tensor's name: the values before pruning, and the mask, which are multiplied.
const PAIR: [&str; 2] = ["_orig", "_mask"];

/// Where a tensor comes from: names in the file.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// One tensor.
    Whole(String),
    /// The two of `torch.nn.utils.prune`: values and mask.
    Masked([String; 2]),
}

/// What a file and a network have in common under one prefix.
#[derive(Debug)]
pub struct Matching {
    /// What was taken off names.
    pub prefix: String,
    /// The tensors that come from the file, in the network's order.
    pub sources: Vec<(ParameterSpec, Source)>,
    /// How many tensors get fresh values.
    pub fresh: usize,
    /// Tensors of the file that are not taken and need not be.
    pub ignored: Vec<String>,
    /// Tensors of the network that cannot be taken, in its order.
    pub problems: Vec<Problem>,
    /// Tensors of the file that the network does not have.
    pub extra: Vec<String>,
    /// Tensors of the file whose names become one name without the prefix.
    pub clashes: Vec<Clash>,
}

/// Two names of the file that become one.
#[derive(Debug)]
pub struct Clash {
    /// Without the prefix, and with it.
    pub names: [String; 2],
}

/// A tensor of the network that cannot be taken.
#[derive(Debug)]
pub struct Problem {
    /// Its name in the network.
    pub name: String,
    /// Why.
    pub words: String,
    /// The kind of reason.
    pub fault: Fault,
}

/// Why a tensor cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The file does not have it.
    Missing,
    /// It has another shape.
    Shape,
    /// Its numbers are of a type that is not read.
    Type,
}

impl Problem {
    /// The name of the layer.
    pub fn layer(&self) -> &str {
        layer_of(&self.name)
    }
}

/// The layer of a tensor.
fn layer_of(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(layer, _)| layer)
}

impl Matching {
    /// Whether the file can be taken.
    pub fn fits(&self) -> bool {
        self.problems.is_empty() && self.extra.is_empty() && self.clashes.is_empty()
    }
}

/// The matching of `graph` and a file: under the prefix that is given, else under none, else under a first part of all
/// names if everything fits then. If nothing fits, the one that comes nearest.
pub fn find(graph: &Graph, rules: &Rules, entries: &Entries) -> Matching {
    if let Some(prefix) = &rules.prefix {
        return under(prefix, graph, rules, entries);
    }
    let plain = under("", graph, rules, entries);
    if plain.fits() {
        return plain;
    }
    let others = beginnings(entries).into_iter().map(|prefix| under(prefix, graph, rules, entries));
    // A part of the names alone is a matter for the manifest to say.
    others.fold(plain, |best, other| {
        let distance = |found: &Matching| (found.problems.len(), found.extra.len() + found.clashes.len());
        let better = distance(&other) < distance(&best);
        if better { other } else { best }
    })
}

/// Whether every name begins with `prefix`.
pub fn is_common(prefix: &str, entries: &Entries) -> bool {
    entries.keys().all(|name| name.starts_with(prefix))
}

/// The beginnings of names up to a dot that come into question as prefixes: all first parts, and those that all names have
/// in common.
fn beginnings(entries: &Entries) -> BTreeSet<&str> {
    /// More first parts than this are no prefixes but the network's own.
    const MOST: usize = 32;
    let first = |name: &str| name.find('.').map(|dot| dot + 1);
    let mut all: BTreeSet<&str> = entries.keys().filter_map(|name| Some(&name[..first(name)?])).take(MOST).collect();
    if let Some(name) = entries.keys().next() {
        let ends = name.match_indices('.').map(|(dot, _)| &name[..=dot]);
        all.extend(ends.filter(|prefix| is_common(prefix, entries)));
    }
    all
}

/// The matching when `prefix` is taken off the names that begin with it.
fn under(prefix: &str, graph: &Graph, rules: &Rules, entries: &Entries) -> Matching {
    let fresh = rules.fresh_layers(graph);
    let mut found = Matching {
        prefix: prefix.to_owned(),
        sources: Vec::new(),
        fresh: 0,
        ignored: Vec::new(),
        problems: Vec::new(),
        extra: Vec::new(),
        clashes: Vec::new(),
    };
    // Names in the network's terms to names in the file.
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for name in entries.keys().filter(|name| name.rsplit('.').next() != Some(COUNTER)) {
        let own = name.strip_prefix(prefix).unwrap_or(name);
        match names.get(own) {
            None => drop(names.insert(own, name)),
            Some(other) => {
                let mut names = [*other, name.as_str()].map(str::to_owned);
                names.sort_by_key(String::len);
                found.clashes.push(Clash { names });
            }
        }
    }
    for spec in graph.parameters() {
        if fresh.contains(layer_of(&spec.name)) {
            found.fresh += 1;
            continue;
        }
        let found_source = source(&spec, &names, entries);
        let pair = PAIR.map(|end| format!("{}{end}", spec.name));
        if names.remove(spec.name.as_str()).is_none() && pair.iter().all(|name| names.contains_key(name.as_str())) {
            names.retain(|name, _| !pair.iter().any(|other| other == name));
        }
        match found_source {
            Ok(source) => found.sources.push((spec, source)),
            Err((fault, words)) => found.problems.push(Problem { name: spec.name.clone(), words, fault }),
        }
    }
    for (own, name) in names {
        let replaced = fresh.iter().any(|layer| own.strip_prefix(layer).is_some_and(|rest| rest.starts_with('.')));
        let is_ignored = replaced || rules.ignore_extra.iter().any(|wanted| may_stay(wanted, name, prefix));
        if is_ignored { &mut found.ignored } else { &mut found.extra }.push(name.to_owned());
    }
    found
}

/// Whether a pattern of `ignore-extra` matches a name of the file, with the prefix or without.
pub fn may_stay(wanted: &str, name: &str, prefix: &str) -> bool {
    pattern::matches(wanted, name) || pattern::matches(wanted, name.strip_prefix(prefix).unwrap_or(name))
}

/// Where a tensor comes from, or what is wrong with what the file has.
fn source(spec: &ParameterSpec, names: &BTreeMap<&str, &str>, entries: &Entries) -> Result<Source, (Fault, String)> {
    let entry = |name: &str| names.get(name).map(|name| (*name, &entries[*name]));
    let check_shape = |entry: &Entry, what: &str| {
        if entry.shape != spec.dims {
            return Err((Fault::Shape, format!("has {what}shape {:?}, not {:?}", entry.shape, spec.dims)));
        }
        Ok(())
    };
    let check_type = |entry: &Entry| values::refusal(entry.dtype).map_or(Ok(()), |words| Err((Fault::Type, words)));
    if let Some((name, entry)) = entry(&spec.name) {
        check_type(entry)?;
        check_shape(entry, "")?;
        return Ok(Source::Whole(name.to_owned()));
    }
    let [values, mask] = PAIR.map(|end| entry(&format!("{}{end}", spec.name)));
    match (values, mask) {
        (Some((values, values_entry)), Some((mask, mask_entry))) if spec.role.trainable() => {
            check_type(values_entry)?;
            check_shape(values_entry, "")?;
            check_shape(mask_entry, "a mask of ")?;
            Ok(Source::Masked([values.to_owned(), mask.to_owned()]))
        }
        _ => Err((Fault::Missing, "is missing".to_owned())),
    }
}

/// Whether the zeros of a tensor can become a mask: weights of convolutions and linear layers.
pub fn zeros_are_masked(spec: &ParameterSpec) -> bool {
    spec.role == Role::Weight
}
