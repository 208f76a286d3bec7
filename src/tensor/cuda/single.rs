//! One operation of a network by itself, on the tape: what [`Backend`](crate::tensor::Backend) asks for besides engines.
//!
//! The kernels are those of the engine; here every operation has tensors of its own.

use dfdx::tensor::Cuda;

use super::launch::Pointer;
use super::recording::{device, expect_length, pointer, record, record_all, zeros};
use crate::error::{Error, Kind, Result};
use crate::tensor::backend::length;
use crate::tensor::engine::cuda::steps::{self, Values};
use crate::tensor::engine::{After, Operation, Precision};
use crate::tensor::geometry::{Convolution, Window};
use crate::tensor::ops::batch_norm::cuda::Kernel as Normalize;
use crate::tensor::ops::batch_norm::{BatchStatistics, Normalization};
use crate::tensor::ops::convolution::cuda::{self as convolution, Kernel};
use crate::tensor::{Flat, Tape};

/// Any operation but a convolution, a linear layer and a normalization: from `inputs` to `count` numbers for `batch` images.
pub(super) fn step<T: Tape<f32, Cuda>>(
    operation: Operation,
    inputs: &[&Flat<Cuda>],
    factors: Option<&Flat<Cuda>>,
    count: usize,
    batch: usize,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let y = zeros(&device(inputs[0]), count)?;
    let own: Vec<Flat<Cuda>> = inputs.iter().map(|input| (*input).clone()).collect();
    let places = own.iter().map(|input| Ok((pointer(input)?, length(input)))).collect::<Result<Vec<_>>>()?;
    let factors_place = factors.map_or(Ok(Pointer::NONE), pointer)?;
    let y_place = pointer(&y)?;
    let values = Values { inputs: &places, output: (y_place, count), factors: factors_place, batch };
    steps::forward(&operation, values)?;
    let inputs: Vec<_> = inputs.iter().map(|input| Some(*input)).collect();
    // The tensors are kept until the way back.
    let kept = (own, factors.cloned(), y.clone());
    record_all(tape, &inputs, &y, move |g, gradients| {
        let _kept = kept;
        let values = Values { inputs: &places, output: (y_place, count), factors: factors_place, batch };
        let mut each = gradients.iter().enumerate();
        each.try_for_each(|(input, dx)| steps::backward(&operation, input, values, g, (*dx, true)))
    });
    Ok(y)
}

/// See [`crate::tensor::ops::convolution`].
pub(super) fn convolution<T: Tape<f32, Cuda>>(
    x: &Flat<Cuda>,
    weight: &Flat<Cuda>,
    bias: Option<&Flat<Cuda>>,
    geometry: &Convolution,
    input_gradient: bool,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let Convolution { batch, input: [height, width], in_channels, out_channels, window, groups } = *geometry;
    expect_length("a convolution's input", x, &[batch, height, width, in_channels])?;
    if groups == 0 || in_channels % groups != 0 || out_channels % groups != 0 {
        return Err(Error::new(Kind::Internal, format!("groups that do not divide the channels: {geometry:?}")));
    }
    let kernel = Kernel::new(geometry, Precision::F32).ok_or_else(|| convolution::unfit(geometry))?;
    let dims = [out_channels, in_channels / groups, window.kernel[0], window.kernel[1]];
    expect_length("a convolution's weight", weight, &dims)?;
    if let Some(bias) = bias {
        expect_length("a convolution's bias", bias, &[out_channels])?;
    }
    let device = device(x);
    let packed = zeros(&device, kernel.packed().max(1))?;
    let [lines, positions] = kernel.output();
    let y = zeros(&device, batch * lines * positions * out_channels)?;
    let [x_place, y_place, weight_place] = [pointer(x)?, pointer(&y)?, pointer(weight)?];
    let weights = [weight_place, pointer(&packed)?];
    kernel.pack(weight_place, weights[1])?;
    kernel.forward(batch, x_place, weights, bias.map_or(Ok(Pointer::NONE), pointer)?, y_place)?;
    let kept = (x.clone(), weight.clone(), packed);
    record(tape, [input_gradient.then_some(x), Some(weight), bias], &y, move |dy, [dx, dweight, dbias]| {
        let _kept = kept;
        let workspace = zeros(&device, kernel.workspace(batch))?;
        let workspace_place = pointer(&workspace)?;
        kernel.backward_weights(batch, x_place, dy, dweight, workspace_place)?;
        if dbias != Pointer::NONE {
            kernel.backward_bias(batch, dy, dbias, workspace_place)?;
        }
        if dx != Pointer::NONE {
            kernel.backward_input(batch, dy, weights, dx, true)?;
        }
        Ok(())
    });
    Ok(y)
}

