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

/// Runs `work` compiled for this processor.
pub(crate) fn dispatch<W: WithSimd>(work: W) -> W::Output {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    ARCH.get_or_init(Arch::new).dispatch(work)
}

/// How many `f32` a vector holds.
pub(crate) fn lanes() -> usize {
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
