//! CUDA as a [`Backend`]: dfdx's device, its memory and its tape, with kernels of our own for everything that is computed.
//!
//! - this file: every method launches the kernels of its operation, which are in `cuda.rs` and `cuda.cu` beside the
//!   operation's mathematics
//! - [`driver`]: the driver's functions, bound when they are needed
//! - [`device`]: which GPUs there are, and opening one
//! - [`launch`]: launching kernels, memory, recorded work
//! - [`recording`]: tensors and the tape
//! - `kernel.h`: what kernels share; `emulator.h`, `emulator.cpp`: the same kernels on the processor, for tests
//!
//! All sums are made in an order that depends on sizes only, so the same work on the same GPU gives the same bits.

pub mod device;
mod driver;
pub(crate) mod launch;
pub(crate) mod recording;

use std::cell::RefCell;

use cudarc::driver::{DriverError, sys};
pub use device::{Absent, Found, found, memory, open};
use dfdx::tensor::{Cache, Cuda, CudaError};

use super::engine::{self, Outcome, Program, Run};
use super::geometry::{AdaptivePool, ChannelPadding, Convolution, Pool};
use super::memory::Memory;
use super::ops::activation::Activation;
use super::ops::batch_norm::{BatchStatistics, Normalization};
use super::ops::correlation::Correlation;
use super::ops::decoupled::Decoupled;
use super::ops::optimizer::{AdamUpdate, SgdUpdate};
use super::ops::relations::RelationWeights;
use super::ops::{
    absolute_sum, activation, adaptive_pool, add, batch_norm, concatenate, convolution, cross_entropy, distillation,
    flatten, gate, gradient, linear, optimizer, pad_shortcut, polarization, pool, product, ranking, relu, rows, scale,
    weighted_sum,
};
use super::ops::{
    attention, correlation, decoupled, flow, relations, similarity, squared_error, standardize, variational,
};
use super::{Backend, Flat, Gradients, Scalar, Tape};
use crate::error::{Error, Kind, Result};
use crate::tensor::backend::length;
use dfdx::prelude::TensorFromVec;
use launch::{THREADS, blocks, launch};

impl Backend for Cuda {
    const NAME: &'static str = "cuda";
    const LOOK_EVERY: usize = 16;
    type Engine = engine::cuda::Engine;

    fn engine(program: Program) -> Option<Self::Engine> {
        engine::cuda::Engine::new(program)
    }

    fn run<T: Tape<f32, Self>>(engine: &Self::Engine, run: Run<Self>, tape: &mut T) -> Result<Outcome<Self>> {
        engine.run(run, tape)
    }

    fn memory(&self) -> Option<Memory> {
        memory().ok().map(|(free, all)| Memory { free, all })
    }

    fn release(&self) -> Result<()> {
        self.try_empty_cache().map_err(error)
    }

    fn error(error: Self::Err) -> Error {
        self::error(error)
    }

    fn upload(&self, values: &[f32]) -> Result<Flat<Self>> {
        let shape = (values.len(),);
        self.try_tensor_from_vec(values.to_vec(), shape).map_err(error)
    }

    fn download(tensor: &Flat<Self>) -> Vec<f32> {
        let mut values = vec![0.0; length(tensor)];
        tensor.copy_into(&mut values);
        values
    }

    fn overwrite(tensor: &mut Flat<Self>, values: &[f32]) -> Result<()> {
        recording::expect_length("the tensor to overwrite", tensor, &[values.len()])?;
        tensor.copy_from(values);
        Ok(())
    }

    fn multiply(tensor: &mut Flat<Self>, factors: &Flat<Self>) -> Result<()> {
        let count = length(tensor);
        recording::expect_length("the factors", factors, &[count])?;
        let (values, factors) = (recording::pointer(tensor)?, recording::pointer(factors)?);
        launch!("mask", blocks(count), THREADS, values, factors, count as i64)
    }

