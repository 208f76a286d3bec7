//! CUDA as a [`Backend`]: dfdx's device, its memory and its tape, with kernels of our own for everything that is computed.
//!
//! - this file: errors on their way through dfdx
//! - `backend`: every method launches the kernels of its operation, which are in `cuda.rs` and `cuda.cu` beside the
//!   operation's mathematics
//! - [`driver`]: the driver's functions, bound when they are needed
//! - [`device`]: which GPUs there are, and opening one
//! - [`launch`]: launching kernels, memory, recorded work
//! - [`recording`]: tensors and the tape
//! - `staging`: from the host to the GPU without waiting
//! - [`single`]: one operation of a network by itself
//! - [`window`]: sizes of windows; `functions.h`: activation functions; `tiles.h`: products of tiles
//! - [`sums`]: sums in double precision, for losses; `rows.h`, `products.h`: what their kernels share
//! - `kernel.h`: what kernels share; `emulator.h`, `emulator.cpp`: the same kernels on the processor, for tests
//!
//! All sums are made in an order that depends on sizes only, so the same work on the same GPU gives the same bits.

mod backend;
pub mod device;
mod driver;
pub(crate) mod launch;
pub(crate) mod recording;
pub(crate) mod single;
mod staging;
pub(crate) mod sums;
#[cfg(all(test, feature = "emulated-cuda"))]
mod tests;
pub(crate) mod window;

use std::cell::RefCell;

use cudarc::driver::{DriverError, sys};
pub use device::{Absent, found, memory, open};
use dfdx::tensor::CudaError;

use crate::error::{Error, Kind};

thread_local! {
    /// What went wrong in a backward step, in our words: dfdx hands on only its own.
    static FAILED: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// An error of ours on its way through dfdx; [`error`] turns it back.
pub(crate) fn dfdx_error(error: Error) -> CudaError {
    FAILED.set(Some(error));
    CudaError::Driver(DriverError(sys::cudaError_enum::CUDA_ERROR_UNKNOWN))
}

/// dfdx's error in pleach's terms.
fn error(error: CudaError) -> Error {
    match error {
        CudaError::Driver(DriverError(status)) => {
            let own = FAILED.take().filter(|_| status == sys::cudaError_enum::CUDA_ERROR_UNKNOWN);
            own.or_else(|| device::check(status).err())
                .unwrap_or_else(|| Error::new(Kind::Internal, "a success of the NVIDIA driver taken for an error"))
        }
        other => Error::new(Kind::Internal, format!("CUDA: {other:?}")),
    }
}
