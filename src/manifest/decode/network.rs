//! `[networks.NAME]`, and `network = …` of a stage.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::reader::{Reader, Shape, table};
use crate::manifest::scalar::{integer, printable, wrong};
use crate::manifest::source::Span;
use crate::manifest::value::{Content, Value};
use crate::manifest::{NamedNetwork, NetworkSource};
use crate::network::arch::{Architecture, Shortcut};

/// The most units a layer can be given.
const MAXIMUM_WIDTH: u64 = 1 << 20;

/// The most hidden layers that can be written out.
const MAXIMUM_LAYERS: usize = 1000;

/// The networks that stages can name.
pub struct Known<'a> {
    /// Those that could be read.
    pub read: &'a IndexMap<String, NamedNetwork>,
    /// The others.
    pub unreadable: &'a BTreeSet<String>,
}

/// Reads one named network.
pub fn named(name: &str, name_span: Span, value: &Value, diagnostics: &mut Diagnostics) -> Option<NamedNetwork> {
    let what = format!("`[networks.{}]`", printable(name));
    let shape = Shape { what: &what, example: "{ arch = \"mlp\", hidden = [256] }" };
    let (network, spans) = table(diagnostics, "network", shape, value, network)?;
    Some(NamedNetwork { network: network?, name_span, spans })
}

/// Reads a network: an architecture with its parameters, or `like = "STAGE"`.
pub fn network(reader: &mut Reader) -> Option<NetworkSource> {
    if reader.has("like") {
        return reader.reference("like").map(NetworkSource::Like);
    }
    let names = [("mlp", Name::Mlp), ("lenet", Name::Lenet), ("resnet", Name::Resnet)];
    let name = reader.kind("arch", &names);
    let architecture = match name {
        Name::Mlp => Architecture::Mlp { hidden: sizes(reader, "hidden", 0, None) },
        Name::Lenet => Architecture::Lenet {
            channels: match sizes(reader, "channels", 2, Some(&[6, 16]))[..] {
                [first, second] => [first, second],
                _ => [1, 1],
            },
            hidden: sizes(reader, "hidden", 0, Some(&[120, 84])),
        },
        Name::Resnet => Architecture::Resnet {
            depth: depth(reader),
            width: reader.integer("width", 1..=4096, Some(16)) as usize,
            shortcut: reader.choice(
                "shortcut",
                &[("pad", Shortcut::Pad), ("projection", Shortcut::Projection)],
                Some(Shortcut::Pad),
            ),
        },
    };
    Some(NetworkSource::Architecture(architecture))
}

#[derive(Clone, Copy)]
enum Name {
    Mlp,
    Lenet,
    Resnet,
}

/// The depth of a residual network for small images.
fn depth(reader: &mut Reader) -> usize {
    if !reader.has("depth") {
        reader.missing("depth", "20");
    }
    let Some(value) = reader.value("depth") else { return 8 };
    let depth = integer(reader.diagnostics, "depth", value, &(8..=1202)) as usize;
    if depth % 6 != 2 {
        let below = (depth - 2) / 6 * 6 + 2;
        reader
            .diagnostics
            .error(value.span, format!("a resnet cannot have {depth} layers"))
            .label("the depth is 6n + 2")
            .hint(format!("the nearest are {below} and {}", below + 6));
    }
    depth
}

/// A list of layer sizes; exactly `count` of them unless `count` is 0.
fn sizes(reader: &mut Reader, key: &'static str, count: usize, default: Option<&[usize]>) -> Vec<usize> {
    let items = reader.array(key);
    if items.is_none() && !reader.has(key) && default.is_none() {
        reader.missing(key, "[256]");
    }
    let Some(items) = items else { return default.unwrap_or(&[1]).to_vec() };
    if count > 0 && items.len() != count {
        let span = reader.place(key);
        reader.diagnostics.error(span, format!("`{key}` needs {count} sizes and has {}", items.len()));
    }
    if items.len() > MAXIMUM_LAYERS {
        let span = reader.place(key);
        reader.diagnostics.error(span, format!("`{key}` has more than {MAXIMUM_LAYERS} sizes"));
        return vec![1];
    }
    let size = |item: &Value, reader: &mut Reader| match item.content {
        Content::Integer(_) => integer(reader.diagnostics, key, item, &(1..=MAXIMUM_WIDTH)) as usize,
        _ => {
            wrong(reader.diagnostics, &format!("a size in `{key}`"), item, "an integer of 1 or more");
            1
        }
    };
    items.iter().map(|item| size(item, reader)).collect()
}
