//! The processor as a [`Backend`]: every method calls the kernel of its operation.

use dfdx::tensor::Cache;

use super::engine::{self, Outcome, Program, Run};
use super::geometry::{AdaptivePool, ChannelPadding, Convolution, Pool};
use super::memory::{self, Memory};
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
use super::{Backend, Cpu, Flat, Gradients, Scalar, Tape, recording};
use crate::error::{Error, Kind, Result};

impl Backend for Cpu {
    const NAME: &'static str = "cpu";
    const LOOK_EVERY: usize = 1;
    type Engine = engine::cpu::Engine;

    fn engine(program: Program) -> Option<Self::Engine> {
        engine::cpu::Engine::new(program)
    }

    fn run<T: Tape<f32, Self>>(engine: &Self::Engine, run: Run<Self>, tape: &mut T) -> Result<Outcome<Self>> {
        engine.run(run, tape)
    }

    fn memory(&self) -> Option<Memory> {
        memory::of_machine()
    }

    fn release(&self) -> Result<()> {
        self.try_empty_cache().map_err(Self::error)
    }

    fn error(error: Self::Err) -> Error {
        match error {
            dfdx::tensor::CpuError::OutOfMemory => {
                Error::new(Kind::DeviceMemory, "the machine ran out of memory").hint("use a smaller batch")
            }
            dfdx::tensor::CpuError::WrongNumElements => {
                Error::new(Kind::Internal, "a tensor was made from the wrong number of values")
            }
        }
    }

    fn upload(&self, values: &[f32]) -> Result<Flat<Self>> {
        recording::tensor(self, values.to_vec())
    }

    fn download(tensor: &Flat<Self>) -> Vec<f32> {
        recording::values(tensor)
    }

    fn overwrite(tensor: &mut Flat<Self>, values: &[f32]) -> Result<()> {
        recording::expect_length("the tensor to overwrite", tensor, &[values.len()])?;
        tensor.copy_from(values);
        Ok(())
    }

    fn stream_in(tensor: &mut Flat<Self>, values: &[f32]) -> Result<()> {
        Self::overwrite(tensor, values)
    }

    fn multiply(tensor: &mut Flat<Self>, factors: &Flat<Self>) -> Result<()> {
        let mut values = recording::values(tensor);
        recording::expect_length("the factors", factors, &[values.len()])?;
        for (value, factor) in values.iter_mut().zip(recording::values(factors)) {
            // Not -0, and not NaN where the value is infinite.
            *value = if factor == 0.0 { 0.0 } else { *value * factor };
        }
        tensor.copy_from(&values);
        Ok(())
    }