/// See [`crate::tensor::ops::linear`].
pub(super) fn linear<T: Tape<f32, Cuda>>(
    x: &Flat<Cuda>,
    weight: &Flat<Cuda>,
    bias: Option<&Flat<Cuda>>,
    batch: usize,
    input_gradient: bool,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let in_features = length(x) / batch.max(1);
    let out_features = length(weight) / in_features.max(1);
    expect_length("a linear layer's input", x, &[batch, in_features])?;
    expect_length("a linear layer's weight", weight, &[out_features, in_features])?;
    if let Some(bias) = bias {
        expect_length("a linear layer's bias", bias, &[out_features])?;
    }
    convolution(x, weight, bias, &as_convolution(batch, [in_features, out_features]), input_gradient, tape)
}

/// A linear layer is a convolution of images of one pixel.
pub(crate) fn as_convolution(batch: usize, [in_channels, out_channels]: [usize; 2]) -> Convolution {
    let window = Window { kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] };
    Convolution { batch, input: [1, 1], in_channels, out_channels, window, groups: 1 }
}

/// See [`crate::tensor::ops::batch_norm`]. `given` are the running statistics, if these are to be used.
pub(super) fn normalize<T: Tape<f32, Cuda>>(
    x: &Flat<Cuda>,
    [weight, bias]: [&Flat<Cuda>; 2],
    given: Option<[&Flat<Cuda>; 2]>,
    settings: &Normalization,
    tape: &mut T,
) -> Result<(Flat<Cuda>, BatchStatistics<Cuda>)> {
    let Normalization { channels, epsilon, relu } = *settings;
    let rows = length(x) / channels.max(1);
    expect_length("a normalization's input", x, &[rows, channels])?;
    for parameter in [weight, bias].into_iter().chain(given.into_iter().flatten()) {
        expect_length("a normalization's parameter", parameter, &[channels])?;
    }
    let after = if relu { After::Relu } else { After::Nothing };
    let (kernel, device) = (Normalize { channels, epsilon, after }, device(x));
    let (tables, workspace) = (zeros(&device, kernel.tables())?, zeros(&device, kernel.workspace(rows))?);
    let [x_place, tables_place, workspace_place] = [pointer(x)?, pointer(&tables)?, pointer(&workspace)?];
    let (mean, variance) = match given {
        Some([mean, variance]) => (mean.clone(), variance.clone()),
        None => (zeros(&device, channels)?, zeros(&device, channels)?),
    };
    let statistics = [pointer(&mean)?, pointer(&variance)?];
    if given.is_none() {
        kernel.measure(x_place, rows, statistics, workspace_place)?;
    }
    kernel.settle(statistics, [pointer(weight)?, pointer(bias)?], tables_place)?;
    let y = zeros(&device, length(x))?;
    kernel.apply(x_place, rows, tables_place, Pointer::NONE, pointer(&y)?)?;
    let (kept, through) = ((x.clone(), tables, workspace), given.is_none());
    record(tape, [Some(x), Some(weight), Some(bias)], &y, move |g, [dx, dweight, dbias]| {
        let _kept = kept;
        let none = (Pointer::NONE, Pointer::NONE, false);
        kernel.gather(g, x_place, rows, tables_place, none, [dweight, dbias], through, workspace_place)?;
        kernel.back(g, x_place, rows, tables_place, dx, true)
    });
    Ok((y, BatchStatistics { mean, variance, count: rows }))
}
