//! The optimizer's state, one set of tensors a parameter, in a form that is saved and loaded bit for bit.

use std::collections::BTreeMap;

use super::parameters::Optimizer;
use crate::error::{Error, Kind, Result};
use crate::network::{HostTensor, Parameter, ParameterSpec, Role};
use crate::tensor::ops::optimizer::{AdamStep, AdamUpdate, SgdStep, SgdUpdate};
use crate::tensor::{Backend, Flat, Gradients};

/// Host tensors by name, as a checkpoint keeps them.
pub type Tensors = BTreeMap<String, HostTensor>;

/// State of an optimizer: velocity for SGD, two moments for Adam.
pub struct State<B: Backend> {
    /// Steps done.
    pub steps: u64,
    /// By the parameter's index; empty for parameters that are not trained.
    slots: Vec<Vec<Flat<B>>>,
}

fn slot_names(optimizer: &Optimizer) -> &'static [&'static str] {
    match optimizer {
        Optimizer::Sgd { .. } => &["velocity"],
        Optimizer::Adam { .. } | Optimizer::Adamw { .. } => &["mean", "variance"],
    }
}

/// The tensors that the state of `optimizer` has for a network with these parameters, as [`State::save`] names them.
pub fn specs(optimizer: &Optimizer, parameters: &[ParameterSpec]) -> Vec<ParameterSpec> {
    let slots = |spec: &ParameterSpec| {
        let (dims, role, name) = (spec.dims.clone(), spec.role, spec.name.clone());
        let named = move |slot: &&str| ParameterSpec { name: format!("{slot}/{name}"), dims: dims.clone(), role };
        slot_names(optimizer).iter().map(named).collect::<Vec<_>>()
    };
    parameters.iter().filter(|spec| spec.role.trainable()).flat_map(slots).collect()
}

impl<B: Backend> State<B> {
    /// All zeros, for these parameters; all other methods are to be given the same ones.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn new(optimizer: &Optimizer, parameters: &[Parameter<B>], device: &B) -> Result<Self> {
        let mut slots = Vec::new();
        for spec in parameters {
            let count = if spec.role.trainable() { slot_names(optimizer).len() } else { 0 };
            let zeros = vec![0.0; spec.dims.iter().product()];
            slots.push((0..count).map(|_| device.upload(&zeros)).collect::<Result<Vec<_>>>()?);
        }
        Ok(Self { steps: 0, slots })
    }

    /// Takes the state from a checkpoint's tensors.
    ///
    /// # Errors
    /// When a tensor is missing or has the wrong size, and when the device has no room.
    pub fn restore(
        optimizer: &Optimizer,
        parameters: &[Parameter<B>],
        device: &B,
        steps: u64,
        tensors: &Tensors,
    ) -> Result<Self> {
        let mut state = Self::new(optimizer, parameters, device)?;
        for (spec, slots) in parameters.iter().zip(&mut state.slots) {
            for (name, slot) in slot_names(optimizer).iter().zip(slots) {
                let key = format!("{name}/{}", spec.name);
                match tensors.get(&key) {
                    Some(tensor) if tensor.dims == spec.dims => B::overwrite(slot, &tensor.data)?,
                    _ => return Err(Error::new(Kind::Internal, format!("a checkpoint has no `{key}` that fits"))),
                }
            }
        }
        state.steps = steps;
        Ok(state)
    }

    /// The state as host tensors named `velocity/PARAMETER` and so on, with the parameters' dimensions.
    pub fn save(&self, optimizer: &Optimizer, parameters: &[Parameter<B>]) -> Tensors {
        let mut tensors = Tensors::new();
        for (spec, slots) in parameters.iter().zip(&self.slots) {
            for (name, slot) in slot_names(optimizer).iter().zip(slots) {
                let tensor = HostTensor { dims: spec.dims.clone(), data: B::download(slot) };
                tensors.insert(format!("{name}/{}", spec.name), tensor);
            }
        }
        tensors
    }

    /// Starts anew for the values of one parameter, by its index, where `stays` is 0; it is 1 elsewhere.
    ///
    /// # Errors
    /// When the device fails.
    pub fn forget(&mut self, parameter: usize, stays: &[f32]) -> Result<()> {
        for slot in &mut self.slots[parameter] {
            let mut values = B::download(slot);
            values.iter_mut().zip(stays).filter(|(_, stays)| **stays == 0.0).for_each(|(value, _)| *value = 0.0);
            B::overwrite(slot, &values)?;
        }
        Ok(())
    }

    /// Fails with `Kind::Diverged` if a value is NaN or infinite: a moment overflows before a weight does.
    ///
    /// # Errors
    /// Names the parameter.
    pub fn check_finite(&self, parameters: &[Parameter<B>]) -> Result<()> {
        for (parameter, slots) in parameters.iter().zip(&self.slots) {
            if slots.iter().any(|slot| B::download(slot).iter().any(|value| !value.is_finite())) {
                let message = format!("the optimizer's state of `{}` is not finite", parameter.name);
                return Err(Error::new(Kind::Diverged, message));
            }
        }
        Ok(())
    }

    /// One step over all trained parameters with learning rate `lr`. Norms and biases do not decay unless asked.
    ///
    /// # Errors
    /// When the device fails.
    pub fn step(
        &mut self,
        optimizer: &Optimizer,
        lr: f64,
        parameters: &mut [Parameter<B>],
        gradients: &mut Gradients<f32, B>,
    ) -> Result<()> {
        self.steps += 1;
        let (strength, decay_all) = optimizer.decay();
        let (mut by_sgd, mut by_adam) = (Vec::new(), Vec::new());
        for (parameter, slots) in parameters.iter_mut().zip(&mut self.slots) {
            if !parameter.role.trainable() {
                continue;
            }
            let decay = if decay_all || parameter.role == Role::Weight { strength } else { 0.0 };
            let parameter = &mut parameter.tensor;
            match (optimizer, &mut slots[..]) {
                (Optimizer::Sgd { momentum, nesterov, .. }, [velocity]) => {
                    let step = SgdStep { lr, momentum: *momentum, nesterov: *nesterov, l2: decay };
                    by_sgd.push(SgdUpdate { parameter, velocity, step });
                }
                (
                    Optimizer::Adam { betas, epsilon, .. } | Optimizer::Adamw { betas, epsilon, .. },
                    [mean, variance],
                ) => {
                    let coupled = matches!(optimizer, Optimizer::Adam { .. });
                    let step = AdamStep {
                        step: self.steps,
                        lr,
                        beta1: betas[0],
                        beta2: betas[1],
                        epsilon: *epsilon,
                        l2: if coupled { decay } else { 0.0 },
                        decay: if coupled { 0.0 } else { decay },
                    };
                    by_adam.push(AdamUpdate { parameter, mean, variance, step });
                }
                _ => return Err(Error::new(Kind::Internal, "the optimizer's state does not fit its kind")),
            }
        }
        if !by_sgd.is_empty() {
            B::sgd_steps(&mut by_sgd, gradients)?;
        }
        if !by_adam.is_empty() {
            B::adam_steps(&mut by_adam, gradients)?;
        }
        Ok(())
    }
}
