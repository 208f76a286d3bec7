//! The parameters that a graph has, in their fixed order, and what the network costs.

use super::graph::{Graph, Op};
use super::shapes::Shape;

/// What a tensor is for, and thereby how it is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Of a convolution (O, I / groups, Kh, Kw) or linear layer (O, I).
    Weight,
    /// Of a convolution or linear layer (O).
    Bias,
    /// Scale of a normalization (C).
    NormWeight,
    /// Shift of a normalization (C).
    NormBias,
    /// Running mean of a normalization (C); not trained.
    RunningMean,
    /// Running variance of a normalization (C); not trained.
    RunningVariance,
}

impl Role {
    /// Whether an optimizer changes it.
    pub fn trainable(self) -> bool {
        !matches!(self, Role::RunningMean | Role::RunningVariance)
    }
}

/// A tensor that a graph needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSpec {
    /// The layer's name, a dot, and PyTorch's name of the tensor.
    pub name: String,
    /// PyTorch's dimensions.
    pub dims: Vec<usize>,
    /// What it is for.
    pub role: Role,
}

impl Op {
    /// The tensors of the operation: PyTorch's name, dimensions, role.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, Vec<usize>, Role)> {
        let with_bias = |weight: Vec<usize>, bias: bool| {
            let outputs = weight[0];
            let mut tensors = vec![("weight", weight, Role::Weight)];
            if bias {
                tensors.push(("bias", vec![outputs], Role::Bias));
            }
            tensors
        };
        match *self {
            Op::Convolution { in_channels, out_channels, kernel: [height, width], groups, bias, .. } => {
                with_bias(vec![out_channels, in_channels / groups.max(1), height, width], bias)
            }
            Op::Linear { in_features, out_features, bias } => with_bias(vec![out_features, in_features], bias),
            Op::BatchNorm { channels, .. } => [
                ("weight", Role::NormWeight),
                ("bias", Role::NormBias),
                ("running_mean", Role::RunningMean),
                ("running_var", Role::RunningVariance),
            ]
            .map(|(name, role)| (name, vec![channels], role))
            .to_vec(),
            _ => Vec::new(),
        }
    }
}

impl Graph {
    /// Every tensor the graph needs: layers in order; weight, bias, running mean, running variance within a layer.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        let of_layer = |layer: &super::Layer| {
            let name = layer.name.clone();
            let tensors = layer.op.parameters().into_iter();
            tensors.map(move |(tensor, dims, role)| ParameterSpec { name: format!("{name}.{tensor}"), dims, role })
        };
        self.layers.iter().flat_map(of_layer).collect()
    }

    /// How many numbers training sets: weights and biases, without running statistics.
    pub fn parameter_count(&self) -> u64 {
        let trainable = self.parameters().into_iter().filter(|spec| spec.role.trainable());
        trainable.map(|spec| product(&spec.dims)).fold(0, u64::saturating_add)
    }

    /// Multiplications with accumulation for one image, in convolutions and linear layers. 0 for a graph that
    /// [`Graph::shapes`] refuses.
    pub fn macs(&self) -> u64 {
        let shapes = self.shapes().unwrap_or_default();
        let costs = self.layers.iter().zip(&shapes).map(|(layer, shape)| match (&layer.op, shape) {
            (Op::Convolution { in_channels, out_channels, kernel, groups, .. }, Shape::Map { height, width, .. }) => {
                product(&[in_channels / groups, *out_channels, kernel[0], kernel[1], *height, *width])
            }
            (Op::Linear { in_features, out_features, .. }, _) => product(&[*in_features, *out_features]),
            _ => 0,
        });
        costs.fold(0, u64::saturating_add)
    }
}

fn product(dims: &[usize]) -> u64 {
    dims.iter().fold(1, |product: u64, dim| product.saturating_mul(*dim as u64))
}
