//! From the bytes of a manifest to a [`Manifest`]: everything checked that can be checked before anything runs.
//!
//! Reading goes through these files in order:
//!
//! - `source` reads the file within limits and turns byte offsets into lines and columns;
//! - `value` parses TOML into a tree in which every key and value knows its place, and merges `--set`;
//! - `reader` takes typed values out of a table, and notes unknown and missing keys; `scalar` takes single values, and
//!   notes wrong types and values out of range; `spans` remembers where they stood and which were wrong;
//! - `matrix` reads `[matrix]` and puts values in place of `${matrix.x}`;
//! - `decode` (one file a section) turns tables into the types that stages are made of; `decode::instances` makes one
//!   manifest with axes into many stages;
//! - `validate` checks what needs the whole manifest: names, cycles, layers, shapes, sizes;
//! - `order` puts inputs first, or finds the circles;
//! - `expectation` is a line of `[expect]`;
//! - `diagnostic` is how all of them report: many at once, each with its place and a hint; `nearest` finds the name that
//!   was meant.
//!
//! `schema` writes all of it down for editors, from what `describe` finds out by asking `decode`.
//!
//! One mistake gives one message: a value that was wrong is remembered, and checks that build on it are left out.

mod decode;
mod describe;
pub mod diagnostic;
pub mod expectation;
pub mod matrix;
pub mod nearest;
pub mod order;
mod reader;
mod scalar;
pub mod schema;
pub mod source;
mod spans;
mod validate;
mod value;

pub use scalar::printable;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::data::{Constants, Decoding, Origin, Outline, Source};
use crate::network::arch::Architecture;
use crate::stage::Parameters;
pub use decode::path::name_home;
pub use decode::report::variable;
use diagnostic::{Diagnostics, Invalid};
pub use source::{Place, Sources, Span};
pub use spans::Spans;

/// A manifest that passed every check.
#[derive(Debug)]
pub struct Manifest {
    /// The texts that spans point into: the file, then one for each `--set`.
    pub sources: Sources,
    /// `[pipeline]`.
    pub pipeline: Pipeline,
    /// `[data.*]`, by name, in the order of the file.
    pub data: IndexMap<String, Data>,
    /// `[networks.*]`, by name.
    pub networks: IndexMap<String, NamedNetwork>,
    /// The axes of `[matrix]`, in the order of the file.
    pub axes: Vec<Axis>,
    /// The instances of `[stages.*]`, by name, in the order of the file.
    pub stages: IndexMap<String, Stage>,
    /// `[report]`.
    pub report: Report,
    /// `[search]`.
    pub search: Option<Search>,
    /// `[expect]`, in the order of the file.
    pub expectations: Vec<expectation::Expectation>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<diagnostic::Diagnostic>,
}

impl Manifest {
    /// Coordinates in words: `lr=0.1, width=8`.
    pub fn words(&self, coordinates: &[matrix::Coordinate]) -> String {
        let word = |(axis, value): &matrix::Coordinate| {
            let axis = &self.axes[*axis];
            format!("{}={}", axis.name, axis.labels[*value])
        };
        coordinates.iter().map(word).collect::<Vec<_>>().join(", ")
    }

    /// Whether the values of an axis tell results apart, which are averaged over it otherwise: all axes that `group-by`
    /// names, or all that are no seeds. A seed that is compared, or has a panel for each value, is one that does.
    pub fn tells_apart(&self, axis: usize) -> bool {
        let Report { group_by, compare, panel, .. } = &self.report;
        match group_by {
            Some(axes) => axes.contains(&axis),
            None => {
                let is_named = compare.is_some_and(|compare| compare.axis == axis) || *panel == Some(axis);
                is_named || !self.axes[axis].is_seed()
            }
        }
    }

    /// The number of the seed among coordinates, if one is: see [`Axis::seeds`].
    pub fn seed_of(&self, coordinates: &[matrix::Coordinate]) -> Option<usize> {
        coordinates.iter().find_map(|(axis, value)| Some(self.axes[*axis].seeds.as_ref()?[*value]))
    }
}

