//! What a manifest says about training, after defaults. Serialised as they are into keys: a field added here is a field
//! of every training stage's key.

use serde::{Deserialize, Serialize};

use crate::data::Augmentation;
use crate::prune::Method;

/// Everything that decides a training run besides its network, its data and its inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Training {
    /// Passes over the training split.
    pub epochs: u64,
    /// Images in a step.
    pub batch: u64,
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

/// A term of the loss over the network's output.
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
    },
}

impl Loss {
    /// Whether the term needs a teacher's logits.
    pub fn needs_teacher(&self) -> bool {
        matches!(self, Loss::Kd { .. })
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
}

impl Penalty {
    /// The layers it looks at, as a pattern.
    pub fn layer(&self) -> &str {
        match self {
            Penalty::L1 { layer, .. } | Penalty::ActivationL1 { layer, .. } => layer,
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

    /// The first epoch after which the whole sparsity is reached; 0 without a schedule.
    pub fn complete_after(&self) -> u64 {
        match self.schedule {
            Some(SparsitySchedule::Agp { end, .. }) => end.next_multiple_of(self.every),
            None => 0,
        }
    }
}
