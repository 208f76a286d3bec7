//! What every CUDA operation does around its kernels: find tensors in memory, make one, record the way back.

use std::fmt::Write;

use cudarc::driver::DevicePtr;
use dfdx::prelude::{Shape, Tensor, ZerosTensor};
use dfdx::tensor::Cuda;

use super::launch::Pointer;
use crate::error::{Error, Kind, Result};
pub(crate) use crate::tensor::recording::expect_length;
use crate::tensor::{Flat, Gradients, Tape};

/// Where a tensor's values are.
///
/// dfdx keeps the address to itself, but shows it to whoever prints a tensor for debugging, right after the tensor's
/// number. Printing stops there, so that it takes less than a microsecond. dfdx and cudarc are pinned to exact versions.
pub(crate) fn pointer<S: Shape>(tensor: &Tensor<S, f32, Cuda>) -> Result<Pointer> {
    let pointer = pointer_to_write(tensor)?;
    super::launch::read(pointer);
    Ok(pointer)
}

/// As [`pointer`], for one who does not read what is there.
pub(crate) fn pointer_to_write<S: Shape>(tensor: &Tensor<S, f32, Cuda>) -> Result<Pointer> {
    const BEFORE: &str = "cu_device_ptr: ";
    struct Search {
        seen: String,
        address: Option<u64>,
    }
    impl Write for Search {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.seen.push_str(text);
            let Some(start) = self.seen.find(BEFORE) else { return Ok(()) };
            let digits = &self.seen[start + BEFORE.len()..];
            match digits.find(|character: char| !character.is_ascii_digit()) {
                Some(end) => {
                    self.address = digits[..end].parse().ok();
                    // Enough was seen.
                    Err(std::fmt::Error)
                }
                None => Ok(()),
            }
        }
    }
    let mut search = Search { seen: String::with_capacity(256), address: None };
    let _ = write!(search, "{tensor:?}");
    search
        .address
        .map(Pointer)
        .ok_or_else(|| Error::new(Kind::Internal, "a tensor of the GPU does not say where it is"))
}

/// A tensor of `count` zeros.
pub(crate) fn zeros(device: &Cuda, count: usize) -> Result<Flat<Cuda>> {
    device.try_zeros_like(&(count,)).map_err(super::error)
}

/// Where the values of a gradient are.
pub(crate) fn place(values: &impl DevicePtr<f32>) -> Pointer {
    Pointer(*values.device_ptr())
}

/// Where the gradient of a tensor is, which is zeros if it had none yet.
pub(crate) fn gradient_of(gradients: &mut Gradients<f32, Cuda>, tensor: &Flat<Cuda>) -> Result<Pointer> {
    let slot = gradients.get_or_alloc_mut(tensor).map_err(super::error)?;
    Ok(place(&*slot))
}

/// Records that `output` was computed from `inputs`.
///
/// When the tape runs backwards, `backward` is given the gradient of `output` and, for each input, the gradient that
/// it must add to; for an input that is `None` that is [`Pointer::NONE`]. The same tensor may be given more than once, so
/// one kernel must not add to two of them.
pub(crate) fn record<const N: usize, T: Tape<f32, Cuda>>(
    tape: &mut T,
    inputs: [Option<&Flat<Cuda>>; N],
    output: &Tensor<impl Shape, f32, Cuda>,
    backward: impl FnOnce(Pointer, [Pointer; N]) -> Result<()> + 'static,
) {
    record_all(tape, &inputs, output, move |output, inputs| {
        backward(output, std::array::from_fn(|place| inputs[place]))
    });
}

/// As [`record`], for a number of inputs that is not known beforehand.
pub(crate) fn record_all<T: Tape<f32, Cuda>>(
    tape: &mut T,
    inputs: &[Option<&Flat<Cuda>>],
    output: &Tensor<impl Shape, f32, Cuda>,
    backward: impl FnOnce(Pointer, &[Pointer]) -> Result<()> + 'static,
) {
    if !T::OWNS_TAPE {
        return;
    }
    let output = output.ghost();
    let inputs: Vec<_> = inputs.iter().map(|input| input.map(|tensor| tensor.ghost())).collect();
    tape.add_backward_op(move |gradients| {
        let output = place(gradients.get_or_alloc_mut(&output)?);
        let mut pointers = Vec::with_capacity(inputs.len());
        for input in &inputs {
            pointers.push(match input {
                Some(input) => place(gradients.get_or_alloc_mut(input)?),
                None => Pointer::NONE,
            });
        }
        backward(output, &pointers).map_err(super::dfdx_error)
    });
}

/// The device of a tensor.
pub(crate) fn device(tensor: &Flat<Cuda>) -> Cuda {
    tensor.device().clone()
}
