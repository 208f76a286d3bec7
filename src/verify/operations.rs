//! Every operation with its gradients, on sizes that are no multiple of what kernels work on at once.

use crate::error::Result;
use crate::tensor::geometry::{AdaptivePool, ChannelPadding, Convolution, Pool, Window};
use crate::tensor::ops::activation::Activation;
use crate::tensor::ops::batch_norm::Normalization;
use crate::tensor::ops::correlation::Correlation;
use crate::tensor::ops::decoupled::Decoupled;
use crate::tensor::ops::relations::RelationWeights;
use crate::tensor::{self, Backend, Flat, Gradients, OwnedTape};

/// `count` normal numbers, a pure function of `name`.
pub(super) fn normal(name: &str, count: usize) -> Vec<f32> {
    let mut generator = crate::random::generator(0, name, 0, 0);
    (0..count).map(|_| crate::random::normal(&mut generator) as f32).collect()
}

/// What an operation gave: its name, and its output and the gradients of all its inputs.
type Given = (String, Vec<Vec<f32>>);

/// Operations on one device, and what they gave.
struct Table<'a, B: Backend> {
    device: &'a B,
    rows: Vec<Given>,
}

impl<B: Backend> Table<'_, B> {
    /// Runs an operation on normal numbers, `sizes` of each input, and brings the gradient of its output's product with fixed
    /// numbers back.
    fn add(
        &mut self,
        name: &str,
        sizes: &[usize],
        operation: impl Fn(&[Flat<B>], &mut OwnedTape<f32, B>) -> Result<Flat<B>>,
    ) -> Result<()> {
        let inputs: Vec<Flat<B>> = sizes
            .iter()
            .enumerate()
            .map(|(place, size)| self.device.upload(&normal(&format!("input {place}"), *size)))
            .collect::<Result<_>>()?;
        let mut tape = tensor::tape(self.device, Gradients::leaky())?;
        let y = operation(&inputs, &mut tape)?;
        let mut given = vec![B::download(&y)];
        let projection = self.device.upload(&normal("projection", given[0].len()))?;
        let loss = B::linear(&y, &projection, None, 1, true, &mut tape)?;
        let mut gradients = tensor::backward(self.device.weighted_sum(&[(1.0, loss)], tape)?)?;
        for input in &inputs {
            // Those that nothing flows to have one too.
            B::add_to_gradient(&mut gradients, input, &vec![0.0; crate::tensor::backend::length(input)])?;
            given.push(B::gradient(&gradients, input));
        }
        self.rows.push((name.to_owned(), given));
        Ok(())
    }
}

fn window(kernel: usize, stride: usize, padding: usize, dilation: usize) -> Window {
    Window { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2], dilation: [dilation; 2] }
}

/// All operations on `device`.
pub(super) fn all<B: Backend>(device: &B) -> Result<Vec<Given>> {
    let mut table = Table { device, rows: Vec::new() };
    layers(&mut table)?;
    shapes(&mut table)?;
    losses(&mut table)?;
    penalties(&mut table)?;
    Ok(table.rows)
}

