//! What a manifest says about training, after defaults. Serialised as they are into keys: a field added here is a field
//! of every training stage's key.

use serde::{Deserialize, Serialize};

use crate::data::Augmentation;
use crate::prune::Method;
use crate::tensor::engine::Precision;
use crate::train::steps::{LastBatch, Steps};

/// Everything that decides a training run besides its network, its data and its inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Training {
    /// Passes over the training split.
    pub epochs: u64,
    /// Images in a step.
    pub batch: u64,
    /// What becomes of the images that are no whole batch.
    pub last_batch: LastBatch,
    /// How gradients change weights.
    pub optimizer: Optimizer,
    /// How the learning rate changes over the run.
    pub schedule: Schedule,
    /// Terms of the loss that look at the output.
    pub losses: Vec<Loss>,
    /// Terms of the loss that look inside the network.
    pub penalties: Vec<Penalty>,
    /// Random changes of training images.
    pub augment: Vec<Augmentation>,
    /// Gradients are scaled down to this global L2 norm.
    pub clip_norm: Option<f64>,
    /// Which epoch's weights are the result.
    pub select: Select,
    /// When to stop before the last epoch.
    pub early_stop: Option<EarlyStop>,
    /// Pruning between epochs.
    pub prune: Option<PeriodicPruning>,
    /// How a GPU multiplies matrices; part of the key only when it is not `f32`.
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
}

impl Training {
    /// The steps of an epoch over so many images.
    pub fn steps(&self, images: u64) -> Steps {
        Steps::of(images, self.batch, self.last_batch)
    }
}

/// An optimizer; the semantics are PyTorch's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Optimizer {
    /// Stochastic gradient descent (`torch.optim.SGD`, L2 decay added to the gradient).
    Sgd {
        /// Learning rate before the schedule.
        lr: f64,
        /// In [0, 1).
        momentum: f64,
        /// Nesterov's form of momentum.
        nesterov: bool,
        /// L2 strength.
        weight_decay: f64,
        /// Whether norms and biases decay too.
        decay_all: bool,
    },
    /// Adam (Kingma & Ba 2015), L2 decay added to the gradient.
    Adam {
        /// Learning rate before the schedule.
        lr: f64,
        /// Decay rates of the two moments.
        betas: [f64; 2],
        /// Added to the denominator.
        epsilon: f64,
        /// L2 strength.
        weight_decay: f64,
        /// Whether norms and biases decay too.
        decay_all: bool,
    },
    /// AdamW (Loshchilov & Hutter 2019): decay apart from the gradient.
    Adamw {
        /// Learning rate before the schedule.
        lr: f64,
        /// Decay rates of the two moments.
        betas: [f64; 2],
        /// Added to the denominator.
        epsilon: f64,
        /// Decay per step, times the learning rate.
        weight_decay: f64,
        /// Whether norms and biases decay too.
        decay_all: bool,
    },
}

impl Optimizer {
    /// The learning rate before the schedule.
    pub fn lr(&self) -> f64 {
        match self {
            Optimizer::Sgd { lr, .. } | Optimizer::Adam { lr, .. } | Optimizer::Adamw { lr, .. } => *lr,
        }
    }

    /// L2 strength, and whether it holds for norms and biases too.
    pub fn decay(&self) -> (f64, bool) {
        match self {
            Optimizer::Sgd { weight_decay, decay_all, .. }
            | Optimizer::Adam { weight_decay, decay_all, .. }
            | Optimizer::Adamw { weight_decay, decay_all, .. } => (*weight_decay, *decay_all),
        }
    }
}

