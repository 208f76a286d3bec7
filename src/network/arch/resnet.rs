//! Residual networks (He et al. 2015) with torchvision's names: `conv1`, `bn1`, `relu`, with the ImageNet stem
//! `maxpool`, then blocks `layer1.0` and so on, `avgpool`, `fc`.
//!
//! A block is convolution, normalization, ReLU, convolution, normalization (a bottleneck: three convolutions), the sum
//! with the shortcut, ReLU: `conv1`, `bn1`, `relu1`, `conv2`, `bn2`, `downsample`, `add`, `relu`.

use super::Stem;
use super::builder::{Builder, norm, stem_pool};
use super::residual::{Block, Residual};
use crate::network::graph::Op;

pub(super) fn default_width() -> usize {
    16
}

pub(super) fn build(builder: &mut Builder, plan: &Residual, classes: usize) {
    plan.first_convolution(builder);
    builder.push("bn1", norm(plan.width));
    builder.push("relu", Op::Relu);
    if plan.stem == Stem::Imagenet {
        builder.push("maxpool", stem_pool());
    }
    let mut channels = plan.width;
    for block in plan.blocks() {
        add_block(builder, plan, &block);
        channels = block.out_channels;
    }
    builder.push("avgpool", Op::GlobalAveragePool);
    builder.push("fc", Op::Linear { in_features: channels, out_features: classes, bias: true });
}

fn add_block(builder: &mut Builder, plan: &Residual, block: &Block) {
    let (input, name) = (builder.last(), &block.name);
    let convolutions = block.convolutions(plan.bottleneck);
    let last = convolutions.len();
    for (number, convolution) in (1..).zip(convolutions) {
        let channels = if number == last { block.out_channels } else { block.inner };
        builder.push(format!("{name}.conv{number}"), convolution);
        builder.push(format!("{name}.bn{number}"), norm(channels));
        if number < last {
            builder.push(format!("{name}.relu{number}"), Op::Relu);
        }
    }
    let main = builder.last();
    let kept = plan.push_shortcut(builder, block, input);
    builder.push_from(format!("{name}.add"), Op::Add, vec![main, kept]);
    builder.push(format!("{name}.relu"), Op::Relu);
}
