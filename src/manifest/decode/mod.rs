//! Turns the tables of a manifest into what stages are made of. One file a section; `training`, `augment`, `losses`,
//! `penalties` and `method` are shared by the stage kinds.

mod augment;
mod data;
mod layers;
mod losses;
mod method;
mod network;
mod path;
mod penalties;
mod stage;
mod training;

use std::collections::BTreeSet;
use std::path::Path;

use indexmap::IndexMap;

use super::describe::{Described, describe};
use super::diagnostic::Diagnostics;
use super::reader::{Reader, Shape};
use super::scalar::{printable, wrong};
use super::source::Span;
use super::value::{Content, Table, Value};
use super::{Manifest, Pipeline, Seed, Sources, Unreadable, nearest};

/// More stages than this are refused: nobody writes them by hand.
const MAXIMUM_STAGES: usize = 10_000;

/// Every section.
const SECTIONS: [&str; 4] = ["pipeline", "data", "networks", "stages"];

/// Sections that are not there yet.
const LATER: [&str; 3] = ["matrix", "report", "search"];

/// Reads the whole manifest. What is wrong goes to `diagnostics`, with stand-ins in the result.
pub fn manifest(root: Value, path: &Path, diagnostics: &mut Diagnostics) -> (Manifest, Unreadable) {
    let Content::Table(mut table) = root.content else { unreachable!("a TOML document is a table") };
    sections(&mut table, diagnostics);
    let mut reader = Reader::new(&table, root.span, "", "a manifest", diagnostics);
    let stem = path.file_stem().map_or_else(|| "pipeline".to_owned(), |s| s.to_string_lossy().into_owned());
    let shape = Shape { what: "`[pipeline]`", example: "{ name = \"kddp\" }" };
    let pipeline = reader
        .table("pipeline", shape, |r| pipeline(r, &stem))
        .unwrap_or(Pipeline { name: stem, ..Pipeline::default() });
    let seed = Seed { value: pipeline.seed, span: reader.spans.get("pipeline.seed") };
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut unreadable = Unreadable::default();
    let data = named(&mut reader, "data", "digits", &mut unreadable.data, |name, span, value, diagnostics| {
        data::data(name, span, value, folder, seed, diagnostics)
    });
    let networks = named(&mut reader, "networks", "wide", &mut unreadable.networks, network::named);
    let known = network::Known { read: &networks, unreadable: &unreadable.networks };
    let stages = named(&mut reader, "stages", "teacher", &mut unreadable.stages, |name, span, value, diagnostics| {
        stage::stage(name, span, value, folder, seed, &known, diagnostics)
    });
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
    (Manifest { sources: Sources::default(), pipeline, data, networks, stages, warnings: Vec::new() }, unreadable)
}

/// What the sections can hold.
pub struct Sections {
    /// `[pipeline]`.
    pub pipeline: Vec<Described>,
    /// `[data.NAME]`.
    pub data: Vec<Described>,
    /// `[networks.NAME]` that is no `like`.
    pub networks: Vec<Described>,
    /// `[stages.NAME]`.
    pub stages: Vec<Described>,
}

/// Asks the code that reads each section.
pub fn described() -> Sections {
    Sections {
        pipeline: describe(|reader| pipeline(reader, "")),
        data: data::described(),
        networks: describe(network::network),
        stages: stage::described(),
    }
}

/// Takes out sections that are not there, each with its own message. One that is only misspelt is read under its right
/// name, so that what refers to it finds it.
fn sections(table: &mut Table, diagnostics: &mut Diagnostics) {
    let unknown: Vec<String> = table.keys().filter(|key| !SECTIONS.contains(&key.as_str())).cloned().collect();
    for name in unknown {
        let (span, value) = table.shift_remove(&name).expect("just seen");
        if LATER.contains(&name.as_str()) {
            diagnostics
                .error(span, format!("this version of pleach has no `[{name}]` yet"))
                .hint("write the stages out, or leave the section out");
            continue;
        }
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

/// Reads `[section.NAME]` for every name: checks the names, then leaves the rest to `read`.
fn named<T>(
    reader: &mut Reader,
    section: &'static str,
    example: &str,
    unreadable: &mut BTreeSet<String>,
    mut read: impl FnMut(&str, Span, &Value, &mut Diagnostics) -> Option<T>,
) -> IndexMap<String, T> {
    let mut all = IndexMap::new();
    let Some(value) = reader.value(section) else { return all };
    let Content::Table(table) = &value.content else {
        wrong(reader.diagnostics, &format!("`{section}`"), value, &format!("tables, such as `[{section}.{example}]`"));
        return all;
    };
    if table.len() > MAXIMUM_STAGES {
        let span = table[MAXIMUM_STAGES].0;
        let message = format!("`{section}` has {} entries, more than {MAXIMUM_STAGES}", table.len());
        reader.diagnostics.error(span, message).hint("split the manifest");
        unreadable.extend(table.keys().cloned());
        return all;
    }
    check_names(section, table, reader.diagnostics);
    for (name, (span, value)) in table {
        match read(name, *span, value, reader.diagnostics) {
            Some(item) => {
                all.insert(name.clone(), item);
            }
            None => {
                unreadable.insert(name.clone());
            }
        }
    }
    all
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
