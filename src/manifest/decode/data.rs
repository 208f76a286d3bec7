//! `[data.NAME]`.

use std::path::Path;

use super::path::path;
use crate::data::{Constants, Decoding, ExifOrientation, Origin, Outline, Source};
use crate::manifest::Data;
use crate::manifest::Seed;
use crate::manifest::describe::{Described, describe};
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::reader::{Reader, Shape, table};
use crate::manifest::scalar::{Limits, choice, integer, number, printable};
use crate::manifest::source::Span;
use crate::manifest::value::{Content, Value};

/// The most pixels of a side that images are resized to.
const LARGEST_SIDE: u64 = 4096;

/// The keys that only a user's own images have.
const OF_IMAGES: [&str; 4] = ["size", "channels", "test", "orientation"];

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
    let path = path(reader, "path", folder, "the folder with the files of the set");
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
    let decoding = decoding(reader, source);
    let origin = Origin { source, path: path.clone(), decoding };
    let outline = outline(reader, &origin);
    let normalization = normalization(reader, outline.as_ref());
    let validation = reader.number("validation", Limits::BELOW_ONE, Some(0.0));
    if validation > 0.0 && outline.as_ref().is_some_and(|outline| outline.validation > 0) {
        let span = reader.place("validation");
        let message = "the set has validation images of its own, and `validation` is given";
        reader.diagnostics.error(span, message).hint("leave `validation` out");
    }
    Data {
        source,
        path,
        decoding,
        outline,
        normalization,
        validation,
        limit: reader.optional_integer("limit", 1..=i64::MAX as u64),
        seed: reader.seed(seed),
        name_span: Span::default(),
        spans: Default::default(),
    }
}

/// The keys of a user's own images, which other sets do not take.
fn decoding(reader: &mut Reader, source: Source) -> Option<Decoding> {
    if !reader.understood() {
        for key in OF_IMAGES {
            reader.value(key);
        }
        return None;
    }
    if let Some(outline) = source.published() {
        for key in OF_IMAGES.into_iter().filter(|key| reader.has(key)).collect::<Vec<_>>() {
            reader.value(key);
            let [height, width, channels] = outline.shape;
            let span = reader.place(key);
            reader
                .diagnostics
                .error(span, format!("`{}` takes no `{key}`", source.name()))
                .hint(format!("its images are {height}x{width}x{channels}, and it has its own test images"))
                .hint("leave it out; it is for `source = \"images\"`, a folder of your own");
        }
        return None;
    }
    let size = match reader.array("size") {
        Some([height, width]) => {
            Some([height, width].map(|side| integer(reader.diagnostics, "size", side, &(1..=LARGEST_SIDE))))
        }
        Some(_) => {
            let span = reader.place("size");
            reader.diagnostics.error(span, "`size` needs a height and a width").hint("for example `[32, 32]`");
            None
        }
        None => {
            if !reader.has("size") {
                reader.missing("size", "[32, 32]");
            }
            None
        }
    };
    let channels = match reader.integer("channels", 1..=3, Some(3)) {
        2 => {
            let span = reader.place("channels");
            let hint = "it can be 1 (grey) or 3 (red, green, blue)";
            reader.diagnostics.error(span, "images have no 2 channels").hint(hint);
            3
        }
        channels => channels,
    };
    let test = reader.optional_number("test", Limits::BELOW_ONE);
    let orientation = reader.choice("orientation", &ExifOrientation::CHOICES, Some(ExifOrientation::Apply));
    Some(Decoding { size: size?, channels, test, orientation })
}

/// Shape, classes and sizes. For a user's own images the names of the files say them, so these must be there.
fn outline(reader: &mut Reader, origin: &Origin) -> Option<Outline> {
    if !reader.understood() || !["source", "path"].iter().chain(&OF_IMAGES).all(|key| reader.sound(key)) {
        return None;
    }
    if origin.source == Source::Images && (origin.path.is_none() || origin.decoding.is_none()) {
        return None;
    }
    match origin.outline() {
        Ok((outline, notes)) => {
            let span = reader.place("path");
            for note in notes {
                reader
                    .diagnostics
                    .warning(span, note)
                    .hints
                    .push("rename one, if they are meant to be the same".into());
            }
            Some(outline)
        }
        Err(error) => {
            let span = reader.place("path");
            let message = error.to_string();
            reader.diagnostics.error(span, message).hints.extend(error.hints);
            None
        }
    }
}

/// Nothing for `"measured"`, which is the default.
fn normalization(reader: &mut Reader, outline: Option<&Outline>) -> Option<Constants> {
    const EXAMPLE: &str = "{ mean = [0.5, 0.5, 0.5], deviation = [0.25, 0.25, 0.25] }";
    let shape = Shape { what: "`normalization`", example: EXAMPLE };
    let value = reader.value("normalization")?;
    if matches!(value.content, Content::String(_)) {
        choice(reader.diagnostics, "`normalization`", value, &[("measured", ())]);
        return None;
    }
    let prefix = format!("{}normalization", reader.prefix());
    let (constants, spans) = table(reader.diagnostics, &prefix, shape, value, |reader| Constants {
        mean: numbers(reader, "mean", Limits::SHARE),
        deviation: numbers(reader, "deviation", Limits::DEVIATION),
    })?;
    reader.spans.extend(spans);
    let channels = outline?.shape[2];
    for (key, values) in [("mean", &constants.mean), ("deviation", &constants.deviation)] {
        if values.len() != channels && reader.sound("normalization") {
            let span = reader.place(&format!("normalization.{key}"));
            let plural = if values.len() == 1 { "number" } else { "numbers" };
            let message = format!("`{key}` has {} {plural}", values.len());
            reader
                .diagnostics
                .error(span, message)
                .hint(format!("one for each channel of the images, which have {channels}"));
        }
    }
    Some(constants)
}

fn numbers(reader: &mut Reader, key: &'static str, limits: Limits) -> Vec<f64> {
    if !reader.has(key) {
        reader.missing(key, "[0.5, 0.5, 0.5]");
    }
    let items = reader.array(key).unwrap_or_default();
    items.iter().map(|item| number(reader.diagnostics, key, item, limits)).collect()
}

/// What a data set of each source can hold.
pub fn described() -> Vec<Described> {
    describe(|reader| read(reader, Path::new(""), Seed { value: 0, span: None }))
}
