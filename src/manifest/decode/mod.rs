//! Turns the tables of a manifest into what stages are made of. One file a section; `training` and `method` are shared
//! by the stage kinds.

mod data;
mod method;
mod network;
mod stage;
mod training;

use std::path::Path;

use indexmap::IndexMap;

use super::diagnostic::Diagnostics;
use super::reader::{Reader, printable, wrong};
use super::source::Span;
use super::value::{Content, Table, Value};
use super::{Manifest, Pipeline, Sources};

/// More stages than this are refused: nobody writes them by hand.
const MAXIMUM_STAGES: usize = 10_000;

/// Reads the whole manifest. What is wrong goes to `diagnostics`, with stand-ins in the result.
pub fn manifest(root: &Value, path: &Path, diagnostics: &mut Diagnostics) -> Manifest {
    let Content::Table(table) = &root.content else { unreachable!("a TOML document is a table") };
    let mut reader = Reader::new(table, root.span, "", "a manifest", diagnostics);
    for later in ["matrix", "report", "search"] {
        if let Some((span, _)) = table.get(later) {
            reader
                .diagnostics
                .error(*span, format!("this version of pleach has no `[{later}]` yet"))
                .hint("write the stages out, or leave the section out");
        }
    }
    let stem = path.file_stem().map_or_else(|| "pipeline".to_owned(), |s| s.to_string_lossy().into_owned());
    let pipeline = reader
        .table("pipeline", "`[pipeline]`", |r| pipeline(r, &stem))
        .unwrap_or(Pipeline { name: stem, ..Pipeline::default() });
    let folder = path.parent().unwrap_or(Path::new(""));
    let data = named(&mut reader, "data", "digits", |name, span, value, diagnostics| {
        data::data(name, span, value, folder, pipeline.seed, diagnostics)
    });
    let networks = named(&mut reader, "networks", "wide", network::named);
    let stages = named(&mut reader, "stages", "teacher", |name, span, value, diagnostics| {
        stage::stage(name, span, value, pipeline.seed, &networks, diagnostics)
    });
    if !reader.has("stages") {
        let span = reader.span();
        reader.diagnostics.error(span, "the manifest has no stages").hint("add a `[stages.NAME]` section");
    }
    for known in ["matrix", "report", "search"] {
        reader.value(known);
    }
    reader.finish();
    Manifest { sources: Sources::default(), pipeline, data, networks, stages, warnings: Vec::new() }
}

fn pipeline(reader: &mut Reader, stem: &str) -> Pipeline {
    Pipeline {
        name: reader.optional_string("name").map_or_else(|| stem.to_owned(), |(name, _)| name),
        description: reader.optional_string("description").map(|(text, _)| text).unwrap_or_default(),
        seed: reader.integer("seed", 0..=i64::MAX as u64, Some(0)),
    }
}

/// Reads `[section.NAME]` for every name: checks the names, then leaves the rest to `read`.
fn named<T>(
    reader: &mut Reader,
    section: &'static str,
    example: &str,
    mut read: impl FnMut(&str, Span, &Value, &mut Diagnostics) -> Option<T>,
) -> IndexMap<String, T> {
    let mut all = IndexMap::new();
    let Some(value) = reader.value(section) else { return all };
    let Content::Table(table) = &value.content else {
        wrong(reader.diagnostics, &format!("`{section}`"), value, &format!("tables, such as `[{section}.{example}]`"));
        return all;
    };
    if table.len() > MAXIMUM_STAGES {
        reader.diagnostics.error(value.span, format!("`{section}` has more than {MAXIMUM_STAGES} entries"));
        return all;
    }
    check_names(section, table, reader.diagnostics);
    all.reserve_exact(table.len());
    for (name, (span, value)) in table {
        if let Some(item) = read(name, *span, value, reader.diagnostics) {
            all.insert(name.clone(), item);
        }
    }
    all
}

fn check_names(section: &str, table: &Table, diagnostics: &mut Diagnostics) {
    let mut folded: IndexMap<String, &str> = IndexMap::new();
    for (name, (span, _)) in table {
        let good = (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if !good {
            diagnostics
                .error(*span, format!("`{}` is not a name", printable(name)))
                .hint("a name has 1 to 64 letters, digits, `_`, `.` or `-`");
        }
        if let Some(twin) = folded.insert(name.to_ascii_lowercase(), name) {
            diagnostics
                .error(*span, format!("`{section}.{name}` and `{section}.{twin}` differ only in case"))
                .hint("rename one of them");
        }
    }
}