    fn convolution<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        weight: &Flat<Self>,
        bias: Option<&Flat<Self>>,
        geometry: &Convolution,
        input_gradient: bool,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        convolution::cpu::convolution(x, weight, bias, geometry, input_gradient, tape)
    }

    fn linear<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        weight: &Flat<Self>,
        bias: Option<&Flat<Self>>,
        batch: usize,
        input_gradient: bool,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        linear::cpu::linear(x, weight, bias, batch, input_gradient, tape)
    }

    fn batch_norm<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        weight: &Flat<Self>,
        bias: &Flat<Self>,
        settings: &Normalization,
        tape: &mut T,
    ) -> Result<(Flat<Self>, BatchStatistics<Self>)> {
        batch_norm::cpu::batch_norm(x, weight, bias, settings, tape)
    }

    fn update_statistics(
        running_mean: &mut Flat<Self>,
        running_variance: &mut Flat<Self>,
        batch: &BatchStatistics<Self>,
        momentum: f32,
    ) -> Result<()> {
        batch_norm::cpu::update_statistics(running_mean, running_variance, batch, momentum)
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
        batch_norm::cpu::batch_norm_frozen(x, weight, bias, mean, variance, settings, tape)
    }

    fn relu<T: Tape<f32, Self>>(x: &Flat<Self>, tape: &mut T) -> Result<Flat<Self>> {
        relu::cpu::relu(x, tape)
    }

    fn activation<T: Tape<f32, Self>>(x: &Flat<Self>, function: Activation, tape: &mut T) -> Result<Flat<Self>> {
        activation::cpu::activation(x, function, tape)
    }

    fn product<T: Tape<f32, Self>>(a: &Flat<Self>, b: &Flat<Self>, tape: &mut T) -> Result<Flat<Self>> {
        product::cpu::product(a, b, tape)
    }

    fn gate<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        gate: &Flat<Self>,
        batch: usize,
        channels: usize,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        gate::cpu::gate(x, gate, batch, channels, tape)
    }

    fn scale<T: Tape<f32, Self>>(x: &Flat<Self>, factors: &Flat<Self>, run: usize, tape: &mut T) -> Result<Flat<Self>> {
        scale::cpu::scale(x, factors, run, tape)
    }

    fn concatenate<T: Tape<f32, Self>>(inputs: &[&Flat<Self>], channels: &[usize], tape: &mut T) -> Result<Flat<Self>> {
        concatenate::cpu::concatenate(inputs, channels, tape)
    }

    fn adaptive_average_pool<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        geometry: &AdaptivePool,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        adaptive_pool::cpu::adaptive_average_pool(x, geometry, tape)
    }

    fn add<T: Tape<f32, Self>>(a: &Flat<Self>, b: &Flat<Self>, relu: bool, tape: &mut T) -> Result<Flat<Self>> {
        add::cpu::add(a, b, relu, tape)
    }

    fn max_pool<T: Tape<f32, Self>>(x: &Flat<Self>, geometry: &Pool, tape: &mut T) -> Result<Flat<Self>> {
        pool::cpu::max_pool(x, geometry, tape)
    }

    fn average_pool<T: Tape<f32, Self>>(x: &Flat<Self>, geometry: &Pool, tape: &mut T) -> Result<Flat<Self>> {
        pool::cpu::average_pool(x, geometry, tape)
    }

    fn global_average_pool<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        batch: usize,
        channels: usize,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        pool::cpu::global_average_pool(x, batch, channels, tape)
    }

    fn flatten<T: Tape<f32, Self>>(x: &Flat<Self>, batch: usize, channels: usize, tape: &mut T) -> Result<Flat<Self>> {
        flatten::cpu::flatten(x, batch, channels, tape)
    }

    fn pad_shortcut<T: Tape<f32, Self>>(x: &Flat<Self>, geometry: &ChannelPadding, tape: &mut T) -> Result<Flat<Self>> {
        pad_shortcut::cpu::pad_shortcut(x, geometry, tape)
    }

    fn cross_entropy<T: Tape<f32, Self>>(
        logits: &Flat<Self>,
        labels: &[u32],
        smoothing: f32,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        cross_entropy::cpu::cross_entropy(logits, labels, None, smoothing, tape)
    }

    fn mixed_cross_entropy<T: Tape<f32, Self>>(
        logits: &Flat<Self>,
        labels: &[u32],
        second: &[u32],
        shares: &[f32],
        smoothing: f32,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        cross_entropy::cpu::cross_entropy(logits, labels, Some((second, shares)), smoothing, tape)
    }

    fn distillation<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        classes: usize,
        temperature: f32,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        distillation::cpu::distillation(student, teacher, classes, temperature, tape)
    }

    fn standardize<T: Tape<f32, Self>>(logits: &Flat<Self>, classes: usize, tape: &mut T) -> Result<Flat<Self>> {
        standardize::cpu::standardize(logits, classes, tape)
    }

    fn squared_error<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        squared_error::cpu::squared_error(student, teacher, tape)
    }

    fn attention<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        batch: usize,
        positions: usize,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        attention::cpu::attention(student, teacher, batch, positions, tape)
    }

    fn flow<T: Tape<f32, Self>>(
        student: [&Flat<Self>; 2],
        teacher: [&Flat<Self>; 2],
        batch: usize,
        channels: [usize; 2],
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        flow::cpu::flow(student, teacher, batch, channels, tape)
    }

    fn similarity<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        batch: usize,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        similarity::cpu::similarity(student, teacher, batch, tape)
    }

    fn variational<T: Tape<f32, Self>>(
        mean: &Flat<Self>,
        scale: &Flat<Self>,
        teacher: &Flat<Self>,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        variational::cpu::variational(mean, scale, teacher, tape)
    }

    fn relations<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        batch: usize,
        weights: &RelationWeights,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        relations::cpu::relations(student, teacher, batch, weights, tape)
    }

    fn decoupled<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        labels: &[u32],
        settings: &Decoupled,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        decoupled::cpu::decoupled(student, teacher, labels, settings, tape)
    }

    fn correlation<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        classes: usize,
        settings: &Correlation,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        correlation::cpu::correlation(student, teacher, classes, settings, tape)
    }

    fn absolute_sum<T: Tape<f32, Self>>(x: &Flat<Self>, scale: f32, tape: &mut T) -> Result<Flat<Self>> {
        absolute_sum::cpu::absolute_sum(x, scale, tape)
    }

    fn row_norm_sum<T: Tape<f32, Self>>(x: &Flat<Self>, rows: usize, scale: f32, tape: &mut T) -> Result<Flat<Self>> {
        rows::cpu::row_norm_sum(x, rows, scale, tape)
    }

    fn row_square_sum<T: Tape<f32, Self>>(x: &Flat<Self>, strengths: &[f32], tape: &mut T) -> Result<Flat<Self>> {
        rows::cpu::row_square_sum(x, strengths, tape)
    }

    fn shrink_rows(x: &mut Flat<Self>, rows: usize, threshold: f32) -> Result<()> {
        rows::cpu::shrink_rows(x, rows, threshold)
    }

    fn polarization<T: Tape<f32, Self>>(
        inputs: &[&Flat<Self>],
        scale: f32,
        t: f32,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        polarization::cpu::polarization(inputs, scale, t, tape)
    }

    fn weighted_sum<T: Tape<f32, Self>>(&self, terms: &[(f32, Flat<Self>)], tape: T) -> Result<Scalar<Self, T>> {
        weighted_sum::cpu::weighted_sum(self, terms, tape)
    }

    fn gradient(gradients: &Gradients<f32, Self>, tensor: &Flat<Self>) -> Vec<f32> {
        recording::values(&gradients.get(tensor))
    }

    fn add_to_gradient(gradients: &mut Gradients<f32, Self>, tensor: &Flat<Self>, values: &[f32]) -> Result<()> {
        gradient::cpu::add_to_gradient(gradients, tensor, values)
    }

    fn scale_gradient(gradients: &mut Gradients<f32, Self>, tensor: &Flat<Self>, factor: f32) -> Result<()> {
        gradient::cpu::scale_gradient(gradients, tensor, factor)
    }

    fn mask_gradient(gradients: &mut Gradients<f32, Self>, tensor: &Flat<Self>, mask: &Flat<Self>) -> Result<()> {
        gradient::cpu::mask_gradient(gradients, tensor, mask)
    }

    fn gradients_square_sum(gradients: &mut Gradients<f32, Self>, tensors: &[&Flat<Self>]) -> Result<f64> {
        gradient::cpu::gradients_square_sum(gradients, tensors)
    }

    fn sgd_steps(updates: &mut [SgdUpdate<Self>], gradients: &mut Gradients<f32, Self>) -> Result<()> {
        updates.iter_mut().try_for_each(|update| optimizer::cpu::sgd(update, gradients))
    }

    fn adam_steps(updates: &mut [AdamUpdate<Self>], gradients: &mut Gradients<f32, Self>) -> Result<()> {
        updates.iter_mut().try_for_each(|update| optimizer::cpu::adam(update, gradients))
    }

    fn count_right(logits: &Flat<Self>, labels: &[u32], classes: usize) -> Result<Flat<Self>> {
        ranking::cpu::count_right(logits, labels, classes)
    }
}
