//! The steps that are neither a convolution nor a normalization. All work image by image or in fixed shares.

use rayon::prelude::*;

use crate::tensor::engine::{After, Operation};
use crate::tensor::ops::adaptive_pool::cpu::each_window;
use crate::tensor::ops::concatenate::cpu::starts;
use crate::tensor::ops::pad_shortcut::cpu::each_pixel;
use crate::tensor::ops::pool::cpu::each_pair;
use crate::tensor::ops::scale::cpu::multiply_runs;
use crate::tensor::partition::{ELEMENTS, add, add_scaled, rows_per_share};
use crate::tensor::simd::map;

/// Computes a step's output. `factors` are of [`Operation::Scale`].
pub(super) fn forward(operation: &Operation, inputs: &[&[f32]], factors: Option<&[f32]>, y: &mut [f32], batch: usize) {
    let x = inputs[0];
    let (in_image, out_image) = (x.len() / batch, y.len() / batch);
    let mut images = |work: &(dyn Fn(&mut [f32], &[f32]) + Sync)| {
        y_images(&mut *y, out_image, x, in_image, work);
    };
    match operation {
        Operation::Apply(after) => {
            y.par_chunks_mut(ELEMENTS).zip(x.par_chunks(ELEMENTS)).for_each(|(y, x)| {
                y.copy_from_slice(x);
                map::apply(y, (*after).into());
            });
        }
        Operation::Add(after) => {
            y.par_chunks_mut(ELEMENTS).zip(x.par_chunks(ELEMENTS)).zip(inputs[1].par_chunks(ELEMENTS)).for_each(
                |((y, a), b)| {
                    y.copy_from_slice(a);
                    map::give(y, b, true);
                    map::apply(y, (*after).into());
                },
            );
        }
        Operation::Product => {
            y.par_chunks_mut(ELEMENTS).zip(x.par_chunks(ELEMENTS)).zip(inputs[1].par_chunks(ELEMENTS)).for_each(
                |((y, a), b)| {
                    y.fill(0.0);
                    map::add_products(y, a, b);
                },
            );
        }
        Operation::Gate { channels } => {
            let work = y.par_chunks_mut(out_image).zip(x.par_chunks(in_image)).zip(inputs[1].par_chunks(*channels));
            work.for_each(|((y, x), gate)| map::times_row(y, x, gate, false));
        }
        Operation::Concatenate { channels } => {
            let all: usize = channels.iter().sum();
            let share = rows_per_share(all);
            for ((input, channels), start) in inputs.iter().zip(channels).zip(starts(channels)) {
                y.par_chunks_mut(share * all).zip(input.par_chunks(share * channels)).for_each(|(y, x)| {
                    for (y, x) in y.chunks_exact_mut(all).zip(x.chunks_exact(*channels)) {
                        y[start..][..*channels].copy_from_slice(x);
                    }
                });
            }
        }
        Operation::MaxPool(pool) => {
            let Some(output) = pool.window.positions(pool.input) else { return };
            images(&|y, x| {
                y.fill(f32::NEG_INFINITY);
                each_pair(pool, output, |to, from| {
                    let y = &mut y[to * pool.channels..][..pool.channels];
                    // NaN wins.
                    for (y, x) in y.iter_mut().zip(&x[from * pool.channels..]) {
                        *y = if *x <= *y || y.is_nan() { *y } else { *x };
                    }
                });
            });
        }
        Operation::AveragePool(pool) => {
            let Some(output) = pool.window.positions(pool.input) else { return };
            let share = 1.0 / (pool.window.kernel[0] * pool.window.kernel[1]) as f32;
            let n = pool.channels;
            images(&|y, x| {
                y.fill(0.0);
                each_pair(pool, output, |to, from| add(&mut y[to * n..][..n], &x[from * n..][..n]));
                y.iter_mut().for_each(|y| *y *= share);
            });
        }
        Operation::GlobalAveragePool { channels } => {
            let share = *channels as f32 / in_image as f32;
            images(&|y, x| {
                y.fill(0.0);
                x.chunks_exact(*channels).for_each(|row| add(y, row));
                y.iter_mut().for_each(|y| *y *= share);
            });
        }
        Operation::AdaptiveAveragePool(pool) => {
            let n = pool.channels;
            images(&|y, x| {
                each_window(pool, |to, pixels, share| {
                    let y = &mut y[to * n..][..n];
                    y.fill(0.0);
                    pixels.for_each(|from| add(y, &x[from * n..][..n]));
                    y.iter_mut().for_each(|y| *y *= share);
                });
            });
        }
        Operation::Flatten { channels } => {
            let positions = in_image / channels;
            images(&|y, x| {
                for (channel, y) in y.chunks_exact_mut(positions).enumerate() {
                    y.iter_mut().zip(x.iter().skip(channel).step_by(*channels)).for_each(|(y, x)| *y = *x);
                }
            });
        }
        Operation::PadShortcut(padding) => {
            let n = padding.in_channels;
            images(&|y, x| {
                y.fill(0.0);
                each_pixel(padding, |from, to| y[to..][..n].copy_from_slice(&x[from..][..n]));
            });
        }
        Operation::Scale { run } => {
            y.copy_from_slice(x);
            if let Some(factors) = factors {
                multiply_runs(y, factors, *run);
            }
        }
        Operation::Convolution { .. } | Operation::Linear { .. } | Operation::Normalize { .. } => {}
    }
}

