//! What a manifest says about pruning, after defaults.

use serde::{Deserialize, Serialize};

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
        /// Whether layers compete with each other.
        scope: Scope,
    },
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

/// The score by which weights are ranked; the lowest go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// |w| (Han 2015).
    Magnitude,
    /// Uniform random numbers: the control.
    Random,
}

/// Over what weights are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All layers together.
    Global,
    /// Each layer loses the same share.
    Uniform,
}