    fn convolution<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        weight: &Flat<Self>,
        bias: Option<&Flat<Self>>,
        geometry: &Convolution,
        input_gradient: bool,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        convolution::cuda::convolution(x, weight, bias, geometry, input_gradient, tape)
    }

    fn linear<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        weight: &Flat<Self>,
        bias: Option<&Flat<Self>>,
        batch: usize,
        input_gradient: bool,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        linear::cuda::linear(x, weight, bias, batch, input_gradient, tape)
    }

    fn batch_norm<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        weight: &Flat<Self>,
        bias: &Flat<Self>,
        settings: &Normalization,
        tape: &mut T,
    ) -> Result<(Flat<Self>, BatchStatistics<Self>)> {
        batch_norm::cuda::batch_norm(x, weight, bias, settings, tape)
    }

    fn update_statistics(
        running_mean: &mut Flat<Self>,
        running_variance: &mut Flat<Self>,
        batch: &BatchStatistics<Self>,
        momentum: f32,
    ) -> Result<()> {
        batch_norm::cuda::update_statistics(running_mean, running_variance, batch, momentum)
    }

    fn batch_norm_frozen<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        weight: &Flat<Self>,
        bias: &Flat<Self>,
        mean: &Flat<Self>,
        variance: &Flat<Self>,
        settings: &Normalization,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        batch_norm::cuda::batch_norm_frozen(x, weight, bias, mean, variance, settings, tape)
    }

    fn relu<T: Tape<f32, Self>>(x: &Flat<Self>, tape: &mut T) -> Result<Flat<Self>> {
        relu::cuda::relu(x, tape)
    }

    fn activation<T: Tape<f32, Self>>(x: &Flat<Self>, function: Activation, tape: &mut T) -> Result<Flat<Self>> {
        activation::cuda::activation(x, function, tape)
    }

    fn product<T: Tape<f32, Self>>(a: &Flat<Self>, b: &Flat<Self>, tape: &mut T) -> Result<Flat<Self>> {
        product::cuda::product(a, b, tape)
    }

    fn gate<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        gate: &Flat<Self>,
        batch: usize,
        channels: usize,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        gate::cuda::gate(x, gate, batch, channels, tape)
    }

    fn scale<T: Tape<f32, Self>>(x: &Flat<Self>, factors: &Flat<Self>, run: usize, tape: &mut T) -> Result<Flat<Self>> {
        scale::cuda::scale(x, factors, run, tape)
    }

    fn concatenate<T: Tape<f32, Self>>(inputs: &[&Flat<Self>], channels: &[usize], tape: &mut T) -> Result<Flat<Self>> {
        concatenate::cuda::concatenate(inputs, channels, tape)
    }

    fn adaptive_average_pool<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        geometry: &AdaptivePool,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        adaptive_pool::cuda::adaptive_average_pool(x, geometry, tape)
    }

    fn add<T: Tape<f32, Self>>(a: &Flat<Self>, b: &Flat<Self>, relu: bool, tape: &mut T) -> Result<Flat<Self>> {
        add::cuda::add(a, b, relu, tape)
    }

    fn max_pool<T: Tape<f32, Self>>(x: &Flat<Self>, geometry: &Pool, tape: &mut T) -> Result<Flat<Self>> {
        pool::cuda::max_pool(x, geometry, tape)
    }

    fn average_pool<T: Tape<f32, Self>>(x: &Flat<Self>, geometry: &Pool, tape: &mut T) -> Result<Flat<Self>> {
        pool::cuda::average_pool(x, geometry, tape)
    }

    fn global_average_pool<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        batch: usize,
        channels: usize,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        pool::cuda::global_average_pool(x, batch, channels, tape)
    }

    fn flatten<T: Tape<f32, Self>>(x: &Flat<Self>, batch: usize, channels: usize, tape: &mut T) -> Result<Flat<Self>> {
        flatten::cuda::flatten(x, batch, channels, tape)
    }

    fn pad_shortcut<T: Tape<f32, Self>>(x: &Flat<Self>, geometry: &ChannelPadding, tape: &mut T) -> Result<Flat<Self>> {
        pad_shortcut::cuda::pad_shortcut(x, geometry, tape)
    }

    fn cross_entropy<T: Tape<f32, Self>>(
        logits: &Flat<Self>,
        labels: &[u32],
        smoothing: f32,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        cross_entropy::cuda::cross_entropy(logits, labels, None, smoothing, tape)
    }

    fn mixed_cross_entropy<T: Tape<f32, Self>>(
        logits: &Flat<Self>,
        labels: &[u32],
        second: &[u32],
        shares: &[f32],
        smoothing: f32,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        cross_entropy::cuda::cross_entropy(logits, labels, Some((second, shares)), smoothing, tape)
    }

    fn distillation<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        classes: usize,
        temperature: f32,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        distillation::cuda::distillation(student, teacher, classes, temperature, tape)
    }

    fn standardize<T: Tape<f32, Self>>(logits: &Flat<Self>, classes: usize, tape: &mut T) -> Result<Flat<Self>> {
        standardize::cuda::standardize(logits, classes, tape)
    }

    fn squared_error<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        squared_error::cuda::squared_error(student, teacher, tape)
    }

    fn attention<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        batch: usize,
        positions: usize,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        attention::cuda::attention(student, teacher, batch, positions, tape)
    }

    fn flow<T: Tape<f32, Self>>(
        student: [&Flat<Self>; 2],
        teacher: [&Flat<Self>; 2],
        batch: usize,
        channels: [usize; 2],
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        flow::cuda::flow(student, teacher, batch, channels, tape)
    }

    fn similarity<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        batch: usize,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        similarity::cuda::similarity(student, teacher, batch, tape)
    }

    fn variational<T: Tape<f32, Self>>(
        mean: &Flat<Self>,
        scale: &Flat<Self>,
        teacher: &Flat<Self>,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        variational::cuda::variational(mean, scale, teacher, tape)
    }

    fn relations<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        batch: usize,
        weights: &RelationWeights,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        relations::cuda::relations(student, teacher, batch, weights, tape)
    }

    fn decoupled<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        labels: &[u32],
        settings: &Decoupled,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        decoupled::cuda::decoupled(student, teacher, labels, settings, tape)
    }

    fn correlation<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        classes: usize,
        settings: &Correlation,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        correlation::cuda::correlation(student, teacher, classes, settings, tape)
    }

    fn absolute_sum<T: Tape<f32, Self>>(x: &Flat<Self>, scale: f32, tape: &mut T) -> Result<Flat<Self>> {
        absolute_sum::cuda::absolute_sum(x, scale, tape)
    }

    fn row_norm_sum<T: Tape<f32, Self>>(x: &Flat<Self>, rows: usize, scale: f32, tape: &mut T) -> Result<Flat<Self>> {
        rows::cuda::row_norm_sum(x, rows, scale, tape)
    }

    fn row_square_sum<T: Tape<f32, Self>>(x: &Flat<Self>, strengths: &[f32], tape: &mut T) -> Result<Flat<Self>> {
        rows::cuda::row_square_sum(x, strengths, tape)
    }

    fn shrink_rows(x: &mut Flat<Self>, rows: usize, threshold: f32) -> Result<()> {
        rows::cuda::shrink_rows(x, rows, threshold)
    }

    fn polarization<T: Tape<f32, Self>>(
        inputs: &[&Flat<Self>],
        scale: f32,
        t: f32,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        polarization::cuda::polarization(inputs, scale, t, tape)
    }

    fn weighted_sum<T: Tape<f32, Self>>(&self, terms: &[(f32, Flat<Self>)], tape: T) -> Result<Scalar<Self, T>> {
        weighted_sum::cuda::weighted_sum(self, terms, tape)
    }

    fn gradient(gradients: &Gradients<f32, Self>, tensor: &Flat<Self>) -> Vec<f32> {
        Self::download(&gradients.get(tensor))
    }

    fn add_to_gradient(gradients: &mut Gradients<f32, Self>, tensor: &Flat<Self>, values: &[f32]) -> Result<()> {
        gradient::cuda::add_to_gradient(gradients, tensor, values)
    }

    fn scale_gradient(gradients: &mut Gradients<f32, Self>, tensor: &Flat<Self>, factor: f32) -> Result<()> {
        gradient::cuda::scale_gradient(gradients, tensor, factor)
    }

    fn mask_gradient(gradients: &mut Gradients<f32, Self>, tensor: &Flat<Self>, mask: &Flat<Self>) -> Result<()> {
        gradient::cuda::mask_gradient(gradients, tensor, mask)
    }

    fn gradients_square_sum(gradients: &mut Gradients<f32, Self>, tensors: &[&Flat<Self>]) -> Result<f64> {
        gradient::cuda::gradients_square_sum(gradients, tensors)
    }

    fn sgd_steps(updates: &mut [SgdUpdate<Self>], gradients: &mut Gradients<f32, Self>) -> Result<()> {
        optimizer::cuda::sgd(updates, gradients)
    }

    fn adam_steps(updates: &mut [AdamUpdate<Self>], gradients: &mut Gradients<f32, Self>) -> Result<()> {
        optimizer::cuda::adam(updates, gradients)
    }

    fn count_right(logits: &Flat<Self>, labels: &[u32], classes: usize) -> Result<Flat<Self>> {
        ranking::cuda::count_right(logits, labels, classes)
    }
}

thread_local! {
    /// What went wrong in a backward step, in our words: dfdx hands on only its own.
    static FAILED: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// An error of ours on its way through dfdx; [`error`] turns it back.
fn dfdx_error(error: Error) -> CudaError {
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
