//! What a manifest says about pruning, after defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Criterion;
use super::weights::Target;

/// How a network is made smaller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Method {
    /// Drops the units (neurons or channels) of one layer that are inactive on the training split (KDDP).
    Inactive {
        /// The layer.
        layer: String,
        /// What is compared with the threshold.
        measure: Measure,
        /// τ, or ε for [`Measure::Zeros`].
        threshold: f64,
        /// At least so many units stay, the most active ones.
        minimum: u64,
    },
    /// Sets single weights to zero and keeps them there with a mask.
    Weights {
        /// Which weights go.
        criterion: Criterion,
        /// The share of weights that are zero afterwards, in [0, 1).
        sparsity: f64,
        /// How the zeros are shared out over layers.
        scope: WeightScope,
        /// Scored and masked in so many rounds; one when absent.
        steps: Option<u64>,
        /// Layers that keep all their weights, as patterns.
        ignore: Vec<String>,
        /// Sparsities of their own for layers that match a pattern; the smallest of those that match.
        layers: BTreeMap<String, f64>,
        /// At least this share of each layer's weights stays, and always one weight; 0 when absent.
        minimum: Option<f64>,
        /// Training images that the criterion looks at; all when absent.
        images: Option<u64>,
    },
    /// Masks weights below a threshold and lets them back above it, while all of them go on learning (dynamic network
    /// surgery, Guo 2016). Only in stages that train.
    Surgery {
        /// The threshold of a layer is max(μ + cσ, 0) of |w| over its weights before training.
        c: f64,
        /// γ: how fast masks settle.
        gamma: f64,
        /// In step i masks change with probability (1 + γ i)^(−power).
        power: f64,
        /// Layers that keep all their weights, as patterns.
        ignore: Vec<String>,
        /// c of their own for layers that match a pattern; the smallest of those that match.
        layers: BTreeMap<String, f64>,
    },
    /// Trains a sparse network whose masks move: the smallest weights go, those with the largest gradients come (RigL,
    /// Evci 2020). Only in stages that train.
    Rigl {
        /// The share of weights that is zero all the time, in [0, 1).
        sparsity: f64,
        /// How zeros are shared out over layers: uniform or ERK.
        scope: WeightScope,
        /// Masks move every so many steps, in place of the step.
        every_steps: u64,
        /// The share of a layer's weights that moves at first; it falls as half a cosine.
        alpha: f64,
        /// The share of the training after which masks stay as they are.
        until: f64,
        /// Layers that keep all their weights, as patterns.
        ignore: Vec<String>,
        /// At least this share of each layer's weights stays, and always one weight; 0 when absent.
        minimum: Option<f64>,
    },
    /// Removes channels wherever they are: smaller tensors, the same function of the channels that stay. One of `ratio`,
    /// `macs` and `parameters` is given; without any, only the `layers` lose channels.
    Channels {
        /// Which channels go.
        criterion: Criterion,
        /// The share of channels that go, in [0, 1).
        ratio: Option<f64>,
        /// The share of multiplications that stays, in (0, 1).
        macs: Option<f64>,
        /// The share of parameters that stays, in (0, 1).
        parameters: Option<f64>,
        /// Which channels are ranked together.
        scope: ChannelScope,
        /// The channels that stay in a layer are a multiple of this, and a layer for which that cannot be stays whole. When
        /// absent, 4 in layers of 16 or more; see [`Rounding`](super::allocation::Rounding).
        round_to: Option<u64>,
        /// At least this share of each layer's channels stays, and always one.
        minimum: f64,
        /// Layers whose channels stay, as patterns.
        ignore: Vec<String>,
        /// Ratios of their own for layers that match a pattern; the smallest that fits any of the layers which make a channel.
        layers: BTreeMap<String, f64>,
        /// Scored and removed in so many steps; in a stage that trains, one step each time it prunes.
        steps: u64,
        /// Training images that the criterion looks at; all when absent.
        images: Option<u64>,
    },
}

