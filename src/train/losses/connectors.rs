//! Small layers between a student's feature and its teacher's. They are trained beside the student, by the same optimizer and
//! at the same rate, are part of its checkpoints, and are dropped when training is over.
//!
//! - fitnet: `r`, a 1x1 convolution with bias from the student's channels to the teacher's
//! - vid: `μ`, three 1x1 convolutions without bias with ReLUs between them, and a scale a channel, which is at first such that
//!   the variance is 5
//!
//! Convolutions begin uniform within `±1 / √fan-in`, each from a generator of its own.

use rand::RngExt;

use super::features::Pair;
use crate::error::{Error, Kind, Result};
use crate::math;
use crate::network::{HostTensor, Parameter, ParameterSpec, Role};
use crate::tensor::geometry::{Convolution, Window};
use crate::tensor::ops::variational::EPSILON;
use crate::tensor::{Backend, Flat, Gradients, Tape};
use crate::train::optimizer::{self, State, Tensors};
use crate::train::parameters::{Loss, Optimizer};

/// The variance that vid begins with.
const FIRST_VARIANCE: f64 = 5.0;

/// The parameters of the connector of one pair of the loss at `index`; empty for losses that need none. No layer's name has a
/// slash.
pub fn specs(loss: &Loss, index: usize, pair: usize, between: &Pair) -> Vec<ParameterSpec> {
    let (student, teacher) = (between.student.channels, between.teacher.channels);
    let spec = |name: &str, dims: &[usize], role| ParameterSpec {
        name: format!("losses/{index}/{pair}/{name}"),
        dims: dims.to_vec(),
        role,
    };
    match loss {
        Loss::Fitnet { .. } => {
            vec![spec("weight", &[teacher, student, 1, 1], Role::Weight), spec("bias", &[teacher], Role::Bias)]
        }
        Loss::Vid { .. } => vec![
            spec("0.weight", &[teacher, student, 1, 1], Role::Weight),
            spec("1.weight", &[teacher, teacher, 1, 1], Role::Weight),
            spec("2.weight", &[teacher, teacher, 1, 1], Role::Weight),
            // As a bias it decays only if all parameters do.
            spec("scale", &[teacher], Role::Bias),
        ],
        _ => Vec::new(),
    }
}

/// Fitnet's r: the student's feature in the teacher's channels.
///
/// # Errors
/// When the device fails.
pub fn regress<B: Backend, T: Tape<f32, B>>(
    student: &Flat<B>,
    pair: &Pair,
    parameters: &[Parameter<B>],
    batch: usize,
    tape: &mut T,
) -> Result<Flat<B>> {
    let [weight, bias] = parameters else { return Err(missing()) };
    point_wise(student, weight, Some(bias), pair, batch, tape)
}

/// Vid's μ of the student's feature, and the scale.
///
/// # Errors
/// When the device fails.
pub fn predict<'p, B: Backend, T: Tape<f32, B>>(
    student: &Flat<B>,
    pair: &Pair,
    parameters: &'p [Parameter<B>],
    batch: usize,
    tape: &mut T,
) -> Result<(Flat<B>, &'p Flat<B>)> {
    let [first, second, third, scale] = parameters else { return Err(missing()) };
    let mut x = B::relu(&point_wise(student, first, None, pair, batch, tape)?, tape)?;
    x = B::relu(&point_wise(&x, second, None, pair, batch, tape)?, tape)?;
    Ok((point_wise(&x, third, None, pair, batch, tape)?, &scale.tensor))
}

fn missing() -> Error {
    Error::new(Kind::Internal, "a connector has not its parameters")
}

fn point_wise<B: Backend, T: Tape<f32, B>>(
    x: &Flat<B>,
    weight: &Parameter<B>,
    bias: Option<&Parameter<B>>,
    pair: &Pair,
    batch: usize,
    tape: &mut T,
) -> Result<Flat<B>> {
    let window = Window { kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] };
    let (out_channels, in_channels) = (weight.dims[0], weight.dims[1]);
    let geometry = Convolution { batch, input: pair.student.output, in_channels, out_channels, window, groups: 1 };
    B::convolution(x, &weight.tensor, bias.map(|bias| &bias.tensor), &geometry, true, tape)
}

/// All connectors of a training stage with the optimizer's state of them; mostly none.
pub struct Connectors<B: Backend> {
    parameters: Vec<Parameter<B>>,
    optimizer: State<B>,
}

