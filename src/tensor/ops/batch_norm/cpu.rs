//! Batch normalization on the processor: one pass for the statistics, one for the output; two on the way back.

use rayon::prelude::*;

use super::statistics::statistics;
use super::{BatchStatistics, Normalization, unbiased};
use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::ops::relu::rectify;
use crate::tensor::partition::{add, rows_per_share};
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn batch_norm<T: Tape<f32, Cpu>>(
    x: &Flat<Cpu>,
    weight: &Flat<Cpu>,
    bias: &Flat<Cpu>,
    settings: &Normalization,
    tape: &mut T,
) -> Result<(Flat<Cpu>, BatchStatistics<Cpu>)> {
    expect_lengths(x, [weight, bias], settings.channels)?;
    let x_values = values(x);
    let statistics = statistics(&x_values, settings.channels);
    let affine = Affine::new(&statistics.mean, &statistics.variance, weight, bias, settings);
    let device = x.device().clone();
    let y = tensor(&device, affine.apply(&x_values))?;
    record(tape, [Some(x), Some(weight), Some(bias)], &y, move |dy, [dx, dweight, dbias]| {
        affine.backward(&x_values, &dy, true, dx, dweight, dbias);
    });
    Ok((y, statistics.into_tensors(&device)?))
}

pub(crate) fn update_statistics(
    running_mean: &mut Flat<Cpu>,
    running_variance: &mut Flat<Cpu>,
    batch: &BatchStatistics<Cpu>,
    momentum: f32,
) -> Result<()> {
    let unbiased = unbiased(batch.count);
    for (running, batch) in [(&*running_mean, &batch.mean), (&*running_variance, &batch.variance)] {
        expect_length("a running average", running, &[length(batch)])?;
    }
    let mut averages = values(running_mean);
    for (running, batch) in averages.iter_mut().zip(values(&batch.mean)) {
        *running = (1.0 - momentum) * *running + momentum * batch;
    }
    running_mean.copy_from(&averages);
    let mut averages = values(running_variance);
    for (running, batch) in averages.iter_mut().zip(values(&batch.variance)) {
        *running = (1.0 - momentum) * *running + momentum * (f64::from(batch) * unbiased) as f32;
    }
    running_variance.copy_from(&averages);
    Ok(())
}

pub(crate) fn batch_norm_frozen<T: Tape<f32, Cpu>>(
    x: &Flat<Cpu>,
    weight: &Flat<Cpu>,
    bias: &Flat<Cpu>,
    mean: &Flat<Cpu>,
    variance: &Flat<Cpu>,
    settings: &Normalization,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    expect_lengths(x, [weight, bias], settings.channels)?;
    expect_lengths(x, [mean, variance], settings.channels)?;
    let affine = Affine::new(&values(mean), &values(variance), weight, bias, settings);
    let x_values = values(x);
    let y = tensor(&x.device().clone(), affine.apply(&x_values))?;
    record(tape, [Some(x), Some(weight), Some(bias)], &y, move |dy, [dx, dweight, dbias]| {
        affine.backward(&x_values, &dy, false, dx, dweight, dbias);
    });
    Ok(y)
}

fn expect_lengths(x: &Flat<Cpu>, parameters: [&Flat<Cpu>; 2], channels: usize) -> Result<()> {
    expect_length("a normalization's input", x, &[length(x) / channels.max(1), channels])?;
    parameters.iter().try_for_each(|tensor| expect_length("a normalization's parameter", tensor, &[channels]))
}

/// `y = scale x + shift`, which a normalization is once its statistics are known.
struct Affine {
    scale: Vec<f32>,
    shift: Vec<f32>,
    mean: Vec<f32>,
    /// `1 / √(variance + epsilon)`.
    inverse_deviation: Vec<f32>,
    relu: bool,
}

impl Affine {
    fn new(mean: &[f32], variance: &[f32], weight: &Flat<Cpu>, bias: &Flat<Cpu>, settings: &Normalization) -> Self {
        let (weight, bias) = (values(weight), values(bias));
        let inverse_deviation: Vec<f32> =
            variance.iter().map(|variance| 1.0 / (variance + settings.epsilon).sqrt()).collect();
        let scale: Vec<f32> = weight.iter().zip(&inverse_deviation).map(|(weight, r)| weight * r).collect();
        let shift = bias.iter().zip(mean).zip(&scale).map(|((bias, mean), scale)| bias - mean * scale).collect();
        Self { scale, shift, mean: mean.to_vec(), inverse_deviation, relu: settings.relu }
    }

    fn channels(&self) -> usize {
        self.scale.len()
    }