fn layers<B: Backend>(table: &mut Table<B>) -> Result<()> {
    let convolutions = [
        ("convolution 3x3, 3 to 20", [17, 15], 3, 20, window(3, 1, 1, 1), 1),
        ("convolution 3x3, 20 to 36", [13, 15], 20, 36, window(3, 1, 1, 1), 1),
        ("convolution 3x3, stride 2", [15, 12], 16, 72, window(3, 2, 1, 1), 1),
        ("convolution 1x1, 72 to 136", [7, 9], 72, 136, window(1, 1, 0, 1), 1),
        ("convolution 5x5, dilated", [15, 14], 6, 10, window(5, 1, 4, 2), 1),
        ("convolution in 3 groups", [11, 9], 12, 18, window(3, 1, 1, 1), 3),
        ("depthwise convolution 3x3", [15, 14], 40, 40, window(3, 1, 1, 1), 40),
        ("depthwise convolution 5x5, stride 2", [15, 14], 24, 48, window(5, 2, 2, 1), 24),
    ];
    for (name, input, in_channels, out_channels, window, groups) in convolutions {
        let geometry = Convolution { batch: 3, input, in_channels, out_channels, window, groups };
        let weights = out_channels * (in_channels / groups) * window.kernel[0] * window.kernel[1];
        let sizes = [3 * input[0] * input[1] * in_channels, weights, out_channels];
        table.add(name, &sizes, |x, tape| B::convolution(&x[0], &x[1], Some(&x[2]), &geometry, true, tape))?;
    }
    table.add("linear", &[9 * 130, 37 * 130, 37], |x, tape| B::linear(&x[0], &x[1], Some(&x[2]), 9, true, tape))?;
    for relu in [false, true] {
        let settings = Normalization { channels: 37, epsilon: 1e-5, relu };
        let name = if relu { "normalization and ReLU" } else { "normalization" };
        let sizes = [700 * 37, 37, 37];
        table.add(name, &sizes, |x, tape| Ok(B::batch_norm(&x[0], &x[1], &x[2], &settings, tape)?.0))?;
    }
    let settings = Normalization { channels: 37, epsilon: 1e-5, relu: true };
    let (mean, variance) = (table.device.upload(&normal("mean", 37))?, table.device.upload(&[0.5; 37])?);
    table.add("normalization, frozen", &[300 * 37, 37, 37], |x, tape| {
        B::batch_norm_frozen(&x[0], &x[1], &x[2], &mean, &variance, &settings, tape)
    })?;
    table.add("ReLU", &[10_007], |x, tape| B::relu(&x[0], tape))?;
    let functions = [
        ("ReLU6", Activation::Relu6),
        ("SiLU", Activation::Silu),
        ("hard-swish", Activation::HardSwish),
        ("sigmoid", Activation::Sigmoid),
    ];
    for (name, function) in functions {
        table.add(name, &[10_007], |x, tape| B::activation(&x[0], function, tape))?;
    }
    Ok(())
}

fn shapes<B: Backend>(table: &mut Table<B>) -> Result<()> {
    table.add("sum and ReLU", &[5_003, 5_003], |x, tape| B::add(&x[0], &x[1], true, tape))?;
    table.add("product", &[5_003, 5_003], |x, tape| B::product(&x[0], &x[1], tape))?;
    table.add("gate", &[3 * 35 * 18, 3 * 18], |x, tape| B::gate(&x[0], &x[1], 3, 18, tape))?;
    let factors: Vec<f32> = (0..60).map(|place| if place % 3 == 0 { 0.0 } else { 1.25 }).collect();
    let factors = table.device.upload(&factors)?;
    table.add("scaling", &[60 * 7], |x, tape| B::scale(&x[0], &factors, 7, tape))?;
    table.add("concatenation", &[50 * 5, 50 * 12, 50], |x, tape| {
        B::concatenate(&[&x[0], &x[1], &x[2]], &[5, 12, 1], tape)
    })?;
    let pool = Pool { batch: 2, input: [13, 11], channels: 9, window: window(3, 2, 1, 1) };
    table.add("max pooling", &[2 * 13 * 11 * 9], |x, tape| B::max_pool(&x[0], &pool, tape))?;
    table.add("average pooling", &[2 * 13 * 11 * 9], |x, tape| B::average_pool(&x[0], &pool, tape))?;
    table.add("global average pooling", &[4 * 49 * 21], |x, tape| B::global_average_pool(&x[0], 4, 21, tape))?;
    let adaptive = AdaptivePool { batch: 2, input: [9, 7], output: [4, 3], channels: 5 };
    table.add("adaptive average pooling", &[2 * 63 * 5], |x, tape| B::adaptive_average_pool(&x[0], &adaptive, tape))?;
    table.add("flattening", &[3 * 20 * 6], |x, tape| B::flatten(&x[0], 3, 6, tape))?;
    let padding = ChannelPadding { batch: 2, input: [9, 8], in_channels: 6, out_channels: 12, before: 3, stride: 2 };
    table.add("shortcut with zeros", &[2 * 72 * 6], |x, tape| B::pad_shortcut(&x[0], &padding, tape))
}