/// `[pipeline]`: labels, and the default seed.
#[derive(Debug, Clone, Default)]
pub struct Pipeline {
    /// A label; the file's stem when the manifest gives none.
    pub name: String,
    /// For people.
    pub description: String,
    /// The seed of every stage and split that gives none.
    pub seed: u64,
}

/// An axis of `[matrix]`.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Its name.
    pub name: String,
    /// Its values as instances are named.
    pub labels: Vec<String>,
    /// The same as numbers and words; the label of a value that is a table.
    pub values: Vec<serde_json::Value>,
    /// Where the values are seeds, so that results are averaged over them: a number for each value. It is the same for
    /// values of two axes that always come together.
    pub seeds: Option<Vec<usize>>,
}

impl Axis {
    /// Whether results are averaged over its values.
    pub fn is_seed(&self) -> bool {
        self.seeds.is_some()
    }

    /// The place of the value that is called `label`, or that is the same number written in another way.
    pub fn find(&self, label: &str) -> Option<usize> {
        let number = label.parse::<f64>().ok();
        let same = |value: &serde_json::Value| number.is_some() && value.as_f64() == number;
        self.labels.iter().position(|other| other == label).or_else(|| self.values.iter().position(same))
    }
}

/// `[report]`: how results are shown.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The axes that tell groups of results apart; all but seeds when absent.
    pub group_by: Option<Vec<usize>>,
    /// The axis that a chart has a panel for each value of.
    pub panel: Option<usize>,
    /// The methods to be held against each other.
    pub compare: Option<Comparison>,
    /// Measures of the user's own with their expressions, in the order of the file.
    pub metrics: Vec<(String, String)>,
}

/// `[search]`: an axis of which not every value is run.
#[derive(Debug, Clone)]
pub struct Search {
    /// The axis: values from the mildest on, or rungs.
    pub axis: usize,
    /// The section of evaluate stages that it looks at.
    pub evaluate: String,
    /// Where it is named.
    pub evaluate_span: Span,
    /// The section of the model that counts.
    pub model: Option<String>,
    /// Where it is named.
    pub model_span: Span,
    /// How it decides.
    pub strategy: Strategy,
}

/// How a search decides.
#[derive(Debug, Clone, PartialEq)]
pub enum Strategy {
    /// The last value whose accuracy is at most `drop` below the reference's.
    Bisect {
        /// A share of right answers.
        drop: f64,
    },
    /// The best candidates of each rung go on to the next.
    Halving {
        /// The axes whose values compete.
        over: Vec<usize>,
        /// The share that goes on.
        keep: f64,
    },
}

impl Search {
    /// The axes that it decides on.
    pub fn axes(&self) -> Vec<usize> {
        let over: &[usize] = match &self.strategy {
            Strategy::Halving { over, .. } => over,
            Strategy::Bisect { .. } => &[],
        };
        over.iter().copied().chain([self.axis]).collect()
    }
}

/// The values of one axis held against each other.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    /// The axis.
    pub axis: usize,
    /// The value that the others are held against.
    pub against: Option<usize>,
}

/// `[data.NAME]`: where a set comes from and how it is split.
#[derive(Debug, Clone)]
pub struct Data {
    /// Which set.
    pub source: Source,
    /// The folder with its files, for sets that are not built in. Relative paths are resolved against the manifest.
    pub path: Option<PathBuf>,
    /// What image files are made into, for a user's own images.
    pub decoding: Option<Decoding>,
    /// Shape, classes and sizes; `None` when what they depend on was wrong.
    pub outline: Option<Outline>,
    /// Mean and deviation; measured on the training split when absent.
    pub normalization: Option<Constants>,
    /// The share of the training set that is split off for validation, in [0, 1).
    pub validation: f64,
    /// Use only so many training images, drawn by seed from every class alike; all when absent.
    pub limit: Option<u64>,
    /// The seed of the split and of `limit`.
    pub seed: u64,
    /// The section's name.
    pub name_span: Span,
    /// Where each value stands, by its name in a key (`data.validation`).
    pub spans: Spans,
}

/// A network with fresh weights, as the manifest describes it.
#[derive(Debug, Clone)]
pub enum NetworkSource {
    /// Built by an architecture from its parameters.
    Architecture(Architecture),
    /// The layer graph of another stage's result.
    Like(Reference),
}

