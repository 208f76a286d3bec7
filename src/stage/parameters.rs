//! What a stage is, after defaults: its kind and its parameters. Serialised as they are into keys and into the
//! description that a worker carries out.

use serde::{Deserialize, Serialize};

use crate::network::arch::Architecture;
use crate::network::import::rules::Rules;
use crate::prune::Method;
use crate::train::parameters::Training;

/// A stage's kind, with what decides its result apart from seed, data and inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Parameters {
    /// Trains a fresh network on labels.
    Train {
        /// `None`: the layer graph of the input `like`.
        network: Option<Architecture>,
        /// How.
        #[serde(flatten)]
        training: Training,
    },
    /// Trains a fresh network under a teacher.
    Distill {
        /// `None`: the layer graph of the input `like`.
        network: Option<Architecture>,
        /// How.
        #[serde(flatten)]
        training: Training,
    },
    /// Goes on training a network under penalties, so that pruning costs less.
    Regularize {
        /// How.
        #[serde(flatten)]
        training: Training,
    },
    /// Makes a network smaller.
    Prune {
        /// How.
        method: Method,
    },
    /// Goes on training a pruned network, with or without a teacher.
    FineTune {
        /// How.
        #[serde(flatten)]
        training: Training,
    },
    /// Takes weights from a file.
    Import {
        /// `None`: the layer graph of the input `like`.
        network: Option<Architecture>,
        /// How the file's tensors become the network's.
        #[serde(flatten)]
        rules: Rules,
    },
    /// Measures networks.
    Evaluate {
        /// The images to measure on.
        split: Split,
        /// Which of the models the others are compared with, from 0.
        reference: Option<u64>,
    },
}

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// What is trained on.
    Train,
    /// What choices are made on.
    Validation,
    /// What is held out.
    Test,
}

impl Split {
    /// The name as the manifest writes it.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

/// The version of the code that works out a network's logits on images: of evaluate stages, and of teachers' logits that
/// the store keeps.
pub const INFERENCE: u32 = 4;

impl Parameters {
    /// The kind as the manifest writes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Parameters::Train { .. } => "train",
            Parameters::Distill { .. } => "distill",
            Parameters::Regularize { .. } => "regularize",
            Parameters::Prune { .. } => "prune",
            Parameters::FineTune { .. } => "fine-tune",
            Parameters::Import { .. } => "import",
            Parameters::Evaluate { .. } => "evaluate",
        }
    }

    /// The version of the code that carries out this kind. Raised when a change of code changes results, so that
    /// results of the old code are not taken for the new.
    pub fn implementation(&self) -> u32 {
        match self {
            Parameters::Train { .. } => 3,
            Parameters::Distill { .. } => 3,
            Parameters::Regularize { .. } => 3,
            Parameters::Prune { .. } => 4,
            Parameters::FineTune { .. } => 3,
            Parameters::Import { .. } => 2,
            Parameters::Evaluate { .. } => INFERENCE,
        }
    }

    /// The training part, for the kinds that train.
    pub fn training(&self) -> Option<&Training> {
        match self {
            Parameters::Train { training, .. }
            | Parameters::Distill { training, .. }
            | Parameters::Regularize { training }
            | Parameters::FineTune { training } => Some(training),
            Parameters::Prune { .. } | Parameters::Import { .. } | Parameters::Evaluate { .. } => None,
        }
    }

    /// Whether random numbers decide its result, so that its seed does: the others have no seed in their keys.
    pub fn draws(&self) -> bool {
        match self {
            // Initial weights, or the order of images.
            Parameters::Train { .. }
            | Parameters::Distill { .. }
            | Parameters::Regularize { .. }
            | Parameters::FineTune { .. } => true,
            Parameters::Prune { method } => method.draws(),
            Parameters::Import { rules, .. } => rules.draws(),
            Parameters::Evaluate { .. } => false,
        }
    }

    /// Whether it computes anything with a network, so that it has use for a GPU.
    pub fn computes(&self) -> bool {
        !matches!(self, Parameters::Import { .. })
    }

    /// Whether the result is a network that other stages can take.
    pub fn makes_network(&self) -> bool {
        !matches!(self, Parameters::Evaluate { .. })
    }
}
