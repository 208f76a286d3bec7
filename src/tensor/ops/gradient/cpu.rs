//! Gradients in place, on the processor.

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::partition::add;
use crate::tensor::recording::{expect_length, values};
use crate::tensor::{Backend, Cpu, Flat, Gradients};

/// The gradient of `tensor`, zeros if it has none yet.
pub(crate) fn of<'a>(gradients: &'a mut Gradients<f32, Cpu>, tensor: &Flat<Cpu>) -> Result<&'a mut [f32]> {
    Ok(gradients.get_or_alloc_mut(tensor).map_err(Cpu::error)?)
}

pub(crate) fn add_to_gradient(gradients: &mut Gradients<f32, Cpu>, tensor: &Flat<Cpu>, addition: &[f32]) -> Result<()> {
    expect_length("the tensor whose gradient is added to", tensor, &[addition.len()])?;
    add(of(gradients, tensor)?, addition);
    Ok(())
}

pub(crate) fn scale_gradient(gradients: &mut Gradients<f32, Cpu>, tensor: &Flat<Cpu>, factor: f32) -> Result<()> {
    of(gradients, tensor)?.iter_mut().for_each(|value| *value *= factor);
    Ok(())
}

pub(crate) fn mask_gradient(gradients: &mut Gradients<f32, Cpu>, tensor: &Flat<Cpu>, mask: &Flat<Cpu>) -> Result<()> {
    expect_length("a mask", mask, &[length(tensor)])?;
    of(gradients, tensor)?.iter_mut().zip(values(mask)).for_each(|(value, mask)| *value *= mask);
    Ok(())
}

pub(crate) fn gradients_square_sum(gradients: &mut Gradients<f32, Cpu>, tensors: &[&Flat<Cpu>]) -> Result<f64> {
    let mut sum = 0.0;
    for tensor in tensors {
        sum += of(gradients, tensor)?.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>();
    }
    Ok(sum)
}