    fn share(&self) -> usize {
        rows_per_share(self.channels()) * self.channels()
    }

    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let mut y = vec![0.0; x.len()];
        y.par_chunks_mut(self.share()).zip(x.par_chunks(self.share())).for_each(|(y, x)| {
            for (y, x) in y.chunks_exact_mut(self.channels()).zip(x.chunks_exact(self.channels())) {
                if self.relu {
                    for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(&self.scale).zip(&self.shift) {
                        *y = rectify(x * scale + shift);
                    }
                } else {
                    for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(&self.scale).zip(&self.shift) {
                        *y = x * scale + shift;
                    }
                }
            }
        });
        y
    }

    fn backward(
        &self,
        x: &[f32],
        dy: &[f32],
        through_statistics: bool,
        dx: &mut [f32],
        dweight: &mut [f32],
        dbias: &mut [f32],
    ) {
        let (weight_sum, bias_sum) = self.parameter_gradients(x, dy);
        let n = (x.len() / self.channels()) as f32;
        // dx = scale dy − slope (x − mean) − offset, with slope and offset 0 when the statistics are constants.
        let through = if through_statistics { 1.0 / n } else { 0.0 };
        let slope: Vec<f32> = (0..self.channels())
            .map(|channel| self.scale[channel] * self.inverse_deviation[channel] * weight_sum[channel] * through)
            .collect();
        let offset: Vec<f32> = bias_sum.iter().zip(&self.scale).map(|(sum, scale)| scale * sum * through).collect();
        dx.par_chunks_mut(self.share()).zip(x.par_chunks(self.share())).zip(dy.par_chunks(self.share())).for_each(
            |((dx, x), dy)| match self.relu {
                true => self.add_input_gradient::<true>(dx, x, dy, &slope, &offset),
                false => self.add_input_gradient::<false>(dx, x, dy, &slope, &offset),
            },
        );
        add(dweight, &weight_sum);
        add(dbias, &bias_sum);
    }

    /// `Σ dy x̂` and `Σ dy` for each channel.
    fn parameter_gradients(&self, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let channels = self.channels();
        let shares: Vec<(Vec<f32>, Vec<f32>)> = x
            .par_chunks(self.share())
            .zip(dy.par_chunks(self.share()))
            .map(|(x, dy)| {
                let (mut products, mut sums) = (vec![0.0; channels], vec![0.0; channels]);
                match self.relu {
                    true => self.add_sums::<true>(x, dy, &mut products, &mut sums),
                    false => self.add_sums::<false>(x, dy, &mut products, &mut sums),
                }
                (products, sums)
            })
            .collect();
        let (mut products, mut sums) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
        for (share_products, share_sums) in &shares {
            for channel in 0..channels {
                products[channel] += f64::from(share_products[channel]);
                sums[channel] += f64::from(share_sums[channel]);
            }
        }
        let products = products.iter().zip(&self.inverse_deviation).map(|(sum, r)| (sum * f64::from(*r)) as f32);
        (products.collect(), sums.iter().map(|sum| *sum as f32).collect())
    }

    // The two loops below index slices cut to one length, which is what the compiler needs to vectorise them.

    fn add_input_gradient<const RELU: bool>(
        &self,
        dx: &mut [f32],
        x: &[f32],
        dy: &[f32],
        slope: &[f32],
        offset: &[f32],
    ) {
        let n = self.channels();
        let (scale, shift, mean) = (&self.scale[..n], &self.shift[..n], &self.mean[..n]);
        let (slope, offset) = (&slope[..n], &offset[..n]);
        for ((dx, x), dy) in dx.chunks_exact_mut(n).zip(x.chunks_exact(n)).zip(dy.chunks_exact(n)) {
            for c in 0..n {
                let dy = before_relu::<RELU>(dy[c], x[c], scale[c], shift[c]);
                dx[c] += scale[c] * dy - slope[c] * (x[c] - mean[c]) - offset[c];
            }
        }
    }

    fn add_sums<const RELU: bool>(&self, x: &[f32], dy: &[f32], products: &mut [f32], sums: &mut [f32]) {
        let n = self.channels();
        let (scale, shift, mean) = (&self.scale[..n], &self.shift[..n], &self.mean[..n]);
        let (products, sums) = (&mut products[..n], &mut sums[..n]);
        for (x, dy) in x.chunks_exact(n).zip(dy.chunks_exact(n)) {
            for c in 0..n {
                let dy = before_relu::<RELU>(dy[c], x[c], scale[c], shift[c]);
                products[c] += dy * (x[c] - mean[c]);
                sums[c] += dy;
            }
        }
    }
}

/// The gradient before the ReLU, whose sign is computed as [`Affine::apply`] computed it.
#[inline(always)]
fn before_relu<const RELU: bool>(dy: f32, x: f32, scale: f32, shift: f32) -> f32 {
    if RELU && x * scale + shift <= 0.0 { 0.0 } else { dy }
}
