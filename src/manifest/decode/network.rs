//! `[networks.NAME]`, and `network = …` of a stage.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;

use indexmap::IndexMap;

use super::graph_file::graph_file;
use super::layers;
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::reader::{Reader, Shape, table};
use crate::manifest::scalar::{Limits, integer, printable, wrong};
use crate::manifest::source::Span;
use crate::manifest::value::{Content, Value};
use crate::manifest::{NamedNetwork, NetworkSource};
use crate::network::arch::{Architecture, Shortcut, Stem, VggClassifier, densenet, residual};

/// The most units a layer can be given.
const MAXIMUM_WIDTH: u64 = 1 << 20;

/// The most channels of a first stage, or that a layer adds.
const MAXIMUM_CHANNELS: u64 = 4096;

/// The most hidden layers that can be written out.
const MAXIMUM_LAYERS: usize = 1000;

/// The networks that a stage can name.
pub struct Known<'a> {
    /// The names.
    pub names: &'a [&'a str],
    /// Names of which some instance could not be read.
    pub unreadable: &'a BTreeSet<String>,
    /// The instances of all others.
    pub read: &'a IndexMap<String, NamedNetwork>,
    /// The instance of the one that the stage names.
    pub instance: Option<&'a str>,
}

/// Reads one named network.
pub fn named(
    name: &str,
    name_span: Span,
    value: &Value,
    folder: &Path,
    diagnostics: &mut Diagnostics,
) -> Option<NamedNetwork> {
    let what = format!("`[networks.{}]`", printable(name));
    let shape = Shape { what: &what, example: "{ arch = \"mlp\", hidden = [256] }" };
    let (network, spans) = table(diagnostics, "network", shape, value, |reader| network(reader, folder))?;
    Some(NamedNetwork { network: network?, name_span, spans })
}

/// Reads a network: an architecture with its parameters, `like = "STAGE"`, or `file = "PATH"`, which is relative to
/// `folder`.
pub fn network(reader: &mut Reader, folder: &Path) -> Option<NetworkSource> {
    if reader.has("like") {
        return reader.reference("like").map(NetworkSource::Like);
    }
    if reader.has("file") {
        return graph_file(reader, folder).map(NetworkSource::Architecture);
    }
    let names = [
        ("mlp", Name::Mlp),
        ("lenet", Name::Lenet),
        ("resnet", Name::Resnet),
        ("preact-resnet", Name::PreactResnet),
        ("vgg", Name::Vgg),
        ("densenet", Name::Densenet),
        ("mobilenet-v2", Name::MobilenetV2),
        ("efficientnet", Name::Efficientnet),
        ("graph", Name::Graph),
    ];
    let before = reader.diagnostics.len();
    let name = reader.kind("arch", &names);
    if reader.diagnostics.len() > before {
        named_with_its_size(reader);
    }
    let architecture = match name {
        Name::Mlp => Architecture::Mlp { hidden: sizes(reader, "hidden", 0, None) },
        Name::Lenet => Architecture::Lenet {
            channels: match sizes(reader, "channels", 2, Some(&[6, 16]))[..] {
                [first, second] => [first, second],
                _ => [1, 1],
            },
            hidden: sizes(reader, "hidden", 0, Some(&[120, 84])),
        },
        Name::Resnet => {
            let (depth, width, shortcut, stem) = residual(reader, "a resnet");
            Architecture::Resnet { depth, width, shortcut, stem }
        }
        Name::PreactResnet => {
            let (depth, width, shortcut, stem) = residual(reader, "a preact-resnet");
            Architecture::PreactResnet { depth, width, shortcut, stem }
        }
        Name::Vgg => {
            let depth = depth(reader, "16", 1..=1000);
            expect_depth(reader, "a vgg", depth, [11, 13, 16, 19].contains(&depth), "11, 13, 16 or 19");
            let classifiers = [("cifar", VggClassifier::Cifar), ("imagenet", VggClassifier::Imagenet)];
            let classifier = reader.choice("classifier", &classifiers, Some(VggClassifier::Cifar));
            let dropout = if classifier == VggClassifier::Cifar { 0.0 } else { 0.5 };
            Architecture::Vgg {
                depth,
                width: width(reader, 64),
                classifier,
                dropout: reader.number("dropout", Limits::BELOW_ONE, Some(dropout)),
            }
        }
        Name::Densenet => densenet(reader),
        Name::MobilenetV2 => Architecture::MobilenetV2 {
            width: reader.number("width", Limits::MULTIPLIER, Some(1.0)),
            dropout: reader.number("dropout", Limits::BELOW_ONE, Some(0.2)),
            stem: stem(reader),
        },
        Name::Efficientnet => {
            let variants = [("b0", B0), ("b1", [1.0, 1.1, 0.2]), ("b2", [1.1, 1.2, 0.3]), ("b3", [1.2, 1.4, 0.3])];
            let [width, depth, dropout] = reader.choice("variant", &variants, Some(B0));
            Architecture::Efficientnet {
                width: reader.number("width", Limits::MULTIPLIER, Some(width)),
                depth: reader.number("depth", Limits::MULTIPLIER, Some(depth)),
                dropout: reader.number("dropout", Limits::BELOW_ONE, Some(dropout)),
                stochastic_depth: reader.number("stochastic-depth", Limits::BELOW_ONE, Some(0.2)),
                stem: stem(reader),
            }
        }
        Name::Graph => Architecture::Graph { layers: layers::layers(reader), input: None },
    };
    Some(NetworkSource::Architecture(architecture))
}

