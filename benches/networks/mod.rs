//! The networks that are measured: well-known ones, on images of 32x32 in 3 colors and 10 classes.

use pleach::network::Graph;
use pleach::network::arch::Architecture;

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
