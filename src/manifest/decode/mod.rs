//! Turns the tables of a manifest into what stages are made of. One file a section; `training`, `augment`, `losses`,
//! `penalties` and `method` are shared by the stage kinds.

mod augment;
mod data;
pub mod expect;
mod graph_file;
mod import;
mod instances;
mod layers;
mod losses;
mod method;
mod network;
pub mod path;
mod penalties;
pub mod report;
pub mod search;
mod stage;
mod training;

use std::collections::BTreeSet;
use std::path::Path;

use indexmap::IndexMap;

use super::describe::{Described, describe};
use super::diagnostic::Diagnostics;
use super::matrix::{self, axes::Matrix};
use super::reader::{Reader, Shape};
use super::scalar::{printable, wrong};
use super::source::Span;
use super::value::{Content, Table, Value};
use super::{Manifest, Pipeline, Seed, Sources, Unreadable, nearest};

/// More stages than this are refused: nobody writes them by hand.
const MAXIMUM_STAGES: usize = 10_000;

/// Every section.
const SECTIONS: [&str; 8] = ["pipeline", "data", "networks", "stages", "matrix", "search", "report", "expect"];

/// Reads the whole manifest; `name` is what the pipeline is called if nothing else is said, and relative paths go from `folder`. What is wrong goes to `diagnostics`, with stand-ins in the result.
pub fn manifest(root: Value, name: &str, folder: &Path, diagnostics: &mut Diagnostics) -> (Manifest, Unreadable) {
    let Content::Table(mut table) = root.content else { unreachable!("a TOML document is a table") };
    sections(&mut table, diagnostics);
    let mut reader = Reader::new(&table, root.span, "", "a manifest", diagnostics);
    let shape = Shape { what: "`[pipeline]`", example: "{ name = \"kddp\" }" };
    let pipeline = reader
        .table("pipeline", shape, |r| pipeline(r, name))
        .unwrap_or_else(|| Pipeline { name: name.to_owned(), ..Pipeline::default() });
    let seed = Seed { value: pipeline.seed, span: reader.spans.get("pipeline.seed") };
    let mut matrix = match reader.value("matrix").map(|value| (table["matrix"].0, value)) {
        None => Matrix::single(),
        Some((span, value)) => matrix::axes::read(span, value, reader.diagnostics).unwrap_or_else(Matrix::unknown),
    };
    let mut unreadable = Unreadable::default();
    let data_tables = named(&mut reader, "data", "digits", &mut unreadable.data);
    let network_tables = named(&mut reader, "networks", "wide", &mut unreadable.networks);
    let stage_tables = named(&mut reader, "stages", "teacher", &mut unreadable.stages);
    let data = instances::of_sections(
        data_tables,
        &matrix,
        &mut unreadable.data,
        reader.diagnostics,
        |name, span, value, diagnostics| data::data(name, span, value, folder, seed, diagnostics),
    );
    let networks = instances::of_sections(
        network_tables,
        &matrix,
        &mut unreadable.networks,
        reader.diagnostics,
        |name, span, value, diagnostics| network::named(name, span, value, folder, diagnostics),
    );
    let names: Vec<&str> = network_tables.keys().map(String::as_str).collect();
    let stages = instances::of_stages(
        stage_tables,
        &matrix,
        &instances::Sections { data: data_tables, networks: network_tables },
        seed,
        &mut unreadable.stages,
        reader.diagnostics,
        |name, span, reading, diagnostics| {
            let known = network::Known {
                names: &names,
                unreadable: &unreadable.networks,
                read: &networks,
                instance: reading.network.as_deref(),
            };
            stage::stage(name, span, reading.value, folder, reading.seed, &known, diagnostics)
        },
    );
    matrix::seeds::find(&mut matrix.axes, [data_tables, network_tables, stage_tables], &stages);
    let shape = Shape { what: "`[search]`", example: "{ kind = \"bisect\", axis = \"sparsity\" }" };
    let search = reader.table("search", shape, |r| search::search(r, &matrix)).flatten();
    let shape = Shape { what: "`[report]`", example: "{ panel = \"arch\" }" };
    let report = reader.table("report", shape, |r| report::report(r, &matrix)).unwrap_or_default();
    let expectations = expect::expect(&mut reader);
    let no_stages = match table.get("stages") {
        None => Some(root.span),
        Some((span, Value { content: Content::Table(table), .. })) if table.is_empty() => Some(*span),
        Some(_) => None,
    };
    if let Some(span) = no_stages {
        reader
            .diagnostics
            .error(span, "the manifest has no stages")
            .hint("add one: `[stages.teacher]` with `kind = \"train\"`; `pleach init` writes an example");
    }
    reader.finish();
    let axes = matrix.axes.iter().map(Into::into).collect();
    let manifest = Manifest {
        sources: Sources::default(),
        pipeline,
        data,
        networks,
        axes,
        stages,
        report,
        search,
        expectations,
        warnings: Vec::new(),
    };
    (manifest, unreadable)
}

