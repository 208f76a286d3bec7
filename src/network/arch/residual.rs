//! What the residual networks have in common: how many blocks of which kind a depth stands for, and shortcuts.
//!
//! There are two families. For small images (He et al. 2015, section 4.2): three stages of n blocks with w, 2w and 4w
//! channels, 6n + 2 layers. For ImageNet (section 3.3): four stages with w, 2w, 4w and 8w channels, and 18, 34, 50, 101
//! or 152 layers; from 50 on a block is a bottleneck with four times as many channels at its end. The second family is
//! the one with a [`Stem`]; 50 and 152 are also of the form 6n + 2, so the depth alone does not tell.

use serde::{Deserialize, Serialize};

use super::Stem;
use super::builder::{Builder, convolution, expect_width, norm};
use crate::error::{Error, Kind, Result};
use crate::network::graph::Op;

/// The deepest network of 6n + 2 layers in the paper.
const DEEPEST: usize = 1202;

/// The depths of the family for ImageNet.
pub const DEPTHS: [usize; 5] = [18, 34, 50, 101, 152];

/// What a shortcut does where the shape changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortcut {
    /// Drops positions and pads channels with zeros: option A, without parameters.
    #[default]
    Pad,
    /// A 1x1 convolution with normalization: option B.
    Projection,
}

/// The plan of a residual network.
pub(super) struct Residual {
    /// Channels of the first stage; each next has twice as many.
    pub(super) width: usize,
    /// Blocks of each stage.
    pub(super) blocks: Vec<usize>,
    /// Whether a block narrows to 1x1, 3x3, 1x1 convolutions; its output has four times the stage's channels.
    pub(super) bottleneck: bool,
    /// What shortcuts do where the shape changes.
    pub(super) shortcut: Shortcut,
    /// How the image is taken in.
    pub(super) stem: Stem,
}

/// One block of a residual network.
pub(super) struct Block {
    /// Such as `layer2.0`.
    pub(super) name: String,
    /// Channels that it reads.
    pub(super) in_channels: usize,
    /// Channels of its inner convolutions.
    pub(super) inner: usize,
    /// Channels that it makes.
    pub(super) out_channels: usize,
    /// Of the first position it keeps to the next.
    pub(super) stride: usize,
}

impl Residual {
    /// The plan of a network of `depth` layers. Fails if there is none.
    pub(super) fn new(arch: &str, depth: usize, width: usize, shortcut: Shortcut, stem: Option<Stem>) -> Result<Self> {
        expect_width("width", width)?;
        let plan = |blocks: &[usize], bottleneck, stem| {
            Ok(Self { width, blocks: blocks.to_vec(), bottleneck, shortcut, stem })
        };
        match (stem, depth) {
            (Some(stem), 18) => plan(&[2, 2, 2, 2], false, stem),
            (Some(stem), 34) => plan(&[3, 4, 6, 3], false, stem),
            (Some(stem), 50) => plan(&[3, 4, 6, 3], true, stem),
            (Some(stem), 101) => plan(&[3, 4, 23, 3], true, stem),
            (Some(stem), 152) => plan(&[3, 8, 36, 3], true, stem),
            (None, 8..=DEEPEST) if depth % 6 == 2 => plan(&[(depth - 2) / 6; 3], false, Stem::Cifar),
            (Some(_), _) => {
                let message = format!("a {arch} of depth {depth} with a stem: the depth is 18, 34, 50, 101 or 152");
                Err(Error::new(Kind::Manifest, message))
            }
            (None, _) => {
                let lower = (depth.clamp(8, DEEPEST) - 2) / 6 * 6 + 2;
                let message = format!("a {arch} of depth {depth}: the depth is 6n + 2, from 8 to {DEEPEST}");
                Err(Error::new(Kind::Manifest, message).hint(format!("the nearest below is {lower}")))
            }
        }
    }

    /// The convolution that reads the image, `conv1`.
    pub(super) fn first_convolution(&self, builder: &mut Builder) {
        let [_, _, image_channels] = builder.image();
        let [kernel, stride] = match self.stem {
            Stem::Cifar => [3, 1],
            Stem::Imagenet => [7, 2],
        };
        builder.push("conv1", convolution(image_channels, self.width, kernel, stride));
    }

    /// All blocks in order.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut in_channels = self.width;
        let mut all = Vec::new();
        for (stage, blocks) in self.blocks.iter().enumerate() {
            let inner = self.width << stage;
            let out_channels = if self.bottleneck { 4 * inner } else { inner };
            for block in 0..*blocks {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let name = format!("layer{}.{block}", stage + 1);
                all.push(Block { name, in_channels, inner, out_channels, stride });
                in_channels = out_channels;
            }
        }
        all
    }

    /// Appends what the shortcut of `block` does to `input`, and gives the name of its end.
    pub(super) fn push_shortcut(&self, builder: &mut Builder, block: &Block, input: String) -> String {
        let Block { name, in_channels, out_channels, stride, .. } = block;
        let (in_channels, out_channels, stride) = (*in_channels, *out_channels, *stride);
        match self.shortcut {
            _ if !block.changes_shape() => return input,
            Shortcut::Pad => {
                let op = Op::PadShortcut { stride, in_channels, out_channels, before: None };
                builder.push_from(format!("{name}.downsample"), op, vec![input]);
            }
            Shortcut::Projection => {
                let op = convolution(in_channels, out_channels, 1, stride);
                builder.push_from(format!("{name}.downsample.0"), op, vec![input]);
                builder.push(format!("{name}.downsample.1"), norm(out_channels));
            }
        }
        builder.last()
    }
}

impl Block {
    /// Whether its output has another shape than its input.
    pub(super) fn changes_shape(&self) -> bool {
        self.stride != 1 || self.in_channels != self.out_channels
    }

    /// Its convolutions: channels read and made, kernel, stride. The 3x3 one has the stride, as in torchvision.
    pub(super) fn convolutions(&self, bottleneck: bool) -> Vec<Op> {
        let Self { in_channels, inner, out_channels, stride, .. } = *self;
        if bottleneck {
            vec![
                convolution(in_channels, inner, 1, 1),
                convolution(inner, inner, 3, stride),
                convolution(inner, out_channels, 1, 1),
            ]
        } else {
            vec![convolution(in_channels, inner, 3, stride), convolution(inner, out_channels, 3, 1)]
        }
    }
}
