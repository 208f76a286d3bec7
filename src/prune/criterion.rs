//! The scores by which weights and channels are ranked.

use serde::{Deserialize, Serialize};

/// A score; the lowest go, unless said otherwise. `W_j` are all weights of channel j, `a_j` its activation, `g` gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// Uniform random numbers: the control.
    Random,
    /// |w| (Han 2015); for a channel the same as [`Criterion::L1`].
    Magnitude,
    /// Σ |W_j| (Li 2016).
    L1,
    /// √(Σ W_j²) (He 2018).
    L2,
    /// Over every layer coupled to the channel the mean of Σ |W|^2, divided by the group's mean (DepGraph 2023).
    GroupNorm,
    /// Σ_k ‖W_j − W_k‖₂, the distance to the other filters themselves (FPGM, He 2019).
    Fpgm,
    /// |γ_j| of the normalization behind the channel (network slimming, Liu 2017).
    BnScale,
    /// The share of zero activations (Hu 2016); the highest go.
    Apoz,
    /// mean |a_j| (Molchanov 2017).
    MeanActivation,
    /// max_x |a_j(x)|: what never fires goes first (KDDP).
    Inactive,
    /// (Σ w g)² over the weights of a channel; (w g)² of a weight (Molchanov 2019).
    Taylor,
    /// |g w| (Lee 2019).
    Snip,
    /// w ∂R/∂w with R = 1ᵀ Π |W_l| 1 (Tanaka 2020). Needs no data.
    Synflow,
    /// ½ F_ii w_i², F_ii = E\[g_i²\] a sample (LeCun 1989).
    Obd,
    /// w_i² over the sum of those of the same layer that are not smaller (Lee 2021).
    Lamp,
    /// The mean rank of the channel's map (Lin 2020).
    Hrank,
}

impl Criterion {
    /// Every criterion with its name in manifests.
    pub const ALL: [(&'static str, Criterion); 16] = [
        ("random", Criterion::Random),
        ("magnitude", Criterion::Magnitude),
        ("l1", Criterion::L1),
        ("l2", Criterion::L2),
        ("group-norm", Criterion::GroupNorm),
        ("fpgm", Criterion::Fpgm),
        ("bn-scale", Criterion::BnScale),
        ("apoz", Criterion::Apoz),
        ("mean-activation", Criterion::MeanActivation),
        ("inactive", Criterion::Inactive),
        ("taylor", Criterion::Taylor),
        ("snip", Criterion::Snip),
        ("synflow", Criterion::Synflow),
        ("obd", Criterion::Obd),
        ("lamp", Criterion::Lamp),
        ("hrank", Criterion::Hrank),
    ];

    /// Its name in manifests.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, criterion)| *criterion == self).map_or("", |(name, _)| name)
    }

    /// Whether single weights can be ranked by it.
    pub fn ranks_weights(self) -> bool {
        use Criterion::*;
        matches!(self, Random | Magnitude | Taylor | Snip | Synflow | Obd | Lamp)
    }

    /// Whether it looks at what the network does on training images.
    pub fn needs_data(self) -> bool {
        use Criterion::*;
        matches!(self, Apoz | MeanActivation | Inactive | Taylor | Snip | Obd | Hrank)
    }

    /// Whether scores of channels mean the same in every group, so that all can be ranked together as they are. If not
    /// (norms of layers of different sizes, activations of different scales), a group's are divided by their mean first.
    pub fn comparable(self) -> bool {
        use Criterion::*;
        !matches!(self, Magnitude | L1 | L2 | Fpgm | MeanActivation | Inactive | Hrank)
    }
}