/// What the sections can hold.
pub struct Sections {
    /// `[pipeline]`.
    pub pipeline: Vec<Described>,
    /// `[data.NAME]`.
    pub data: Vec<Described>,
    /// `[networks.NAME]` that is no `like` and no `file`.
    pub networks: Vec<Described>,
    /// `[stages.NAME]`.
    pub stages: Vec<Described>,
    /// `[search]`.
    pub search: Vec<Described>,
    /// `[report]`.
    pub report: Vec<Described>,
}

/// Asks the code that reads each section.
pub fn described() -> Sections {
    Sections {
        pipeline: describe(|reader| pipeline(reader, "")),
        data: data::described(),
        networks: describe(|reader| network::network(reader, Path::new(""))),
        stages: stage::described(),
        search: describe(|reader| search::search(reader, &Matrix::unknown())),
        report: describe(|reader| report::report(reader, &Matrix::unknown())),
    }
}

/// Takes out sections that are not there, each with its own message. One that is only misspelt is read under its right
/// name, so that what refers to it finds it.
fn sections(table: &mut Table, diagnostics: &mut Diagnostics) {
    let unknown: Vec<String> = table.keys().filter(|key| !SECTIONS.contains(&key.as_str())).cloned().collect();
    for name in unknown {
        let (span, value) = table.shift_remove(&name).expect("just seen");
        diagnostics.unknown(span, format!("unknown section `{}`", printable(&name)), &name, SECTIONS);
        let is_absent = |section: &&str| !table.contains_key(*section);
        if let Some(meant) = nearest::nearest(&name, SECTIONS.into_iter().filter(is_absent)) {
            table.insert(meant.to_owned(), (span, value));
        }
    }
}

fn pipeline(reader: &mut Reader, stem: &str) -> Pipeline {
    Pipeline {
        name: match reader.optional_string("name") {
            Some((name, span)) => {
                check_name(&name, span, reader.diagnostics);
                name
            }
            None => stem.to_owned(),
        },
        description: reader.optional_string("description").map(|(text, _)| text).unwrap_or_default(),
        seed: reader.seed(Seed { value: 0, span: None }),
    }
}

/// The tables `[section.NAME]`, their names checked; none when there are too many.
fn named<'a>(
    reader: &mut Reader<'a>,
    section: &'static str,
    example: &str,
    unreadable: &mut BTreeSet<String>,
) -> &'a Table {
    static NONE: std::sync::OnceLock<Table> = std::sync::OnceLock::new();
    let none = NONE.get_or_init(Table::new);
    let Some(value) = reader.value(section) else { return none };
    let Content::Table(table) = &value.content else {
        wrong(reader.diagnostics, &format!("`{section}`"), value, &format!("tables, such as `[{section}.{example}]`"));
        return none;
    };
    if table.len() > MAXIMUM_STAGES {
        let span = table[MAXIMUM_STAGES].0;
        let message = format!("`{section}` has {} entries, more than {MAXIMUM_STAGES}", table.len());
        reader.diagnostics.error(span, message).hint("split the manifest");
        unreadable.extend(table.keys().cloned());
        return none;
    }
    check_names(section, table, reader.diagnostics);
    table
}

/// Names are labels of results and parts of file names.
fn check_name(name: &str, span: Span, diagnostics: &mut Diagnostics) {
    let good = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if !good {
        diagnostics
            .error(span, format!("`{}` is not a name", printable(name)))
            .hint("a name has 1 to 64 letters, digits, `_`, `.` or `-`");
    }
}

fn check_names(section: &str, table: &Table, diagnostics: &mut Diagnostics) {
    let mut folded: IndexMap<String, &str> = IndexMap::new();
    for (name, (span, _)) in table {
        check_name(name, *span, diagnostics);
        if let Some(twin) = folded.insert(name.to_ascii_lowercase(), name) {
            diagnostics
                .error(
                    *span,
                    format!("`{section}.{}` and `{section}.{}` differ only in case", printable(name), printable(twin)),
                )
                .hint("rename one of them");
        }
    }
}
