//! `[networks.NAME]`, and `network = …` of a stage.

use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::reader::{Reader, integer, table, wrong};
use crate::manifest::source::Span;
use crate::manifest::value::{Content, Value};
use crate::manifest::{NamedNetwork, NetworkSource};
use crate::network::arch::{Architecture, Shortcut};

/// The most units a layer can be given.
const MAXIMUM_WIDTH: u64 = 1 << 20;

/// Reads one named network.
pub fn named(name: &str, name_span: Span, value: &Value, diagnostics: &mut Diagnostics) -> Option<NamedNetwork> {
    let what = format!("`[networks.{name}]`");
    let (network, spans) = table(diagnostics, "network", &what, value, network)?;
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
            depth: reader.integer("depth", 8..=1202, None) as usize,
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

/// A list of layer sizes; exactly `count` of them unless `count` is 0.
fn sizes(reader: &mut Reader, key: &'static str, count: usize, default: Option<&[usize]>) -> Vec<usize> {
    let Some(items) = reader.array(key) else {
        if !reader.has(key) && default.is_none() {
            reader.missing(key, "[256]");
        }
        return default.unwrap_or(&[1]).to_vec();
    };
    if count > 0 && items.len() != count {
        let span = reader.value(key).map_or(reader.span(), |value| value.span);
        reader.diagnostics.error(span, format!("`{key}` needs {count} sizes and has {}", items.len()));
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
