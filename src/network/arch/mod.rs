//! Builders of well-known architectures: a few settings to a [`Graph`].
//!
//! - [`mlp`]: fully connected layers
//! - [`lenet`]: LeNet-5's shape (LeCun 1998), with ReLU and max pooling
//! - [`resnet`], [`preact_resnet`]: residual networks (He et al. 2015 and 2016); [`residual`]: what both have
//! - [`vgg`]: plain convolutions with normalization (Simonyan & Zisserman 2014)
//! - [`densenet`]: densely connected networks (Huang et al. 2017)
//! - [`mobilenet_v2`]: inverted residuals (Sandler et al. 2018)
//! - [`efficientnet`]: the same with squeeze and excitation, scaled (Tan & Le 2019)
//! - [`written`]: layers written out in the manifest
//! - `builder`: what they build with
//!
//! Where torchvision has the network, tensors have its names and shapes, and outputs and gradients are its; see
//! `tests/torchvision.rs`.

mod builder;
pub mod densenet;
pub mod efficientnet;
pub mod lenet;
pub mod mlp;
pub mod mobilenet_v2;
pub mod preact_resnet;
pub mod residual;
pub mod resnet;
#[cfg(test)]
mod tests;
pub mod vgg;
pub mod written;

use serde::{Deserialize, Serialize};

use super::graph::Graph;
use crate::error::{Error, Kind, Result};
use builder::Builder;
use residual::Residual;
pub use residual::Shortcut;
pub use vgg::VggClassifier;
pub use written::WrittenLayer;

/// An architecture and all its settings, defaults filled in. Its serialized form is part of cache keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "arch", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Architecture {
    /// Fully connected layers with ReLU between.
    Mlp {
        /// Sizes of the hidden layers.
        hidden: Vec<usize>,
    },
    /// Two convolutions with pooling, then fully connected layers.
    Lenet {
        /// Channels of the two convolutions.
        #[serde(default = "lenet::default_channels")]
        channels: [usize; 2],
        /// Sizes of the hidden layers.
        #[serde(default = "lenet::default_hidden")]
        hidden: Vec<usize>,
    },
    /// A residual network.
    Resnet {
        /// Layers with weights: 6n + 2, or with a stem 18, 34, 50, 101 or 152.
        depth: usize,
        /// Channels of the first stage; each next has twice as many.
        #[serde(default = "resnet::default_width")]
        width: usize,
        /// What shortcuts do where the shape changes.
        #[serde(default)]
        shortcut: Shortcut,
        /// How the image is taken in by the family for ImageNet; None is the family of 6n + 2 layers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stem: Option<Stem>,
    },
    /// A residual network with the activation before each convolution. Its settings are those of `Resnet`.
    PreactResnet {
        /// Layers with weights: 6n + 2, or with a stem 18, 34, 50, 101 or 152.
        depth: usize,
        /// Channels of the first stage; each next has twice as many.
        width: usize,
        /// What shortcuts do where the shape changes.
        shortcut: Shortcut,
        /// How the image is taken in by the family for ImageNet; None is the family of 6n + 2 layers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stem: Option<Stem>,
    },
    /// Five stages of convolutions, then linear layers.
    Vgg {
        /// Layers with weights, as the paper counts them: 11, 13, 16 or 19.
        depth: usize,
        /// Channels of the first stage; later ones have 2, 4, 8 and 8 times as many.
        #[serde(default = "vgg::default_width")]
        width: usize,
        /// What turns the features into logits.
        #[serde(default)]
        classifier: VggClassifier,
        /// Dropout in the classifier, in [0, 1).
        dropout: f64,
    },
    /// A densely connected network.
    Densenet {
        /// Layers with weights: 3n + 4, or 6n + 4 with bottlenecks, or with a stem 121, 169 or 201.
        depth: usize,
        /// Channels that each layer adds.
        growth: usize,
        /// Whether a layer has a 1x1 convolution before its 3x3 one.
        bottleneck: bool,
        /// The share of channels that a transition keeps, above 0 and at most 1.
        compression: f64,
        /// How the image is taken in by the family for ImageNet; None is the one of three blocks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stem: Option<Stem>,
    },
    /// MobileNetV2.
    MobilenetV2 {
        /// Times the paper's channels, rounded to multiples of 8; above 0, at most 16.
        width: f64,
        /// Dropout before the classifier, in [0, 1).
        dropout: f64,
        /// How the image is taken in.
        stem: Stem,
    },
    /// EfficientNet.
    Efficientnet {
        /// Times b0's channels, rounded to multiples of 8; above 0, at most 16.
        width: f64,
        /// Times b0's blocks a stage, rounded up; above 0, at most 16.
        depth: f64,
        /// Dropout before the classifier, in [0, 1).
        dropout: f64,
        /// In training, the share of images that would pass by the last block; earlier ones fewer. In [0, 1).
        stochastic_depth: f64,
        /// How the image is taken in.
        stem: Stem,
    },
    /// Layers written out one by one.
    Graph {
        /// In topological order; the last gives the logits.
        layers: Vec<WrittenLayer>,
        /// Height, width and channels of the images that they are for, if they come from a file that says so. Decides
        /// nothing: other images are refused.
        #[serde(skip)]
        input: Option<[usize; 3]>,
    },
}

