//! LeNet-5's shape (LeCun 1998) with ReLU and max pooling: `conv1`, `conv1.relu`, `pool1`, `conv2`, `conv2.relu`,
//! `pool2`, `flatten`, `hidden1`, `hidden1.relu`, ..., `classifier`.
//!
//! Kernels are 5x5. The first convolution keeps the size; the second shrinks it by 4, but keeps it for images below
//! 20 pixels.

use super::builder::{Builder, count, expect_image, expect_positive};
use crate::error::Result;
use crate::network::graph::Op;

/// Images smaller than this keep their size in the second convolution.
const SMALL: usize = 20;

pub(super) fn default_channels() -> [usize; 2] {
    [6, 16]
}

pub(super) fn default_hidden() -> Vec<usize> {
    vec![120, 84]
}

pub(super) fn build(builder: &mut Builder, channels: [usize; 2], hidden: &[usize], classes: usize) -> Result<()> {
    expect_positive("channels", &channels)?;
    expect_positive("hidden", hidden)?;
    expect_image(builder, "lenet", 4)?;
    let [height, width, image_channels] = builder.image();
    let padding = if height.min(width) < SMALL { 2 } else { 0 };
    let convolution = |in_channels, out_channels, padding| Op::Convolution {
        in_channels,
        out_channels,
        kernel: [5, 5],
        stride: [1, 1],
        padding: [padding; 2],
        dilation: [1, 1],
        groups: 1,
        bias: true,
    };
    let pool = Op::MaxPool { kernel: [2, 2], stride: [2, 2], padding: [0, 0] };
    builder.push("conv1", convolution(image_channels, channels[0], 2));
    builder.push("conv1.relu", Op::Relu);
    builder.push("pool1", pool.clone());
    builder.push("conv2", convolution(channels[0], channels[1], padding));
    builder.push("conv2.relu", Op::Relu);
    builder.push("pool2", pool);
    let along = |size: usize| (size / 2 - (4 - 2 * padding)) / 2;
    let features = count([along(height), along(width), channels[1]])?;
    builder.classifier(hidden, features, classes);
    Ok(())
}
