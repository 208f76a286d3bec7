//! The products of every two rows, on CUDA.

use dfdx::tensor::Cuda;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{THREADS, blocks, launch};
use crate::tensor::cuda::recording::{device, pointer, record};
use crate::tensor::cuda::sums::{Doubles, TILE};
use crate::tensor::{Flat, Tape};

/// The columns that one block sums over, at least.
const SHARE: usize = 1024;
/// How many blocks are enough.
const BLOCKS: usize = 1024;

/// `G_ij = x_i · x_j` of the rows of `x` (rows, anything), as (rows, rows); exactly symmetric.
pub(crate) fn gram(x: &Flat<Cuda>, rows: usize) -> Result<Doubles> {
    let (device, columns) = (device(x), length(x) / rows);
    let tiles = rows.div_ceil(TILE);
    let parts = columns.div_ceil(SHARE).min(BLOCKS / (tiles * tiles)).max(1);
    let (sums, gram) = (Doubles::new(&device, parts * rows * rows)?, Doubles::new(&device, rows * rows)?);
    let grid = [tiles as u32, tiles as u32, parts as u32];
    let (from, to, share) = (pointer(x)?, sums.pointer()?, columns.div_ceil(parts) as i64);
    launch!("gram_parts", grid, THREADS, from, rows as i64, columns as i64, share, to)?;
    let (from, to, count) = (to, gram.pointer()?, rows * rows);
    launch!("gram_sum", blocks(count), THREADS, from, count as i64, parts as i64, to)?;
    Ok(gram)
}

/// Records that `loss` comes from `x` by its [`gram`], of which the gradient is `dgram`.
pub(crate) fn record_gradient<T: Tape<f32, Cuda>>(
    x: &Flat<Cuda>,
    dgram: &Doubles,
    rows: usize,
    loss: &Flat<Cuda>,
    tape: &mut T,
) -> Result<()> {
    if !T::OWNS_TAPE {
        return Ok(());
    }
    let (columns, both) = (length(x) / rows, Doubles::new(&device(x), rows * rows)?);
    let (from, to) = (dgram.pointer()?, both.pointer()?);
    launch!("gram_symmetric", blocks(rows * rows), THREADS, from, rows as i64, to)?;
    let kept = x.clone();
    record(tape, [Some(x)], loss, move |dloss, [dx]| {
        let (both, x) = (both.pointer()?, pointer(&kept)?);
        let grid = [columns.div_ceil(TILE) as u32, rows.div_ceil(TILE) as u32];
        launch!("gram_backward", grid, THREADS, both, x, rows as i64, columns as i64, dloss, dx)
    });
    Ok(())
}
