//! On CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::geometry::ChannelPadding;
use crate::tensor::{Flat, Tape};

pub(crate) fn pad_shortcut<T: Tape<f32, Cuda>>(
    x: &Flat<Cuda>,
    geometry: &ChannelPadding,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let _ = (x, geometry, tape);
    Err(Error::new(Kind::Internal, "not there yet"))
}
