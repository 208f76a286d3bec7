//! Densely connected networks (Huang et al. 2017) with torchvision's names: `features.conv0`, blocks
//! `features.denseblock1.denselayer1` and so on, `features.transition1` between them, `features.norm5`, `classifier`.
//!
//! Every layer of a block reads what all before it in the block made, and adds `growth` channels. There are two families,
//! as with the residual networks: 121, 169 and 201 layers in four blocks, the one with a [`Stem`]; and the one for small
//! images, three blocks of n layers, 3n + 4 layers in all, or 6n + 4 with bottlenecks (the BC form has a compression of
//! 0.5 too). The last normalization is `norm5` in both.

use super::Stem;
use super::builder::{Builder, convolution, expect_image, expect_width, norm, stem_pool};
use crate::error::{Error, Kind, Result};
use crate::network::graph::Op;

/// A bottleneck makes so many times `growth` channels.
const BOTTLENECK: usize = 4;

/// The depths of the family for ImageNet.
pub const DEPTHS: [usize; 3] = [121, 169, 201];

/// The plan of a densely connected network.
pub(super) struct Dense {
    /// Layers of each block.
    pub(super) blocks: Vec<usize>,
    /// Channels that each layer adds.
    pub(super) growth: usize,
    /// Whether a layer has a 1x1 convolution before its 3x3 one.
    pub(super) bottleneck: bool,
    /// The share of channels that a transition keeps.
    pub(super) compression: f64,
    /// Channels before the first block.
    pub(super) first: usize,
    /// How the image is taken in, with a normalization behind; a bare 3x3 convolution when there is none.
    pub(super) stem: Option<Stem>,
}

impl Dense {
    /// The plan of a network of `depth` layers. Fails if there is none.
    pub(super) fn new(
        depth: usize,
        growth: usize,
        bottleneck: bool,
        compression: f64,
        stem: Option<Stem>,
    ) -> Result<Self> {
        expect_width("growth", growth)?;
        if !(compression > 0.0 && compression <= 1.0) {
            let message = format!("compression is {compression}, but must be above 0 and at most 1");
            return Err(Error::new(Kind::Manifest, message));
        }
        let wrong = |allowed: &str| Err(Error::new(Kind::Manifest, format!("a densenet of depth {depth} {allowed}")));
        let step = if bottleneck { 6 } else { 3 };
        let blocks = match (stem, depth) {
            (Some(_), 121 | 169 | 201) if !bottleneck => return wrong("has bottlenecks"),
            (Some(_), 121) => vec![6, 12, 24, 16],
            (Some(_), 169) => vec![6, 12, 32, 32],
            (Some(_), 201) => vec![6, 12, 48, 32],
            (None, 7..=1000) if depth % step == 4 % step && depth - 4 >= step => vec![(depth - 4) / step; 3],
            (Some(_), _) => return wrong("with a stem: the depth is 121, 169 or 201"),
            (None, _) if bottleneck => return wrong("with bottlenecks: the depth is 6n + 4, from 10 to 1000"),
            (None, _) => return wrong("without bottlenecks: the depth is 3n + 4, from 7 to 1000"),
        };
        // 16 channels, or twice the growth in the BC form; 64 at torchvision's growth of 32.
        let first = if stem.is_some() || bottleneck { 2 * growth } else { 16 };
        Ok(Self { blocks, growth, bottleneck, compression, first, stem })
    }

    pub(super) fn build(&self, builder: &mut Builder, classes: usize) -> Result<()> {
        // Every transition halves the size, and the ImageNet stem quarters it, rounding up.
        let halved = 1 << (self.blocks.len() - 1);
        let least = if self.stem == Some(Stem::Imagenet) { 4 * (halved - 1) + 1 } else { halved };
        expect_image(builder, "densenet", least)?;
        let [_, _, image_channels] = builder.image();
        let [kernel, stride] = if self.stem == Some(Stem::Imagenet) { [7, 2] } else { [3, 1] };
        builder.push("features.conv0", convolution(image_channels, self.first, kernel, stride));
        if self.stem.is_some() {
            builder.push("features.norm0", norm(self.first));
            builder.push("features.relu0", Op::Relu);
        }
        if self.stem == Some(Stem::Imagenet) {
            builder.push("features.pool0", stem_pool());
        }
        let mut channels = self.first;
        for (number, layers) in (1..).zip(&self.blocks) {
            if number > 1 {
                let kept = ((channels as f64 * self.compression) as usize).max(1);
                let name = format!("features.transition{}", number - 1);
                builder.push(format!("{name}.norm"), norm(channels));
                builder.push(format!("{name}.relu"), Op::Relu);
                builder.push(format!("{name}.conv"), convolution(channels, kept, 1, 1));
                let pool = Op::AveragePool { kernel: [2, 2], stride: [2, 2], padding: [0, 0] };
                builder.push(format!("{name}.pool"), pool);
                channels = kept;
            }
            for layer in 1..=*layers {
                self.add_layer(builder, &format!("features.denseblock{number}.denselayer{layer}"), channels);
                channels += self.growth;
            }
        }
        builder.push("features.norm5", norm(channels));
        builder.push("relu", Op::Relu);
        builder.push("avgpool", Op::GlobalAveragePool);
        builder.push("classifier", Op::Linear { in_features: channels, out_features: classes, bias: true });
        Ok(())
    }

    fn add_layer(&self, builder: &mut Builder, name: &str, channels: usize) {
        let before = builder.last();
        builder.push(format!("{name}.norm1"), norm(channels));
        builder.push(format!("{name}.relu1"), Op::Relu);
        if self.bottleneck {
            let inner = BOTTLENECK * self.growth;
            builder.push(format!("{name}.conv1"), convolution(channels, inner, 1, 1));
            builder.push(format!("{name}.norm2"), norm(inner));
            builder.push(format!("{name}.relu2"), Op::Relu);
            builder.push(format!("{name}.conv2"), convolution(inner, self.growth, 3, 1));
        } else {
            builder.push(format!("{name}.conv1"), convolution(channels, self.growth, 3, 1));
        }
        let made = builder.last();
        builder.push_from(format!("{name}.concat"), Op::Concatenate, vec![before, made]);
    }
}