/// Runs `work` on every image of output and input.
fn y_images(y: &mut [f32], out_image: usize, x: &[f32], in_image: usize, work: &(dyn Fn(&mut [f32], &[f32]) + Sync)) {
    y.par_chunks_mut(out_image).zip(x.par_chunks(in_image)).for_each(|(y, x)| work(y, x));
}

/// Gives the gradient `g` of the output on to input number `input`, whose gradient `dx` is written, or added to if `sum`.
/// `g` may be changed only in ways that another call for the same step does not mind.
pub(super) fn backward(
    operation: &Operation,
    input: usize,
    (inputs, y): (&[&[f32]], &[f32]),
    factors: Option<&[f32]>,
    g: &mut [f32],
    (dx, sum): (&mut [f32], bool),
    batch: usize,
) {
    let (in_image, out_image) = (dx.len() / batch, g.len() / batch);
    let elementwise =
        matches!(operation, Operation::Apply(_) | Operation::Add(_) | Operation::Product | Operation::Scale { .. });
    if !sum && !elementwise {
        dx.par_chunks_mut(ELEMENTS).for_each(|dx| dx.fill(0.0));
    }
    match operation {
        Operation::Apply(after) => {
            g.par_chunks_mut(ELEMENTS).zip(inputs[0].par_chunks(ELEMENTS)).zip(dx.par_chunks_mut(ELEMENTS)).for_each(
                |((g, x), dx)| {
                    map::weigh(g, x, (*after).into());
                    map::give(dx, g, sum);
                },
            );
        }
        Operation::Add(after) => {
            g.par_chunks_mut(ELEMENTS).zip(y.par_chunks(ELEMENTS)).zip(dx.par_chunks_mut(ELEMENTS)).for_each(
                |((g, y), dx)| {
                    // Twice does not matter: where y is zero, g is set to zero. Nothing else follows a sum.
                    if *after == After::Relu {
                        map::weigh(g, y, (*after).into());
                    }
                    map::give(dx, g, sum);
                },
            );
        }
        Operation::Product => {
            let other = inputs[1 - input];
            dx.par_chunks_mut(ELEMENTS).zip(g.par_chunks(ELEMENTS)).zip(other.par_chunks(ELEMENTS)).for_each(
                |((dx, g), other)| {
                    if !sum {
                        dx.fill(0.0);
                    }
                    map::add_products(dx, g, other);
                },
            );
        }
        Operation::Gate { channels } if input == 0 => {
            dx.par_chunks_mut(in_image)
                .zip(g.par_chunks(out_image))
                .zip(inputs[1].par_chunks(*channels))
                .for_each(|((dx, g), gate)| map::times_row(dx, g, gate, true));
        }
        Operation::Gate { channels } => {
            dx.par_chunks_mut(*channels)
                .zip(g.par_chunks(out_image))
                .zip(inputs[0].par_chunks(out_image))
                .for_each(|((dgate, g), x)| map::sum_products(dgate, g, x));
        }
        Operation::Concatenate { channels } => {
            let all: usize = channels.iter().sum();
            let share = rows_per_share(all);
            let (own, start) = (channels[input], starts(channels).nth(input).unwrap_or_default());
            dx.par_chunks_mut(share * own).zip(g.par_chunks(share * all)).for_each(|(dx, g)| {
                let rows = dx.chunks_exact_mut(own).zip(g.chunks_exact(all));
                rows.for_each(|(dx, g)| add(dx, &g[start..][..own]));
            });
        }
        Operation::MaxPool(pool) => {
            let Some(output) = pool.window.positions(pool.input) else { return };
            let n = pool.channels;
            let work = dx.par_chunks_mut(in_image).zip(g.par_chunks_mut(out_image));
            let work = work.zip(inputs[0].par_chunks(in_image)).zip(y.par_chunks(out_image));
            work.for_each(|(((dx, g), x), y)| {
                // The first that is the largest takes all; then its gradient is spent.
                each_pair(pool, output, |from, to| {
                    for c in 0..n {
                        let (from, to) = (from * n + c, to * n + c);
                        if x[to] == y[from] {
                            dx[to] += g[from];
                            g[from] = 0.0;
                        }
                    }
                });
            });
        }
        Operation::AveragePool(pool) => {
            let Some(output) = pool.window.positions(pool.input) else { return };
            let share = 1.0 / (pool.window.kernel[0] * pool.window.kernel[1]) as f32;
            let n = pool.channels;
            dx.par_chunks_mut(in_image).zip(g.par_chunks(out_image)).for_each(|(dx, g)| {
                each_pair(pool, output, |from, to| add_scaled(&mut dx[to * n..][..n], share, &g[from * n..][..n]));
            });
        }
        Operation::GlobalAveragePool { channels } => {
            let share = *channels as f32 / in_image as f32;
            dx.par_chunks_mut(in_image).zip(g.par_chunks(out_image)).for_each(|(dx, g)| {
                dx.chunks_exact_mut(*channels).for_each(|row| add_scaled(row, share, g));
            });
        }
        Operation::AdaptiveAveragePool(pool) => {
            let n = pool.channels;
            dx.par_chunks_mut(in_image).zip(g.par_chunks(out_image)).for_each(|(dx, g)| {
                each_window(pool, |from, pixels, share| {
                    let g = &g[from * n..][..n];
                    pixels.for_each(|to| add_scaled(&mut dx[to * n..][..n], share, g));
                });
            });
        }
        Operation::Flatten { channels } => {
            let positions = in_image / channels;
            dx.par_chunks_mut(in_image).zip(g.par_chunks(out_image)).for_each(|(dx, g)| {
                for (channel, g) in g.chunks_exact(positions).enumerate() {
                    dx.iter_mut().skip(channel).step_by(*channels).zip(g).for_each(|(dx, g)| *dx += g);
                }
            });
        }
        Operation::PadShortcut(padding) => {
            let n = padding.in_channels;
            dx.par_chunks_mut(in_image).zip(g.par_chunks(out_image)).for_each(|(dx, g)| {
                each_pixel(padding, |to, from| add(&mut dx[to..][..n], &g[from..][..n]));
            });
        }
        Operation::Scale { run } => {
            if let Some(factors) = factors {
                multiply_runs(g, factors, *run);
            }
            dx.par_chunks_mut(ELEMENTS).zip(g.par_chunks(ELEMENTS)).for_each(|(dx, g)| map::give(dx, g, sum));
        }
        Operation::Convolution { .. } | Operation::Linear { .. } | Operation::Normalize { .. } => {}
    }
}
