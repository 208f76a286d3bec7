//! Loops for the widest vectors that the processor has, chosen when the program runs.
//!
//! Every loop is written once over [`pulp::Simd`] and compiled for AVX-512, AVX2 with FMA, and whatever else there is. No
//! sum depends on how wide the vectors are: lanes are output channels, and each lane adds its terms in one order. A
//! product and its addition are always one rounding, also where the processor has no instruction for it.
//!
//! - [`slide`]: weighted sums over the taps of a window, for many outputs side by side: the convolution, its gradient of
//!   the input, and the linear layer
//! - [`outer`]: sums of outer products over positions: the gradient of the weights
//! - [`taps`]: the same two for depthwise convolutions
//! - [`moments`]: sums over rows, channel by channel
//! - [`map`]: value by value
//! - [`places`]: where in memory all this happens

pub(crate) mod map;
pub(crate) mod moments;
pub(crate) mod outer;
pub(crate) mod places;
pub(crate) mod slide;
pub(crate) mod taps;

use std::sync::OnceLock;

use pulp::{Arch, Simd, WithSimd};

use crate::error::{Error, Kind, Result};

static ARCH: OnceLock<Arch> = OnceLock::new();

/// Runs `work` compiled for this processor.
pub(crate) fn dispatch<W: WithSimd>(work: W) -> W::Output {
    ARCH.get_or_init(Arch::new).dispatch(work)
}

/// Uses narrower vectors than the processor has, for comparisons: `avx2`, or `scalar` for none. To be called before
/// anything is computed; results are the same bits.
///
/// # Errors
/// When the name is another, the processor has no such vectors, or something has been computed already.
pub fn limit_vectors(name: &str) -> Result<()> {
    let arch = match name {
        "scalar" => Some(Arch::Scalar),
        #[cfg(target_arch = "x86_64")]
        "avx2" => pulp::x86::V3::try_new().map(Arch::V3),
        _ => None,
    };
    let refused = || Error::new(Kind::Usage, format!("there are no `{name}` vectors to be limited to"));
    let error = || refused().hint("`PLEACH_SIMD` can be `avx2` or `scalar`, or be left out");
    arch.filter(|arch| ARCH.set(*arch).is_ok()).map(|_| ()).ok_or_else(error)
}

/// How many `f32` a vector of the processor holds, as far as it is used.
pub fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    dispatch(Lanes)
}

/// `channels` rounded up to whole vectors.
pub(crate) fn padded(channels: usize) -> usize {
    channels.next_multiple_of(lanes())
}

/// As many values as a vector holds, or the first ones if there are fewer, then zeros.
#[inline(always)]
fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values).0.first() {
        Some(vector) => *vector,
        None => simd.partial_load_f32s(values),
    }
}

/// The other way.
#[inline(always)]
fn store<S: Simd>(simd: S, target: &mut [f32], vector: S::f32s) {
    match S::as_mut_simd_f32s(target).0.first_mut() {
        Some(target) => *target = vector,
        None => simd.partial_store_f32s(target, vector),
    }
}
