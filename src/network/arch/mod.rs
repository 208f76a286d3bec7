//! Builders of well-known architectures: a few settings to a [`Graph`].
//!
//! - [`mlp`]: fully connected layers
//! - [`lenet`]: LeNet-5's shape (LeCun 1998), with ReLU and max pooling
//! - [`resnet`]: the residual networks for small images of He et al. 2015, section 4.2
//! - `builder`: what they build with

mod builder;
pub mod lenet;
pub mod mlp;
pub mod resnet;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::graph::Graph;
use crate::error::{Error, Kind, Result};
use builder::Builder;
pub use resnet::Shortcut;

/// An architecture and all its settings, defaults filled in. Its serialized form is part of cache keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// A residual network of three stages.
    Resnet {
        /// Layers with weights: 6n + 2.
        depth: usize,
        /// Channels of the first stage; the others have twice and four times as many.
        #[serde(default = "resnet::default_width")]
        width: usize,
        /// What shortcuts do where the shape changes.
        #[serde(default)]
        shortcut: Shortcut,
    },
}

impl Architecture {
    /// The graph for images of (height, width, channels) and so many classes. Fails with `Kind::Manifest` if a setting
    /// is out of range or the images are too small.
    pub fn build(&self, input: [usize; 3], classes: usize) -> Result<Graph> {
        if classes == 0 || input.contains(&0) {
            return Err(Error::new(
                Kind::Manifest,
                format!("a network of {classes} classes for images of {input:?}: no size may be 0"),
            ));
        }
        let mut builder = Builder::new(input);
        match self {
            Architecture::Mlp { hidden } => mlp::build(&mut builder, hidden, classes)?,
            Architecture::Lenet { channels, hidden } => lenet::build(&mut builder, *channels, hidden, classes)?,
            Architecture::Resnet { depth, width, shortcut } => {
                resnet::build(&mut builder, *depth, *width, *shortcut, classes)?;
            }
        }
        let graph = builder.finish();
        graph.shapes()?;
        Ok(graph)
    }
}
