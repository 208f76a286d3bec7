//! What every CPU kernel does around its mathematics: read tensors, make one, record the way back; and, for every device,
//! the check of a tensor's length.

use dfdx::prelude::{HasShape, Shape, Tensor, TensorFromVec};
use dfdx::tensor::CpuError;

use super::backend::length;
use super::{Backend, Cpu, Flat, Tape};
use crate::error::{Error, Kind, Result};
use crate::store::fault;

/// A copy of a tensor's values; dfdx lends no others.
pub(super) fn values(tensor: &Flat<Cpu>) -> Vec<f32> {
    let mut values = vec![0.0; length(tensor)];
    tensor.copy_into(&mut values);
    values
}

/// A tensor that takes over `values` without a copy.
pub(super) fn tensor(device: &Cpu, values: Vec<f32>) -> Result<Flat<Cpu>> {
    if fault::is_full() {
        return Err(Cpu::error(CpuError::OutOfMemory));
    }
    let shape = (values.len(),);
    device.try_tensor_from_vec(values, shape).map_err(Cpu::error)
}

/// Fails unless `tensor` has `expected` values, where `expected` is a product of the sizes given.
pub(crate) fn expect_length<B: Backend>(what: &str, tensor: &Flat<B>, expected: &[usize]) -> Result<()> {
    let product = expected.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    if product == Some(length(tensor)) && product != Some(0) {
        return Ok(());
    }
    let message = format!("{what} has {} values where {expected:?} were expected", length(tensor));
    Err(Error::new(Kind::Internal, message))
}

/// Records that `output` was computed from `inputs`.
///
/// When the tape runs backwards, `backward` is given the gradient of `output` and, for each input, the gradient that
/// it must add to; for an input that is `None` that is an empty slice. The same tensor may be given more than once.
pub(super) fn record<const N: usize, T: Tape<f32, Cpu>>(
    tape: &mut T,
    inputs: [Option<&Flat<Cpu>>; N],
    output: &Tensor<impl Shape, f32, Cpu>,
    backward: impl FnOnce(Vec<f32>, [&mut [f32]; N]) + 'static,
) {
    record_all(tape, &inputs, output, move |output_gradient, mut gradients| {
        let mut slices = gradients.iter_mut().map(Vec::as_mut_slice);
        backward(output_gradient, std::array::from_fn(|_| slices.next().unwrap_or_default()));
        gradients
    });
}

/// As [`record`], for a number of inputs that is not known beforehand; `backward` hands the gradients back.
pub(super) fn record_all<T: Tape<f32, Cpu>>(
    tape: &mut T,
    inputs: &[Option<&Flat<Cpu>>],
    output: &Tensor<impl Shape, f32, Cpu>,
    backward: impl FnOnce(Vec<f32>, Vec<Vec<f32>>) -> Vec<Vec<f32>> + 'static,
) {
    if !T::OWNS_TAPE {
        return;
    }
    let output = output.ghost();
    let inputs: Vec<_> = inputs.iter().map(|input| input.map(|tensor| tensor.ghost())).collect();
    tape.add_backward_op(move |gradients| {
        // dfdx lends one gradient at a time, so each is moved out of its slot and moved back after. That of the
        // output is not needed again: everything that read the output has already added to it.
        let output_gradient = std::mem::take(&mut **gradients.get_or_alloc_mut(&output)?);
        let mut taken = Vec::with_capacity(inputs.len());
        for input in &inputs {
            let Some(input) = input else {
                taken.push(Vec::new());
                continue;
            };
            let mut values = std::mem::take(&mut **gradients.get_or_alloc_mut(input)?);
            if values.is_empty() {
                // The same tensor came earlier in the list and its gradient is out already.
                values = vec![0.0; input.shape().num_elements()];
            }
            taken.push(values);
        }
        for (input, values) in inputs.iter().zip(backward(output_gradient, taken)) {
            let Some(input) = input else { continue };
            let slot: &mut Vec<f32> = gradients.get_or_alloc_mut(input)?;
            if slot.is_empty() {
                *slot = values;
            } else {
                super::partition::add(slot, &values);
            }
        }
        Ok(())
    });
}

/// A loss of `value`, where `gradients` are those of the inputs for an outgoing gradient of 1.
pub(super) fn loss<const N: usize, T: Tape<f32, Cpu>>(
    inputs: [&Flat<Cpu>; N],
    value: f64,
    gradients: [Vec<f32>; N],
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let loss = tensor(&inputs[0].device().clone(), vec![value as f32])?;
    record(tape, inputs.map(Some), &loss, move |dloss, totals| {
        for (total, gradient) in totals.into_iter().zip(gradients) {
            total.iter_mut().zip(gradient).for_each(|(total, gradient)| *total += dloss[0] * gradient);
        }
    });
    Ok(loss)
}
