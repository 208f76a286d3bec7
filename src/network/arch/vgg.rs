//! VGG (Simonyan & Zisserman 2014) with batch normalization and torchvision's names: `features.0`, `features.1` and so
//! on, then either torchvision's classifier (`avgpool` to 7x7, three linear layers `classifier.0`, `.3` and `.6` with
//! dropout) or the usual one for small images, a mean over positions and one linear layer `classifier`.
//!
//! Five stages of convolutions with w, 2w, 4w, 8w and 8w channels, each ending in a max pooling of 2x2.

use serde::{Deserialize, Serialize};

use super::builder::{Builder, biased, convolution, expect_image, expect_width, norm};
use crate::error::{Error, Kind, Result};
use crate::network::graph::Op;

/// Height and width of what torchvision's classifier reads.
const MAP: usize = 7;

/// What turns the features into logits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VggClassifier {
    /// A mean over positions and one linear layer.
    #[default]
    Cifar,
    /// A mean to 7x7, and three linear layers, the hidden ones of 64 times the width.
    Imagenet,
}

pub(super) fn default_width() -> usize {
    64
}

/// Appends the whole network; `hidden` are the sizes of torchvision's two hidden layers, None for one linear layer.
pub(super) fn build(
    builder: &mut Builder,
    depth: usize,
    width: usize,
    hidden: Option<usize>,
    dropout: f64,
    classes: usize,
) -> Result<()> {
    let convolutions = match depth {
        11 => [1, 1, 2, 2, 2],
        13 => [2, 2, 2, 2, 2],
        16 => [2, 2, 3, 3, 3],
        19 => [2, 2, 4, 4, 4],
        _ => {
            let message = format!("a vgg of depth {depth}: the depth is 11, 13, 16 or 19");
            return Err(Error::new(Kind::Manifest, message));
        }
    };
    expect_width("width", width)?;
    expect_image(builder, "vgg", 32)?;
    let [_, _, mut channels] = builder.image();
    let mut number = 0;
    let mut push = |builder: &mut Builder, op| {
        builder.push(format!("features.{number}"), op);
        number += 1;
    };
    for (stage, count) in convolutions.into_iter().enumerate() {
        let out_channels = width << stage.min(3);
        for _ in 0..count {
            // torchvision keeps the biases that the normalizations make needless.
            push(builder, biased(convolution(channels, out_channels, 3, 1)));
            push(builder, norm(out_channels));
            push(builder, Op::Relu);
            channels = out_channels;
        }
        push(builder, Op::MaxPool { kernel: [2, 2], stride: [2, 2], padding: [0, 0] });
    }
    let rate = dropout as f32;
    let Some(hidden) = hidden else {
        builder.push("avgpool", Op::GlobalAveragePool);
        if dropout > 0.0 {
            builder.push("dropout", Op::Dropout { rate });
        }
        builder.push("classifier", Op::Linear { in_features: channels, out_features: classes, bias: true });
        return Ok(());
    };
    builder.push("avgpool", Op::AdaptiveAveragePool { output: [MAP, MAP] });
    builder.push("flatten", Op::Flatten);
    let mut in_features = channels * MAP * MAP;
    for first in [0, 3] {
        builder.push(format!("classifier.{first}"), Op::Linear { in_features, out_features: hidden, bias: true });
        builder.push(format!("classifier.{}", first + 1), Op::Relu);
        builder.push(format!("classifier.{}", first + 2), Op::Dropout { rate });
        in_features = hidden;
    }
    builder.push("classifier.6", Op::Linear { in_features, out_features: classes, bias: true });
    Ok(())
}
