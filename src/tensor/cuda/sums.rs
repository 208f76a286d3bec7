//! What losses share: sums in double precision, made in two stages, and the way back through a gradient that is kept.

use dfdx::tensor::Cuda;

use super::launch::{Pointer, THREADS, blocks, launch};
use super::recording::{device, pointer, record, zeros};
use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::{Flat, Tape};

/// Into at most how many parts a sum is cut.
const PARTS: usize = 512;

/// Rows and columns of a product of matrices that a block makes; the same number is in `products.h`.
pub(crate) const TILE: usize = 16;

/// Into how many parts a sum over `count` values is cut, a block each: by the size alone, so that the order of the sum
/// does not depend on the GPU.
pub(crate) fn parts(count: usize) -> u32 {
    count.div_ceil(8 * THREADS as usize).clamp(1, PARTS) as u32
}

/// How many blocks take `count` rows, each one after another.
pub(crate) fn row_blocks(count: usize) -> u32 {
    count.clamp(1, 1 << 20) as u32
}

/// Numbers of double precision on the device, zeros at first.
pub(crate) struct Doubles {
    // Twice as many f32, of which dfdx has memory; its allocations are aligned for any type.
    memory: Flat<Cuda>,
    count: usize,
}

impl Doubles {
    /// `count` zeros.
    pub(crate) fn new(device: &Cuda, count: usize) -> Result<Self> {
        Ok(Self { memory: zeros(device, 2 * count)?, count })
    }

    /// Where they are.
    pub(crate) fn pointer(&self) -> Result<Pointer> {
        pointer(&self.memory)
    }

    /// Where the number at `index` is.
    pub(crate) fn at(&self, index: usize) -> Result<Pointer> {
        Ok(self.pointer()?.plus(2 * index))
    }

    /// `scale` times their sum, rounded once, as a tensor of one.
    pub(crate) fn sum(&self, scale: f64) -> Result<Flat<Cuda>> {
        let sum = zeros(&device(&self.memory), 1)?;
        let (values, to) = (self.pointer()?, pointer(&sum)?);
        launch!("sum_doubles", 1_u32, THREADS, values, self.count as i64, scale, Pointer::NONE, to)?;
        Ok(sum)
    }

    /// `scale` times their sum, in double precision.
    pub(crate) fn precise_sum(&self, scale: f64) -> Result<Self> {
        let sum = Self::new(&device(&self.memory), 1)?;
        let (values, to) = (self.pointer()?, sum.pointer()?);
        launch!("sum_doubles", 1_u32, THREADS, values, self.count as i64, scale, to, Pointer::NONE)?;
        Ok(sum)
    }

    /// The first of them, on the host: waits for the device.
    pub(crate) fn read(&self) -> f64 {
        let halves = self.memory.as_vec();
        f64::from_bits(u64::from(halves[1].to_bits()) << 32 | u64::from(halves[0].to_bits()))
    }
}

/// Class numbers as an upload holds them: their bits.
pub(crate) fn label_bits(labels: &[u32]) -> impl Iterator<Item = f32> {
    labels.iter().map(|label| f32::from_bits(*label))
}

/// A loss `scale · Σ` of `count` numbers. `kernel` is told where to write those, and where the gradient of `x` for an outgoing
/// gradient of 1, which is nowhere if nothing is recorded.
pub(crate) fn loss<T: Tape<f32, Cuda>>(
    x: &Flat<Cuda>,
    count: usize,
    scale: f64,
    tape: &mut T,
    kernel: impl FnOnce(&Doubles, Pointer) -> Result<()>,
) -> Result<Flat<Cuda>> {
    let device = device(x);
    let numbers = Doubles::new(&device, count)?;
    let gradient = if T::OWNS_TAPE { Some(zeros(&device, length(x))?) } else { None };
    kernel(&numbers, gradient.as_ref().map_or(Ok(Pointer::NONE), pointer)?)?;
    let loss = numbers.sum(scale)?;
    if let Some(gradient) = gradient {
        record(tape, [Some(x)], &loss, move |dloss, [dx]| add_scaled(dx, dloss, &gradient));
    }
    Ok(loss)
}

/// `to += factor · values`, where `factor` points to one number.
pub(crate) fn add_scaled(to: Pointer, factor: Pointer, values: &Flat<Cuda>) -> Result<()> {
    let count = length(values);
    launch!("add_scaled", blocks(count), THREADS, to, factor, pointer(values)?, count as i64)
}