impl Data {
    /// What is read, from where.
    pub fn origin(&self) -> Origin {
        Origin { source: self.source, path: self.path.clone(), decoding: self.decoding }
    }
}

/// `[networks.NAME]`.
#[derive(Debug, Clone)]
pub struct NamedNetwork {
    /// What it stands for.
    pub network: NetworkSource,
    /// The section's name.
    pub name_span: Span,
    /// Where each value stands, by its name in a key (`network.depth`).
    pub spans: Spans,
}

/// The seed of what gives none of its own.
#[derive(Debug, Clone, Copy)]
struct Seed {
    value: u64,
    /// Where the pipeline gives it.
    span: Option<Span>,
}

/// Names of sections that are there but could not be read, so that nobody is told that they are not there.
#[derive(Debug, Default)]
struct Unreadable {
    data: BTreeSet<String>,
    networks: BTreeSet<String>,
    stages: BTreeSet<String>,
}

/// `[stages.NAME]`: its parameters after defaults, and the names it refers to.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The name of its section.
    pub template: String,
    /// The axes that reach it, each with the place of its value.
    pub coordinates: Vec<matrix::Coordinate>,
    /// Everything that decides the result and is not an input.
    pub parameters: Parameters,
    /// The seed, its own or the pipeline's.
    pub seed: u64,
    /// The instance of `[data.NAME]`, for stages that read one.
    pub data: Option<String>,
    /// The file with the weights, for a stage that imports them. Relative paths are resolved against the manifest.
    pub file: Option<PathBuf>,
    /// The instance of `[networks.NAME]` that its network came from; a label.
    pub network: Option<String>,
    /// Other stages it needs, by role (`teacher`, `from`, `models.0`).
    pub inputs: IndexMap<String, Reference>,
    /// The stage's name in the file.
    pub name_span: Span,
    /// Where each parameter stands, by its name in a key.
    pub spans: Spans,
}

/// A stage named by another.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Its name.
    pub stage: String,
    /// Where it is named.
    pub span: Span,
}

/// Reads and checks the manifest at `path` (`-` for standard input), with `sets` (each `KEY=VALUE`) laid over it.
///
/// # Errors
/// [`Invalid::Unreadable`] when the file cannot be read, [`Invalid::Wrong`] with everything that is wrong in it.
pub fn read(path: &Path, sets: &[String]) -> Result<Manifest, Invalid> {
    let bytes = source::read_file(path).map_err(Invalid::Unreadable)?;
    if source::is_stream(path) {
        let name = if path.as_os_str() == "-" { Path::new("stdin") } else { path };
        return parse_in(name, "pipeline", Path::new(""), &bytes, sets);
    }
    parse(path, &bytes, sets)
}

/// Checks a manifest given as bytes; `path` names it in messages and is what relative paths are resolved against.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn parse(path: &Path, bytes: &[u8], sets: &[String]) -> Result<Manifest, Invalid> {
    let stem = path.file_stem().map_or_else(|| "pipeline".into(), |stem| stem.to_string_lossy());
    parse_in(path, &stem, path.parent().unwrap_or(Path::new("")), bytes, sets)
}

/// As [`parse`]; `pipeline` is what the pipeline is called if the manifest does not say.
fn parse_in(name: &Path, pipeline: &str, folder: &Path, bytes: &[u8], sets: &[String]) -> Result<Manifest, Invalid> {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let tree = value::document(name, bytes, sets, &mut sources, &mut diagnostics);
    let decoded = tree.map(|tree| decode::manifest(tree, pipeline, folder, &mut diagnostics));
    let Some((mut manifest, unreadable)) = decoded else { return Err(Invalid::Wrong { diagnostics, sources }) };
    validate::validate(&manifest, &unreadable, &mut diagnostics);
    decode::search::check(&mut manifest, &unreadable, &mut diagnostics);
    decode::expect::check(&mut manifest, &unreadable, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err(Invalid::Wrong { diagnostics, sources });
    }
    manifest.warnings = diagnostics.sorted();
    manifest.sources = sources;
    Ok(manifest)
}