impl<B: Backend> Connectors<B> {
    /// Fresh ones, a pure function of `specs` and `seed`.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn new(specs: &[ParameterSpec], optimizer: &Optimizer, seed: u64, device: &B) -> Result<Self> {
        let fresh = specs.iter().map(|spec| (spec.name.clone(), fresh(spec, specs, seed)));
        let parameters = upload(specs, &fresh.collect(), device)?;
        let optimizer = State::new(optimizer, &parameters, device)?;
        Ok(Self { parameters, optimizer })
    }

    /// Takes them from a checkpoint's tensors.
    ///
    /// # Errors
    /// When a tensor is missing or has other dimensions, and when the device has no room.
    pub fn restore(
        specs: &[ParameterSpec],
        optimizer: &Optimizer,
        device: &B,
        steps: u64,
        tensors: &Tensors,
    ) -> Result<Self> {
        let parameters = upload(specs, tensors, device)?;
        let optimizer = State::restore(optimizer, &parameters, device, steps, tensors)?;
        Ok(Self { parameters, optimizer })
    }

    /// The parameters and the optimizer's state, by name.
    pub fn save(&self, optimizer: &Optimizer) -> Tensors {
        let mut tensors = self.optimizer.save(optimizer, &self.parameters);
        let host = |p: &Parameter<B>| HostTensor { dims: p.dims.clone(), data: B::download(&p.tensor) };
        tensors.extend(self.parameters.iter().map(|parameter| (parameter.name.clone(), host(parameter))));
        tensors
    }

    /// The parameters, in the order of the specs.
    pub fn parameters(&self) -> &[Parameter<B>] {
        &self.parameters
    }

    /// One step of the optimizer.
    ///
    /// # Errors
    /// When the device fails.
    pub fn step(&mut self, optimizer: &Optimizer, lr: f64, gradients: &mut Gradients<f32, B>) -> Result<()> {
        self.optimizer.step(optimizer, lr, &mut self.parameters, gradients)
    }

    /// Fails with `Kind::Diverged` if a value is NaN or infinite.
    ///
    /// # Errors
    /// Names the parameter.
    pub fn check_finite(&self) -> Result<()> {
        for parameter in &self.parameters {
            if B::download(&parameter.tensor).iter().any(|value| !value.is_finite()) {
                return Err(Error::new(Kind::Diverged, format!("the connector `{}` is not finite", parameter.name)));
            }
        }
        self.optimizer.check_finite(&self.parameters)
    }
}

#[cfg(test)]
impl<B: Backend> Connectors<B> {
    /// Sets the values of one parameter.
    pub(super) fn overwrite(&mut self, parameter: usize, values: &[f32]) {
        B::overwrite(&mut self.parameters[parameter].tensor, values).unwrap();
    }
}

/// What [`Connectors::save`] gives for these parameters.
pub fn saved_specs(specs: &[ParameterSpec], optimizer: &Optimizer) -> Vec<ParameterSpec> {
    specs.iter().cloned().chain(optimizer::specs(optimizer, specs)).collect()
}

fn fresh(spec: &ParameterSpec, all: &[ParameterSpec], seed: u64) -> HostTensor {
    let count = spec.dims.iter().product();
    let mut random = crate::random::generator(seed, &format!("connector {}", spec.name), 0, 0);
    // A bias has the fan-in of the weight before it.
    let folder = |name: &str| name.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let weight = all.iter().find(|other| other.dims.len() == 4 && folder(&other.name) == folder(&spec.name));
    let fan_in = if spec.dims.len() == 4 { spec.dims[1] } else { weight.map_or(1, |weight| weight.dims[1]) };
    let bound = 1.0 / (fan_in as f32).sqrt();
    let data = if spec.name.ends_with("/scale") {
        vec![math::ln(math::exp(FIRST_VARIANCE - EPSILON) - 1.0) as f32; count]
    } else {
        (0..count).map(|_| random.random_range(-bound..bound)).collect()
    };
    HostTensor { dims: spec.dims.clone(), data }
}

fn upload<B: Backend>(specs: &[ParameterSpec], tensors: &Tensors, device: &B) -> Result<Vec<Parameter<B>>> {
    let parameter = |spec: &ParameterSpec| {
        let tensor = tensors.get(&spec.name).filter(|tensor| tensor.dims == spec.dims).ok_or_else(missing)?;
        let ParameterSpec { name, dims, role } = spec.clone();
        Ok(Parameter { name, role, dims, tensor: device.upload(&tensor.data)?, mask: None })
    };
    specs.iter().map(parameter).collect()
}