/// The learning rate's course.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Schedule {
    /// The same from the end of the warm-up to the last step.
    Constant {
        /// Epochs of linear increase from zero.
        warmup: f64,
    },
    /// Multiplied by `gamma` at the start of each epoch in `milestones`.
    Step {
        /// Epochs of linear increase from zero.
        warmup: f64,
        /// Epochs, from 0, in ascending order.
        milestones: Vec<u64>,
        /// The factor.
        gamma: f64,
    },
    /// Half a cosine from the end of the warm-up down to `final-lr` times the first rate (Loshchilov & Hutter 2017).
    Cosine {
        /// Epochs of linear increase from zero.
        warmup: f64,
        /// The last rate as a share of the first.
        final_share: f64,
    },
}

/// A term of the loss over the network's output, or over what comes before it. Losses on features name layers of student and
/// teacher; the terms of several pairs of layers are added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Loss {
    /// Cross entropy with the labels.
    CrossEntropy {
        /// Label smoothing (Szegedy 2016): this share of the target is spread over all classes.
        smoothing: f64,
        /// Factor of the term.
        weight: f64,
    },
    /// Hinton's distillation (2015): α T² KL(p_t^T ‖ p_s^T) + (1 − α) CE.
    Kd {
        /// T.
        temperature: f64,
        /// α in [0, 1].
        alpha: f64,
        /// Label smoothing of the cross-entropy part.
        smoothing: f64,
        /// Factor of the term.
        weight: f64,
        /// Whether the logits of both are standardized first, row by row (Sun et al. 2024).
        #[serde(default, skip_serializing_if = "is_false")]
        standardize: bool,
    },
    /// The mean squared error of logits (Ba & Caruana 2014).
    LogitsMse {
        /// Factor of the term.
        weight: f64,
    },
    /// The mean squared error of features, the student's seen through a 1x1 convolution (FitNets, Romero et al. 2015).
    Fitnet {
        /// Which meets which.
        layers: Vec<LayerPair>,
        /// Factor of the term.
        weight: f64,
    },
    /// Attention transfer (Zagoruyko & Komodakis 2017): where a layer looks.
    Attention {
        /// Which meets which.
        layers: Vec<LayerPair>,
        /// Factor of the term.
        weight: f64,
    },
    /// The flow between two layers (Yim et al. 2017): the first pair with the second, the third with the fourth.
    Fsp {
        /// Which meets which, an even number.
        layers: Vec<LayerPair>,
        /// Factor of the term.
        weight: f64,
    },
    /// Similarity preserving distillation (Tung & Mori 2019): which images of a batch are alike.
    Sp {
        /// Which meets which.
        layers: Vec<LayerPair>,
        /// Factor of the term.
        weight: f64,
    },
    /// Variational information distillation (Ahn et al. 2019): how likely the teacher's feature is, given the student's.
    Vid {
        /// Which meets which.
        layers: Vec<LayerPair>,
        /// Factor of the term.
        weight: f64,
    },
    /// Relational distillation (Park et al. 2019): distances and angles between the images of a batch.
    Rkd {
        /// Which meets which.
        layers: Vec<LayerPair>,
        /// Factor of the distances.
        distance: f64,
        /// Factor of the angles.
        angle: f64,
        /// Factor of the term.
        weight: f64,
    },
    /// Decoupled distillation (Zhao et al. 2022): α TCKD + β NCKD, times T².
    Dkd {
        /// T.
        temperature: f64,
        /// α, of the right class against all others.
        alpha: f64,
        /// β, of the others among themselves.
        beta: f64,
        /// The term's factor rises over so many epochs: min(epoch / warm-up, 1), epochs counted from 1.
        warmup: u64,
        /// Factor of the term.
        weight: f64,
    },
    /// Distillation by correlation (DIST, Huang et al. 2022), times T².
    Dist {
        /// T.
        temperature: f64,
        /// β, of the correlation within an image.
        beta: f64,
        /// γ, of the correlation within a class.
        gamma: f64,
        /// Factor of the term.
        weight: f64,
    },
    /// Deep mutual learning (Zhang et al. 2018): a peer, a second network of the same layers with other fresh weights, learns
    /// beside this one by the same losses on logits, and each learns from the other: KL(p_other ‖ p_own), T = 1.
    Mutual {
        /// Factor of the term.
        weight: f64,
    },
}

