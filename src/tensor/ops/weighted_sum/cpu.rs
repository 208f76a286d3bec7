//! The sum of losses on the processor.

use dfdx::prelude::{PutTape, TensorFromVec};

use crate::error::Result;
use crate::tensor::recording::{expect_length, record_all, values};
use crate::tensor::{Backend, Cpu, Flat, Scalar, Tape};

pub(crate) fn weighted_sum<T: Tape<f32, Cpu>>(
    device: &Cpu,
    terms: &[(f32, Flat<Cpu>)],
    mut tape: T,
) -> Result<Scalar<Cpu, T>> {
    let mut sum = 0.0;
    for (weight, term) in terms {
        expect_length("a term of a loss", term, &[1])?;
        sum += f64::from(*weight) * f64::from(values(term)[0]);
    }
    let loss = device.try_tensor_from_vec(vec![sum as f32], ()).map_err(Cpu::error)?;
    let weights: Vec<f32> = terms.iter().map(|(weight, _)| *weight).collect();
    let inputs: Vec<_> = terms.iter().map(|(_, term)| Some(term)).collect();
    record_all(&mut tape, &inputs, &loss, move |dloss, mut gradients| {
        for (gradient, weight) in gradients.iter_mut().zip(weights) {
            gradient[0] += weight * dloss[0];
        }
        gradients
    });
    Ok(loss.put_tape(tape))
}