impl Method {
    /// In how many steps a stage that only prunes goes all the way.
    pub fn steps(&self) -> u64 {
        match self {
            Method::Channels { steps, .. } => *steps,
            _ => 1,
        }
    }

    /// How much of the way a stage that trains has gone after it pruned so many `times`; `None` when there is nothing left
    /// to do.
    pub fn share_after(&self, times: u64) -> Option<f64> {
        match self {
            Method::Channels { steps, .. } => (times <= *steps).then(|| times as f64 / *steps as f64),
            _ => Some(1.0),
        }
    }

    /// Whether random numbers decide what it removes: as scores, as the choice of the images that a criterion looks at,
    /// or as the times at which masks move.
    pub fn draws(&self) -> bool {
        match self {
            Method::Inactive { .. } => false,
            Method::Weights { criterion, images, .. } | Method::Channels { criterion, images, .. } => {
                criterion.draws(*images)
            }
            Method::Surgery { .. } | Method::Rigl { .. } => true,
        }
    }

    /// Whether it looks at what the network does on training images.
    pub fn needs_data(&self) -> bool {
        match self {
            Method::Inactive { .. } => true,
            Method::Weights { criterion, .. } | Method::Channels { criterion, .. } => criterion.needs_data(),
            Method::Surgery { .. } | Method::Rigl { .. } => false,
        }
    }
}

/// What makes a unit inactive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// max_x |a_j(x)| ≤ τ.
    Maximum,
    /// mean_x |a_j(x)| ≤ τ.
    Mean,
    /// The share of zero activations (APoZ, Hu 2016) is at least 1 − ε.
    Zeros,
}

/// How zeros are shared out over layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightScope {
    /// All layers' weights are ranked together.
    Global,
    /// Each layer loses the same share.
    Uniform,
    /// The density of a layer is in proportion to its inputs, outputs and (of a convolution) kernel sizes added, over the
    /// same multiplied (Erdős-Rényi-Kernel, Evci 2020).
    Erk,
    /// All layers' weights are ranked together, by their scores over what the layer would have left (LAMP, Lee 2021).
    Lamp,
}

impl WeightScope {
    /// Every scope with its name in manifests.
    pub const ALL: [(&'static str, WeightScope); 4] = [
        ("global", WeightScope::Global),
        ("uniform", WeightScope::Uniform),
        ("erk", WeightScope::Erk),
        ("lamp", WeightScope::Lamp),
    ];
}

impl Method {
    /// Whether it changes masks step by step, which only a stage that trains can do.
    pub fn is_dynamic(&self) -> bool {
        matches!(self, Method::Surgery { .. } | Method::Rigl { .. })
    }

    /// Whether it masks single weights.
    pub fn masks_weights(&self) -> bool {
        self.is_dynamic() || matches!(self, Method::Weights { .. })
    }

    /// Where this method masks weights, for the methods whose sparsity is known before.
    pub fn target(&self) -> Option<Target<'_>> {
        match self {
            Method::Weights { sparsity, scope, steps, ignore, layers, minimum, .. } => Some(Target {
                sparsity: *sparsity,
                scope: *scope,
                ignore,
                layers,
                minimum: minimum.unwrap_or(0.0),
                steps: steps.unwrap_or(1),
                share: 1.0,
            }),
            Method::Rigl { sparsity, scope, ignore, minimum, .. } => {
                static NONE: BTreeMap<String, f64> = BTreeMap::new();
                Some(Target {
                    sparsity: *sparsity,
                    scope: *scope,
                    ignore,
                    layers: &NONE,
                    minimum: minimum.unwrap_or(0.0),
                    steps: 1,
                    share: 1.0,
                })
            }
            _ => None,
        }
    }
}

/// Which channels are ranked together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelScope {
    /// All channels.
    Global,
    /// Each group of coupled layers loses the same share.
    Uniform,
    /// Groups of the same structure together (Fang 2024).
    Isomorphic,
}