/// A layer of the student and the layer of the teacher that it is to be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LayerPair {
    /// A layer's name, in which `*` stands for anything; it matches one layer.
    pub student: String,
    /// The same, of the teacher.
    pub teacher: String,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Loss {
    /// The kind as the manifest writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Loss::CrossEntropy { .. } => "cross-entropy",
            Loss::Kd { .. } => "kd",
            Loss::LogitsMse { .. } => "logits-mse",
            Loss::Fitnet { .. } => "fitnet",
            Loss::Attention { .. } => "attention",
            Loss::Fsp { .. } => "fsp",
            Loss::Sp { .. } => "sp",
            Loss::Vid { .. } => "vid",
            Loss::Rkd { .. } => "rkd",
            Loss::Dkd { .. } => "dkd",
            Loss::Dist { .. } => "dist",
            Loss::Mutual { .. } => "mutual",
        }
    }

    /// Whether the term needs a teacher.
    pub fn needs_teacher(&self) -> bool {
        !matches!(self, Loss::CrossEntropy { .. } | Loss::Mutual { .. })
    }

    /// The layers that a loss on features compares; none for a loss on logits.
    pub fn layers(&self) -> &[LayerPair] {
        match self {
            Loss::Fitnet { layers, .. }
            | Loss::Attention { layers, .. }
            | Loss::Fsp { layers, .. }
            | Loss::Sp { layers, .. }
            | Loss::Vid { layers, .. }
            | Loss::Rkd { layers, .. } => layers,
            Loss::CrossEntropy { .. }
            | Loss::Kd { .. }
            | Loss::LogitsMse { .. }
            | Loss::Dkd { .. }
            | Loss::Dist { .. }
            | Loss::Mutual { .. } => &[],
        }
    }

    /// The fewest images of a step that the term says something about; with fewer, a part of it is the same whatever the
    /// student gives. Two images have one distance, which is its own mean, and no angle; and two values always correlate
    /// by 1 or −1.
    pub fn least_images(&self) -> u64 {
        match self {
            Loss::Rkd { .. } => 3,
            Loss::Dist { gamma, .. } if *gamma > 0.0 => 3,
            Loss::Sp { .. } => 2,
            _ => 1,
        }
    }

    /// Whether the term is only defined as long as the student keeps its channels.
    pub fn needs_channels(&self) -> bool {
        matches!(self, Loss::Fitnet { .. } | Loss::Vid { .. } | Loss::Fsp { .. })
    }
}

/// A term of the loss over weights or activations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Penalty {
    /// λ Σ |w| over the weights (not norms or biases) of the layers that match.
    L1 {
        /// A layer's name, in which `*` stands for anything.
        layer: String,
        /// λ.
        strength: f64,
    },
    /// λ mean_b Σ_j |a_j(x_b)| over the activation of the layers that match (KDDP).
    ActivationL1 {
        /// A layer's name, in which `*` stands for anything.
        layer: String,
        /// λ.
        strength: f64,
    },
    /// λ Σ |γ| over the scales of the normalizations that match (network slimming, Liu et al. 2017).
    BnL1 {
        /// A normalization's name, in which `*` stands for anything.
        layer: String,
        /// λ.
        strength: f64,
    },
    /// λ Σ_g √n_g ‖W_g‖₂ over the output channels g of the layers that match, n_g weights each. The layer that makes the
    /// logits is left out: its rows are classes.
    GroupLasso {
        /// A layer's name, in which `*` stands for anything.
        layer: String,
        /// λ.
        strength: f64,
    },
    /// Group lasso, and L1 on the same weights (Simon et al. 2013).
    SparseGroupLasso {
        /// A layer's name, in which `*` stands for anything.
        layer: String,
        /// λ of the groups.
        strength: f64,
        /// λ of single weights.
        l1_strength: f64,
        /// Whether channels are shrunk after each step, to exact zeros, instead of by the gradient.
        proximal: bool,
    },
    /// λ (t Σ |γ| − Σ |γ − mean γ|) over the scales of all normalizations that match (Zhuang et al. 2020).
    Polarization {
        /// A normalization's name, in which `*` stands for anything.
        layer: String,
        /// λ.
        strength: f64,
        /// t.
        l1_factor: f64,
    },
    /// Σ_g ½ λ_g ‖W_g‖² over the output channels g of the layers that match, where λ_g grows by up to δ an epoch, the
    /// faster the less the channel matters (Wang et al. 2021). The layer that makes the logits is left out.
    Growing {
        /// A layer's name, in which `*` stands for anything.
        layer: String,
        /// δ.
        delta: f64,
    },
}

