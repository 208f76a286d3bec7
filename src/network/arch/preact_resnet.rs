//! Residual networks with the activation before each convolution (He et al. 2016, "Identity mappings"), named like
//! [`super::resnet`]: a block is `bn1`, `relu1`, `conv1`, `bn2`, `relu2`, `conv2`, `downsample`, `add`, and the network
//! ends in `bn`, `relu`, `avgpool`, `fc`.
//!
//! Where the shape changes, the shortcut reads what the block's first ReLU made, without a normalization of its own; else
//! it is the identity. The ImageNet stem has `bn1`, `relu1` and `maxpool` behind `conv1`, the other nothing.

use super::Stem;
use super::builder::{Builder, convolution, norm, stem_pool};
use super::residual::{Block, Residual, Shortcut};
use crate::network::graph::Op;

pub(super) fn build(builder: &mut Builder, plan: &Residual, classes: usize) {
    plan.first_convolution(builder);
    if plan.stem == Stem::Imagenet {
        builder.push("bn1", norm(plan.width));
        builder.push("relu1", Op::Relu);
        builder.push("maxpool", stem_pool());
    }
    let mut channels = plan.width;
    for block in plan.blocks() {
        add_block(builder, plan, &block);
        channels = block.out_channels;
    }
    builder.push("bn", norm(channels));
    builder.push("relu", Op::Relu);
    builder.push("avgpool", Op::GlobalAveragePool);
    builder.push("fc", Op::Linear { in_features: channels, out_features: classes, bias: true });
}

fn add_block(builder: &mut Builder, plan: &Residual, block: &Block) {
    let (input, name) = (builder.last(), &block.name);
    let activated = format!("{name}.relu1");
    for (number, convolution) in (1..).zip(block.convolutions(plan.bottleneck)) {
        let channels = if number == 1 { block.in_channels } else { block.inner };
        builder.push(format!("{name}.bn{number}"), norm(channels));
        builder.push(format!("{name}.relu{number}"), Op::Relu);
        builder.push(format!("{name}.conv{number}"), convolution);
    }
    let main = builder.last();
    let kept = match plan.shortcut {
        _ if !block.changes_shape() => input,
        Shortcut::Pad => plan.push_shortcut(builder, block, activated),
        Shortcut::Projection => {
            let op = convolution(block.in_channels, block.out_channels, 1, block.stride);
            let name = format!("{name}.downsample");
            builder.push_from(name.as_str(), op, vec![activated]);
            name
        }
    };
    builder.push_from(format!("{name}.add"), Op::Add, vec![main, kept]);
}
