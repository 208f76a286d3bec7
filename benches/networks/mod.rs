//! The networks that are measured: well-known ones, on images of 32x32 in 3 colors and 10 classes.

use pleach::network::arch::Architecture;
use pleach::network::graph::INPUT;
use pleach::network::{Graph, Op, Shape};

/// Name, and the architecture with all its settings.
pub const NETWORKS: [(&str, &str); 6] = [
    ("ResNet-20", r#"{"arch":"resnet","depth":20,"width":16,"shortcut":"pad"}"#),
    ("ResNet-18", r#"{"arch":"resnet","depth":18,"width":64,"shortcut":"projection","stem":"cifar"}"#),
    ("MobileNetV2", r#"{"arch":"mobilenet-v2","width":1.0,"dropout":0.2,"stem":"cifar"}"#),
    ("DenseNet-40", r#"{"arch":"densenet","depth":40,"growth":12,"bottleneck":false,"compression":1.0}"#),
    (
        "EfficientNet-b0",
        r#"{"arch":"efficientnet","width":1.0,"depth":1.0,"dropout":0.2,"stochastic-depth":0.2,"stem":"cifar"}"#,
    ),
    ("VGG-16", r#"{"arch":"vgg","depth":16,"width":64,"classifier":"cifar","dropout":0.0}"#),
];

/// Classes of every network.
pub const CLASSES: usize = 10;

/// The layers of the network called `name`, which is one of [`NETWORKS`].
pub fn graph(name: &str) -> Graph {
    let (_, settings) = NETWORKS.iter().find(|(known, _)| *known == name).expect("a known network");
    let architecture: Architecture = serde_json::from_str(settings).expect("an architecture");
    architecture.build([32, 32, 3], CLASSES).expect("a network")
}

/// A layer that at least one of the networks has.
#[allow(dead_code, reason = "one of the programs that share this file takes networks whole")]
pub struct Distinct {
    pub op: Op,
    /// The shape of what it reads (of the first input, if there are several).
    pub input: Shape,
    /// Whether it reads the image, whose gradient nobody needs.
    pub first: bool,
    /// The networks that have it.
    pub networks: Vec<&'static str>,
}

/// Every layer of all networks once.
#[allow(dead_code, reason = "as above")]
pub fn layers() -> Vec<Distinct> {
    let mut all: Vec<Distinct> = Vec::new();
    for (network, _) in NETWORKS {
        let graph = graph(network);
        let shapes = graph.shapes().expect("a sound graph");
        let [height, width, channels] = graph.input;
        for layer in &graph.layers {
            let first = layer.inputs[0] == INPUT;
            let input = graph.index(&layer.inputs[0]).map_or(Shape::Map { height, width, channels }, |at| shapes[at]);
            let known = all.iter_mut().find(|known| (&known.op, known.input, known.first) == (&layer.op, input, first));
            match known {
                Some(known) if known.networks.contains(&network) => {}
                Some(known) => known.networks.push(network),
                None => all.push(Distinct { op: layer.op.clone(), input, first, networks: vec![network] }),
            }
        }
    }
    all
}