impl Penalty {
    /// The layers it looks at, as a pattern.
    pub fn layer(&self) -> &str {
        match self {
            Penalty::L1 { layer, .. }
            | Penalty::ActivationL1 { layer, .. }
            | Penalty::BnL1 { layer, .. }
            | Penalty::GroupLasso { layer, .. }
            | Penalty::SparseGroupLasso { layer, .. }
            | Penalty::Polarization { layer, .. }
            | Penalty::Growing { layer, .. } => layer,
        }
    }
}

/// Which epoch's weights are the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    /// The last one's.
    Last,
    /// Those of the epoch with the highest accuracy on the validation split; the earliest of equals.
    Best,
}

/// Stops when the validation accuracy has not risen for `patience` epochs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EarlyStop {
    /// Epochs without a rise.
    pub patience: u64,
    /// How much counts as a rise, as a share of 1.
    pub minimum_gain: f64,
}

/// Pruning every so many epochs of a training stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PeriodicPruning {
    /// After every so many epochs.
    pub every: u64,
    /// How.
    pub method: Method,
    /// How the sparsity rises; all at once when absent.
    pub schedule: Option<SparsitySchedule>,
}

/// The course of a sparsity over epochs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum SparsitySchedule {
    /// s_t = s_f + (s_i − s_f) (1 − (t − begin) / (end − begin))³ after t epochs (Zhu & Gupta 2017).
    Agp {
        /// s_i.
        initial: f64,
        /// Epochs before the first pruning.
        begin: u64,
        /// Epochs after which the whole sparsity is reached.
        end: u64,
    },
}

impl PeriodicPruning {
    /// How much of its whole sparsity the method is to reach after so many epochs; `None` when nothing is pruned then.
    pub fn share_after(&self, epochs: u64) -> Option<f64> {
        if self.method.is_dynamic() || !epochs.is_multiple_of(self.every) {
            return None;
        }
        let (Some(SparsitySchedule::Agp { initial, begin, end }), Some(target)) =
            (&self.schedule, self.method.target())
        else {
            return self.method.share_after(epochs / self.every);
        };
        if epochs >= *end || target.sparsity <= 0.0 {
            return Some(1.0);
        }
        let way = epochs.checked_sub(*begin)? as f64 / (end - begin) as f64;
        let sparsity = target.sparsity + (initial - target.sparsity) * (1.0 - way).powi(3);
        (sparsity > 0.0).then(|| sparsity / target.sparsity)
    }

    /// The first epoch after which the network has its whole sparsity, or the last of the steps in which channels go; 0
    /// where nothing is aimed at.
    pub fn complete_after(&self) -> u64 {
        match (&self.schedule, &self.method) {
            (Some(SparsitySchedule::Agp { end, .. }), _) => end.next_multiple_of(self.every),
            (None, Method::Channels { steps, .. }) => steps.saturating_mul(self.every),
            (None, Method::Weights { .. }) => self.every,
            (None, _) => 0,
        }
    }
}
