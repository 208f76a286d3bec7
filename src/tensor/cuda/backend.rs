//! CUDA as a [`Backend`]: every method launches the kernels of its operation.

use dfdx::prelude::TensorFromVec;
use dfdx::tensor::{Cache, Cuda};

use super::launch::{THREADS, blocks, launch};
use super::{launch, recording, single};
use crate::error::{Error, Kind, Result};
use crate::tensor::backend::length;
use crate::tensor::engine::{self, After, Operation, Outcome, Program, Run};
use crate::tensor::geometry::{AdaptivePool, ChannelPadding, Convolution, Pool};
use crate::tensor::memory::Memory;
use crate::tensor::ops::activation::Activation;
use crate::tensor::ops::batch_norm::{self, BatchStatistics, Normalization};
use crate::tensor::ops::correlation::Correlation;
use crate::tensor::ops::decoupled::Decoupled;
use crate::tensor::ops::optimizer::{AdamUpdate, SgdUpdate};
use crate::tensor::ops::relations::RelationWeights;
use crate::tensor::ops::{
    absolute_sum, attention, correlation, cross_entropy, decoupled, distillation, flow, gradient, optimizer,
    polarization, ranking, relations, rows, similarity, squared_error, standardize, variational, weighted_sum,
};
use crate::tensor::{Backend, Flat, Gradients, Scalar, Tape};

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
        super::memory().ok().map(|(free, all)| Memory { free, all })
    }

    fn release(&self) -> Result<()> {
        self.try_empty_cache().map_err(super::error)?;
        launch::trim()
    }

    fn error(error: Self::Err) -> Error {
        super::error(error)
    }

    fn upload(&self, values: &[f32]) -> Result<Flat<Self>> {
        let shape = (values.len(),);
        self.try_tensor_from_vec(values.to_vec(), shape).map_err(super::error)
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

    fn stream_in(tensor: &mut Flat<Self>, values: &[f32]) -> Result<()> {
        recording::expect_length("the tensor to overwrite", tensor, &[values.len()])?;
        launch::send(values, recording::pointer_to_write(tensor)?)
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
        single::convolution(x, weight, bias, geometry, input_gradient, tape)
    }

    fn linear<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        weight: &Flat<Self>,
        bias: Option<&Flat<Self>>,
        batch: usize,
        input_gradient: bool,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        single::linear(x, weight, bias, batch, input_gradient, tape)
    }

    fn batch_norm<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        weight: &Flat<Self>,
        bias: &Flat<Self>,
        settings: &Normalization,
        tape: &mut T,
    ) -> Result<(Flat<Self>, BatchStatistics<Self>)> {
        single::normalize(x, [weight, bias], None, settings, tape)
    }

    fn update_statistics(
        running_mean: &mut Flat<Self>,
        running_variance: &mut Flat<Self>,
        batch: &BatchStatistics<Self>,
        momentum: f32,
    ) -> Result<()> {
        let channels = length(running_mean);
        for tensor in [&*running_variance, &batch.mean, &batch.variance] {
            recording::expect_length("statistics of a normalization", tensor, &[channels])?;
        }
        let [mean, variance] = [recording::pointer(&batch.mean)?, recording::pointer(&batch.variance)?];
        let running = [recording::pointer(running_mean)?, recording::pointer(running_variance)?];
        batch_norm::cuda::update_statistics(running, [mean, variance], batch.count, channels, momentum)
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
        Ok(single::normalize(x, [weight, bias], Some([mean, variance]), settings, tape)?.0)
    }

    fn relu<T: Tape<f32, Self>>(x: &Flat<Self>, tape: &mut T) -> Result<Flat<Self>> {
        single::step(Operation::Apply(After::Relu), &[x], None, length(x), 1, tape)
    }

    fn activation<T: Tape<f32, Self>>(x: &Flat<Self>, function: Activation, tape: &mut T) -> Result<Flat<Self>> {
        single::step(Operation::Apply(After::Activation(function)), &[x], None, length(x), 1, tape)
    }

    fn product<T: Tape<f32, Self>>(a: &Flat<Self>, b: &Flat<Self>, tape: &mut T) -> Result<Flat<Self>> {
        recording::expect_length("the second factor", b, &[length(a)])?;
        single::step(Operation::Product, &[a, b], None, length(a), 1, tape)
    }

    fn gate<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        gate: &Flat<Self>,
        batch: usize,
        channels: usize,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        recording::expect_length("a gate", gate, &[batch, channels])?;
        recording::expect_length("what a gate is for", x, &[batch, length(x) / (batch * channels).max(1), channels])?;
        single::step(Operation::Gate { channels }, &[x, gate], None, length(x), batch, tape)
    }

    fn scale<T: Tape<f32, Self>>(x: &Flat<Self>, factors: &Flat<Self>, run: usize, tape: &mut T) -> Result<Flat<Self>> {
        recording::expect_length("what is scaled", x, &[length(factors), run])?;
        single::step(Operation::Scale { run }, &[x], Some(factors), length(x), 1, tape)
    }

    fn concatenate<T: Tape<f32, Self>>(inputs: &[&Flat<Self>], channels: &[usize], tape: &mut T) -> Result<Flat<Self>> {
        let rows = inputs.first().map_or(0, |input| length(input) / channels.first().copied().unwrap_or(1).max(1));
        if inputs.is_empty() || inputs.len() != channels.len() {
            return Err(Error::new(Kind::Internal, "inputs to concatenate that do not say their channels"));
        }
        for (input, channels) in inputs.iter().zip(channels) {
            recording::expect_length("an input to concatenate", input, &[rows, *channels])?;
        }
        let count = inputs.iter().map(|input| length(input)).sum();
        single::step(Operation::Concatenate { channels: channels.to_vec() }, inputs, None, count, 1, tape)
    }

    fn adaptive_average_pool<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        geometry: &AdaptivePool,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        let AdaptivePool { batch, input, output, channels } = *geometry;
        recording::expect_length("an adaptive pooling's input", x, &[batch, input[0], input[1], channels])?;
        let count = batch * output[0] * output[1] * channels;
        if count == 0 {
            return Err(Error::new(Kind::Internal, format!("an adaptive pooling to nothing: {geometry:?}")));
        }
        single::step(Operation::AdaptiveAveragePool(*geometry), &[x], None, count, batch, tape)
    }

    fn add<T: Tape<f32, Self>>(a: &Flat<Self>, b: &Flat<Self>, relu: bool, tape: &mut T) -> Result<Flat<Self>> {
        recording::expect_length("the second term", b, &[length(a)])?;
        let after = if relu { After::Relu } else { After::Nothing };
        single::step(Operation::Add(after), &[a, b], None, length(a), 1, tape)
    }

    fn max_pool<T: Tape<f32, Self>>(x: &Flat<Self>, geometry: &Pool, tape: &mut T) -> Result<Flat<Self>> {
        let count = pooled(x, geometry)?;
        single::step(Operation::MaxPool(*geometry), &[x], None, count, geometry.batch, tape)
    }

    fn average_pool<T: Tape<f32, Self>>(x: &Flat<Self>, geometry: &Pool, tape: &mut T) -> Result<Flat<Self>> {
        let count = pooled(x, geometry)?;
        single::step(Operation::AveragePool(*geometry), &[x], None, count, geometry.batch, tape)
    }

    fn global_average_pool<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        batch: usize,
        channels: usize,
        tape: &mut T,
    ) -> Result<Flat<Self>> {
        recording::expect_length("what is averaged", x, &[batch, length(x) / (batch * channels).max(1), channels])?;
        single::step(Operation::GlobalAveragePool { channels }, &[x], None, batch * channels, batch, tape)
    }

    fn flatten<T: Tape<f32, Self>>(x: &Flat<Self>, batch: usize, channels: usize, tape: &mut T) -> Result<Flat<Self>> {
        recording::expect_length("what is flattened", x, &[batch, length(x) / (batch * channels).max(1), channels])?;
        single::step(Operation::Flatten { channels }, &[x], None, length(x), batch, tape)
    }

    fn pad_shortcut<T: Tape<f32, Self>>(x: &Flat<Self>, geometry: &ChannelPadding, tape: &mut T) -> Result<Flat<Self>> {
        let ChannelPadding { batch, input: [height, width], in_channels, out_channels, before, stride } = *geometry;
        recording::expect_length("a shortcut's input", x, &[batch, height, width, in_channels])?;
        if stride == 0 || before.checked_add(in_channels).is_none_or(|last| last > out_channels) {
            return Err(Error::new(Kind::Internal, format!("a shortcut that cannot be: {geometry:?}")));
        }
        let [lines, positions] = geometry.output();
        let count = batch * lines * positions * out_channels;
        single::step(Operation::PadShortcut(*geometry), &[x], None, count, batch, tape)
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

/// How many numbers a pooling gives.
fn pooled(x: &Flat<Cuda>, geometry: &Pool) -> Result<usize> {
    let Pool { batch, input: [height, width], channels, window } = *geometry;
    recording::expect_length("a pooling's input", x, &[batch, height, width, channels])?;
    let fits = window.dilation == [1, 1] && (0..2).all(|axis| window.padding[axis] <= window.kernel[axis] / 2);
    let output = window.positions(geometry.input).filter(|_| fits);
    let [lines, positions] = output.ok_or_else(|| {
        Error::new(Kind::Internal, format!("a pooling's window does not fit its input: {geometry:?}"))
    })?;
    Ok(batch * lines * positions * channels)
}