/// Width and depth multipliers and dropout of EfficientNet-B0.
const B0: [f64; 3] = [1.0, 1.0, 0.2];

#[derive(Clone, Copy)]
enum Name {
    Mlp,
    Lenet,
    Resnet,
    PreactResnet,
    Vgg,
    Densenet,
    MobilenetV2,
    Efficientnet,
    Graph,
}

/// The settings of a residual network. The depths of the family for ImageNet mean that family, though 50 and 152 are
/// also of the form 6n + 2; it alone has a stem.
fn residual(reader: &mut Reader, what: &str) -> (usize, usize, Shortcut, Option<Stem>) {
    let depth = depth(reader, "20", 8..=1202);
    let imagenet = residual::DEPTHS.contains(&depth);
    if !imagenet && depth % 6 != 2 {
        let below = (depth - 2) / 6 * 6 + 2;
        let span = reader.place("depth");
        reader
            .diagnostics
            .error(span, format!("{what} cannot have {depth} layers"))
            .label("the depth is 6n + 2, or 18, 34, 50, 101 or 152")
            .hint(format!("the nearest are {below} and {}", below + 6));
    }
    let default = if imagenet { Shortcut::Projection } else { Shortcut::Pad };
    let shortcuts = [("pad", Shortcut::Pad), ("projection", Shortcut::Projection)];
    let width = width(reader, if imagenet { 64 } else { 16 });
    (depth, width, reader.choice("shortcut", &shortcuts, Some(default)), family_stem(reader, imagenet))
}

/// The settings of a densely connected network; as with the residual ones, its depth decides the family.
fn densenet(reader: &mut Reader) -> Architecture {
    let depth = depth(reader, "40", 7..=1000);
    let imagenet = densenet::DEPTHS.contains(&depth);
    let bottleneck = reader.boolean("bottleneck", imagenet);
    if imagenet && !bottleneck {
        let span = reader.place("bottleneck");
        reader
            .diagnostics
            .error(span, format!("a densenet of depth {depth} has bottlenecks"))
            .hint("leave `bottleneck` out, or choose another depth");
    }
    let (step, words) = if bottleneck { (6, "6n + 4 with bottlenecks") } else { (3, "3n + 4 without bottlenecks") };
    let fits = imagenet || (depth % step == 4 % step && depth >= 4 + step);
    expect_depth(reader, "a densenet", depth, fits, &format!("{words}, or 121, 169 or 201"));
    Architecture::Densenet {
        depth,
        growth: reader.integer("growth", 1..=MAXIMUM_CHANNELS, Some(if imagenet { 32 } else { 12 })) as usize,
        bottleneck,
        compression: reader.number("compression", Limits::PORTION, Some(if bottleneck { 0.5 } else { 1.0 })),
        stem: family_stem(reader, imagenet),
    }
}

/// The number of layers, which has no default.
fn depth(reader: &mut Reader, example: &str, range: RangeInclusive<u64>) -> usize {
    if !reader.has("depth") {
        reader.missing("depth", example);
    }
    match reader.value("depth") {
        Some(value) => integer(reader.diagnostics, "depth", value, &range) as usize,
        None => example.parse().expect("an example is a depth"),
    }
}

/// Notes a depth that is in range and yet not one of the family's.
fn expect_depth(reader: &mut Reader, what: &str, depth: usize, fits: bool, allowed: &str) {
    if !fits && reader.sound("depth") {
        let span = reader.place("depth");
        reader
            .diagnostics
            .error(span, format!("{what} cannot have {depth} layers"))
            .hint(format!("the depth can be {allowed}"));
    }
}

fn width(reader: &mut Reader, default: u64) -> usize {
    reader.integer("width", 1..=MAXIMUM_CHANNELS, Some(default)) as usize
}

fn stem(reader: &mut Reader) -> Stem {
    reader.choice("stem", &[("cifar", Stem::Cifar), ("imagenet", Stem::Imagenet)], Some(Stem::Cifar))
}

/// The stem of a family that exists for small images too, where there is no choice.
fn family_stem(reader: &mut Reader, imagenet: bool) -> Option<Stem> {
    let stem = stem(reader);
    if !imagenet && reader.has("stem") && reader.sound("depth") && reader.sound("stem") {
        let span = reader.place("stem");
        reader
            .diagnostics
            .error(span, "a network of this depth has no choice of `stem`")
            .label("its first convolution is 3x3")
            .hint("leave it out");
    }
    imagenet.then_some(stem)
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

/// Elsewhere the depth is a part of the name: `resnet18`, `vgg16`, `efficientnet_b0`.
fn named_with_its_size(reader: &mut Reader) {
    let Some(Value { content: Content::String(written), span }) = reader.value("arch") else { return };
    let lower = written.to_lowercase();
    let start = lower.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |last| last + 1);
    let (name, size) = lower.split_at(start);
    let hint = match (name.trim_end_matches(['-', '_']), size) {
        (_, "") => return,
        (name @ ("resnet" | "preact-resnet" | "vgg" | "densenet"), depth) => {
            format!("write `arch = \"{name}\"` and `depth = {depth}`")
        }
        ("efficientnet-b" | "efficientnet_b" | "efficientnetb", number) => {
            format!("write `arch = \"efficientnet\"` and `variant = \"b{number}\"`")
        }
        _ => return,
    };
    reader.diagnostics.replace_hints(*span, hint);
}