fn losses<B: Backend>(table: &mut Table<B>) -> Result<()> {
    const IMAGES: usize = 19;
    const CLASSES: usize = 11;
    const LOGITS: usize = IMAGES * CLASSES;
    let labels: Vec<u32> = (0..IMAGES as u32).map(|image| image * 7 % CLASSES as u32).collect();
    let second: Vec<u32> = labels.iter().map(|label| (label + 3) % CLASSES as u32).collect();
    let shares: Vec<f32> = (0..IMAGES).map(|image| image as f32 / 40.0).collect();
    let device = table.device;
    let teacher = device.upload(&normal("teacher", LOGITS))?;
    table.add("cross entropy", &[LOGITS], |x, tape| B::cross_entropy(&x[0], &labels, 0.1, tape))?;
    table.add("cross entropy, mixed", &[LOGITS], |x, tape| {
        B::mixed_cross_entropy(&x[0], &labels, &second, &shares, 0.1, tape)
    })?;
    table.add("distillation", &[LOGITS], |x, tape| B::distillation(&x[0], &teacher, CLASSES, 4.0, tape))?;
    table.add("standardized logits", &[LOGITS], |x, tape| B::standardize(&x[0], CLASSES, tape))?;
    let decoupled = Decoupled { temperature: 4.0, alpha: 1.0, beta: 8.0 };
    table
        .add("decoupled distillation", &[LOGITS], |x, tape| B::decoupled(&x[0], &teacher, &labels, &decoupled, tape))?;
    let correlation = Correlation { temperature: 4.0, beta: 1.0, gamma: 2.0 };
    table.add("correlation", &[LOGITS], |x, tape| B::correlation(&x[0], &teacher, CLASSES, &correlation, tape))?;
    let feature = device.upload(&normal("feature", 12 * 35 * 10))?;
    let wide = 12 * 35 * 10;
    table.add("squared error", &[wide], |x, tape| B::squared_error(&x[0], &feature, tape))?;
    table.add("attention", &[12 * 35 * 6], |x, tape| B::attention(&x[0], &feature, 12, 35, tape))?;
    let other = device.upload(&normal("other feature", 12 * 35 * 7))?;
    table.add("flow", &[12 * 35 * 10, 12 * 35 * 7], |x, tape| {
        B::flow([&x[0], &x[1]], [&feature, &other], 12, [10, 7], tape)
    })?;
    table.add("similarity", &[12 * 90], |x, tape| B::similarity(&x[0], &feature, 12, tape))?;
    let weights = RelationWeights { distance: 25.0, angle: 50.0 };
    table.add("relations", &[12 * 90], |x, tape| B::relations(&x[0], &feature, 12, &weights, tape))?;
    table.add("variational", &[wide, 10], |x, tape| B::variational(&x[0], &x[1], &feature, tape))
}

fn penalties<B: Backend>(table: &mut Table<B>) -> Result<()> {
    table.add("absolute sum", &[3_001], |x, tape| B::absolute_sum(&x[0], 0.3, tape))?;
    table.add("norms of rows", &[13 * 45], |x, tape| B::row_norm_sum(&x[0], 13, 0.3, tape))?;
    let strengths: Vec<f32> = (0..13).map(|row| row as f32 / 7.0).collect();
    table.add("squares of rows", &[13 * 45], |x, tape| B::row_square_sum(&x[0], &strengths, tape))?;
    table.add("polarization", &[70, 45], |x, tape| B::polarization(&[&x[0], &x[1]], 0.3, 1.2, tape))
}
