//! `[data.NAME]`.

use std::path::Path;

use super::path::path;
use crate::data::Source;
use crate::manifest::Data;
use crate::manifest::Seed;
use crate::manifest::describe::{Described, describe};
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::reader::{Reader, Shape, table};
use crate::manifest::scalar::{Limits, printable};
use crate::manifest::source::Span;
use crate::manifest::value::Value;

/// Reads one data set. A relative `path` in the file is relative to `folder`, where the manifest is; one given by
/// `--set` is relative to where the command runs.
pub fn data(
    name: &str,
    name_span: Span,
    value: &Value,
    folder: &Path,
    seed: Seed,
    diagnostics: &mut Diagnostics,
) -> Option<Data> {
    let what = format!("`[data.{}]`", printable(name));
    let shape = Shape { what: &what, example: "{ source = \"digits\" }" };
    let (mut data, spans) = table(diagnostics, "data", shape, value, |r| read(r, folder, seed))?;
    data.name_span = name_span;
    data.spans = spans;
    Some(data)
}

fn read(reader: &mut Reader, folder: &Path, seed: Seed) -> Data {
    let choices: Vec<(&'static str, Source)> = Source::ALL.iter().map(|source| (source.name(), *source)).collect();
    let source = reader.kind("source", &choices);
    let path = path(reader, folder, "the folder with the files of the set");
    if reader.understood() && source.needs_path() && !reader.has("path") {
        reader.missing("path", &format!("\"../data/{}\"", source.name()));
    }
    if reader.understood() && !source.needs_path() && reader.has("path") {
        let span = reader.place("path");
        reader
            .diagnostics
            .error(span, format!("`{}` is built in and takes no `path`", source.name()))
            .hint("leave `path` out");
    }
    Data {
        source,
        path,
        validation: reader.number("validation", Limits::BELOW_ONE, Some(0.0)),
        limit: reader.optional_integer("limit", 1..=i64::MAX as u64),
        seed: reader.seed(seed),
        name_span: Span::default(),
        spans: Default::default(),
    }
}

/// What a data set of each source can hold.
pub fn described() -> Vec<Described> {
    describe(|reader| read(reader, Path::new(""), Seed { value: 0, span: None }))
}