/// How a network takes the image in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// For small images: a 3x3 convolution at full size, no pooling. MobileNetV2 and EfficientNet keep their first
    /// convolution and leave out the first two strides of 2.
    #[default]
    Cifar,
    /// torchvision's, which makes the image four times smaller.
    Imagenet,
}

/// Why there is no graph.
#[derive(Debug)]
pub struct Unbuildable {
    /// The written layer concerned, by its index.
    pub layer: Option<usize>,
    /// What is wrong.
    pub error: Error,
}

impl From<Error> for Unbuildable {
    fn from(error: Error) -> Self {
        Self { layer: None, error }
    }
}

impl Architecture {
    /// The architecture with the other [`Stem`], as it is written and as it is, if it has a choice.
    pub fn with_other_stem(&self) -> Option<(&'static str, Architecture)> {
        let mut other = self.clone();
        let stem = match &mut other {
            Architecture::Resnet { stem, .. }
            | Architecture::PreactResnet { stem, .. }
            | Architecture::Densenet { stem, .. } => stem.as_mut()?,
            Architecture::MobilenetV2 { stem, .. } | Architecture::Efficientnet { stem, .. } => stem,
            Architecture::Mlp { .. }
            | Architecture::Lenet { .. }
            | Architecture::Vgg { .. }
            | Architecture::Graph { .. } => return None,
        };
        let words;
        (*stem, words) = match stem {
            Stem::Cifar => (Stem::Imagenet, "stem = \"imagenet\""),
            Stem::Imagenet => (Stem::Cifar, "stem = \"cifar\""),
        };
        Some((words, other))
    }

    /// The graph for images of (height, width, channels) and so many classes. Fails with `Kind::Manifest` if a setting
    /// is out of range or the images are too small.
    pub fn build(&self, input: [usize; 3], classes: usize) -> Result<Graph> {
        self.located_build(input, classes).map_err(|unbuildable| unbuildable.error)
    }

    /// As [`Architecture::build`], but the error says which written layer it is about.
    pub fn located_build(&self, input: [usize; 3], classes: usize) -> Result<Graph, Unbuildable> {
        if classes == 0 || input.contains(&0) {
            let message = format!("a network of {classes} classes for images of {input:?}: no size may be 0");
            return Err(Error::new(Kind::Manifest, message).into());
        }
        let mut builder = Builder::new(input);
        let to = &mut builder;
        match self {
            Architecture::Mlp { hidden } => mlp::build(to, hidden, classes)?,
            Architecture::Lenet { channels, hidden } => lenet::build(to, *channels, hidden, classes)?,
            Architecture::Resnet { depth, width, shortcut, stem } => {
                resnet::build(to, &Residual::new("resnet", *depth, *width, *shortcut, *stem)?, classes);
            }
            Architecture::PreactResnet { depth, width, shortcut, stem } => {
                let plan = Residual::new("preact-resnet", *depth, *width, *shortcut, *stem)?;
                preact_resnet::build(to, &plan, classes);
            }
            Architecture::Vgg { depth, width, classifier, dropout } => {
                let hidden = (*classifier == VggClassifier::Imagenet).then(|| width.saturating_mul(64));
                vgg::build(to, *depth, *width, hidden, *dropout, classes)?;
            }
            Architecture::Densenet { depth, growth, bottleneck, compression, stem } => {
                densenet::Dense::new(*depth, *growth, *bottleneck, *compression, *stem)?.build(to, classes)?;
            }
            Architecture::MobilenetV2 { width, dropout, stem } => {
                mobilenet_v2::Plan::new(*width, *dropout, *stem)?.build(to, classes);
            }
            Architecture::Efficientnet { width, depth, dropout, stochastic_depth, stem } => {
                efficientnet::Plan::new(*width, *depth, *dropout, *stochastic_depth, *stem)?.build(to, classes);
            }
            Architecture::Graph { layers, input: own } => return written::build(layers, *own, input, classes),
        }
        let graph = builder.finish();
        graph.shapes()?;
        Ok(graph)
    }
}
