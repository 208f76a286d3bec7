//! Sums over rows, on CUDA.

use dfdx::tensor::Cuda;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{Pointer, THREADS, blocks, launch};
use crate::tensor::cuda::recording::{device, expect_length, pointer, record};
use crate::tensor::cuda::sums::{Doubles, row_blocks};
use crate::tensor::{Backend, Flat, Tape};

pub(crate) fn row_norm_sum<T: Tape<f32, Cuda>>(
    x: &Flat<Cuda>,
    rows: usize,
    scale: f32,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let (norms, columns) = norms(x, rows, None)?;
    let scale = f64::from(scale);
    let loss = norms.sum(scale)?;
    let kept = x.clone();
    record(tape, [Some(x)], &loss, move |dloss, [dx]| {
        let (count, x, norms) = (length(&kept), pointer(&kept)?, norms.pointer()?);
        launch!("rows_norm_backward", blocks(count), THREADS, x, norms, count as i64, columns, scale, dloss, dx)
    });
    Ok(loss)
}

pub(crate) fn row_square_sum<T: Tape<f32, Cuda>>(
    x: &Flat<Cuda>,
    strengths: &[f32],
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let (rows, strengths) = (strengths.len(), device(x).upload(strengths)?);
    let (terms, columns) = norms(x, rows, Some(&strengths))?;
    let loss = terms.sum(1.0)?;
    let kept = x.clone();
    record(tape, [Some(x)], &loss, move |dloss, [dx]| {
        let (count, x, strengths) = (length(&kept), pointer(&kept)?, pointer(&strengths)?);
        launch!("rows_square_backward", blocks(count), THREADS, x, strengths, count as i64, columns, dloss, dx)
    });
    Ok(loss)
}

pub(crate) fn shrink_rows(x: &mut Flat<Cuda>, rows: usize, threshold: f32) -> Result<()> {
    let (norms, columns) = norms(x, rows, None)?;
    let (count, x, norms) = (length(x), pointer(x)?, norms.pointer()?);
    launch!("rows_shrink", blocks(count), THREADS, x, norms, count as i64, columns, threshold)
}

/// The norm of each row or, with strengths, its term of a sum of squares; and how many columns there are.
fn norms(x: &Flat<Cuda>, rows: usize, strengths: Option<&Flat<Cuda>>) -> Result<(Doubles, i64)> {
    let columns = length(x) / rows.max(1);
    expect_length("a tensor that is summed by rows", x, &[rows, columns])?;
    let norms = Doubles::new(&device(x), rows)?;
    let (from, to, strengths) = (pointer(x)?, norms.pointer()?, strengths.map_or(Ok(Pointer::NONE), pointer)?);
    launch!("rows_norms", row_blocks(rows), THREADS, from, rows as i64, columns as i64, strengths, to)?;
    Ok((norms, columns as i64))
}
