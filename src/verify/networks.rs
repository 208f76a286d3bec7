//! The networks that are measured: well-known ones, on images of 32x32 in 3 colors and 10 classes.

use crate::error::{Error, Kind, Result};
use crate::network::Graph;
use crate::network::arch::Architecture;

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

/// The layers of the network called `name`.
///
/// # Errors
/// When it is none of [`NETWORKS`].
pub fn graph(name: &str) -> Result<Graph> {
    let unknown = || Error::new(Kind::Usage, format!("no network `{name}` is measured"));
    let (_, settings) = NETWORKS.iter().find(|(known, _)| *known == name).ok_or_else(unknown)?;
    let architecture: Architecture =
        serde_json::from_str(settings).map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
    architecture.build([32, 32, 3], CLASSES)
}
