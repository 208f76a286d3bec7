use crate::tensor::check::{TestDevice, assert_close, check, normal, test_device};
use crate::tensor::geometry::{Convolution, Window};
use crate::tensor::{Backend, NoneTape, backward, tape};

fn geometry(batch: usize, input: [usize; 2], channels: [usize; 2], window: [[usize; 2]; 3]) -> Convolution {
    let [kernel, stride, padding] = window;
    let [in_channels, out_channels] = channels;
    Convolution {
        batch,
        input,
        in_channels,
        out_channels,
        window: Window { kernel, stride, padding, dilation: [1, 1] },
        groups: 1,
    }
}

fn grouped(groups: usize, dilation: [usize; 2], dense: Convolution) -> Convolution {
    Convolution { groups, window: Window { dilation, ..dense.window }, ..dense }
}

fn naive(x: &[f32], weight: &[f32], bias: &[f32], geometry: &Convolution) -> Vec<f32> {
    let Convolution { batch, input: [height, width], in_channels, out_channels, window, groups } = *geometry;
    let (group_in, group_out) = (in_channels / groups, out_channels / groups);
    let [lines, positions] = window.positions(geometry.input).unwrap();
    let mut y = Vec::new();
    for index in 0..batch * lines * positions * out_channels {
        let (o, position, line) =
            (index % out_channels, index / out_channels % positions, index / out_channels / positions % lines);
        let image = index / out_channels / positions / lines;
        let mut sum = f64::from(bias[o]);
        for k in 0..window.kernel[0] {
            for l in 0..window.kernel[1] {
                let row = (line * window.stride[0] + k * window.dilation[0]).wrapping_sub(window.padding[0]);
                let column = (position * window.stride[1] + l * window.dilation[1]).wrapping_sub(window.padding[1]);
                if row < height && column < width {
                    for c in 0..group_in {
                        let weight = weight[((o * group_in + c) * window.kernel[0] + k) * window.kernel[1] + l];
                        let channel = o / group_out * group_in + c;
                        sum += f64::from(x[((image * height + row) * width + column) * in_channels + channel] * weight);
                    }
                }
            }
        }
        y.push(sum as f32);
    }
    y
}

#[test]
fn convolution_is_the_naive_loop_and_its_gradients_are_right() {
    for (case, geometry) in [
        geometry(6, [7, 9], [5, 7], [[3, 3], [1, 1], [1, 1]]),
        geometry(5, [7, 9], [3, 4], [[3, 3], [2, 2], [1, 1]]),
        geometry(3, [8, 5], [2, 3], [[5, 5], [1, 1], [2, 2]]),
        geometry(3, [6, 6], [6, 4], [[1, 1], [1, 1], [0, 0]]),
        geometry(2, [5, 6], [6, 4], [[1, 1], [2, 2], [0, 0]]),
        geometry(2, [9, 4], [2, 3], [[4, 2], [3, 1], [0, 2]]),
        // The window is larger than the image, and only padding is under some of it.
        geometry(2, [2, 2], [2, 2], [[5, 5], [1, 1], [3, 3]]),
        // More images than groups of the weights' gradient, and the last group is not full; several tiles an image.
        geometry(19, [3, 3], [2, 2], [[3, 3], [1, 1], [1, 1]]),
        geometry(2, [30, 31], [1, 2], [[3, 3], [1, 1], [1, 1]]),
        // Dilated, also so far that whole lines of taps are in the padding.
        grouped(1, [2, 2], geometry(3, [8, 9], [3, 4], [[3, 3], [1, 1], [2, 2]])),
        grouped(1, [1, 3], geometry(2, [5, 8], [2, 3], [[2, 3], [2, 1], [1, 3]])),
        grouped(1, [4, 4], geometry(2, [3, 3], [2, 2], [[3, 3], [1, 1], [4, 4]])),
        // In groups; of one position, with gaps, of one channel in and several out.
        grouped(2, [1, 1], geometry(5, [6, 5], [6, 4], [[3, 3], [1, 1], [1, 1]])),
        grouped(3, [1, 1], geometry(3, [6, 6], [6, 9], [[1, 1], [1, 1], [0, 0]])),
        grouped(2, [2, 1], geometry(2, [9, 6], [4, 6], [[3, 2], [2, 1], [1, 1]])),
        // Depthwise: more images than groups of the weights' gradient; strided; dilated; several outputs a channel.
        grouped(5, [1, 1], geometry(19, [6, 7], [5, 5], [[3, 3], [1, 1], [1, 1]])),
        grouped(20, [1, 1], geometry(2, [9, 8], [20, 20], [[5, 5], [2, 2], [2, 2]])),
        grouped(3, [2, 3], geometry(2, [9, 10], [3, 3], [[3, 3], [1, 1], [2, 3]])),
        grouped(4, [1, 1], geometry(3, [5, 6], [4, 12], [[3, 3], [2, 1], [1, 1]])),
        grouped(6, [1, 1], geometry(2, [4, 4], [6, 6], [[1, 1], [1, 1], [0, 0]])),
        grouped(2, [1, 1], geometry(2, [2, 2], [2, 2], [[5, 5], [1, 1], [3, 3]])),
    ]
    .into_iter()
    .enumerate()
    {
        let Convolution { batch, input, in_channels, out_channels, window, groups } = geometry;
        let x = normal(&format!("x {case}"), batch * input[0] * input[1] * in_channels);
        let weight = normal("weight", out_channels * (in_channels / groups) * window.kernel[0] * window.kernel[1]);
        let bias = normal("bias", out_channels);
        let expected = naive(&x, &weight, &bias, &geometry);
        let y = check(&[x.clone(), weight.clone(), bias], |inputs, tape| {
            TestDevice::convolution(&inputs[0], &inputs[1], Some(&inputs[2]), &geometry, true, tape)
        });
        assert_close(&y, &expected, 1e-5);
        let expected = naive(&x, &weight, &vec![0.0; out_channels], &geometry);
        let y = check(&[x, weight], |inputs, tape| {
            TestDevice::convolution(&inputs[0], &inputs[1], None, &geometry, true, tape)
        });
        assert_close(&y, &expected, 1e-5);
    }
}

#[test]
fn the_other_gradients_are_the_same_without_the_input_gradient() {
    let dense = geometry(18, [5, 5], [4, 4], [[3, 3], [1, 1], [1, 1]]);
    for groups in [1, 2, 4] {
        let geometry = grouped(groups, [1, 1], dense);
        let device = test_device();
        let x = device.upload(&normal("x", 18 * 25 * 4)).unwrap();
        let weight = device.upload(&normal("weight", 4 * 4 / groups * 9)).unwrap();
        let bias = device.upload(&normal("bias", 4)).unwrap();
        let [with, without] = [true, false].map(|input_gradient| {
            let mut tape = tape(&device, dfdx::tensor::Gradients::leaky()).unwrap();
            let y = TestDevice::convolution(&x, &weight, Some(&bias), &geometry, input_gradient, &mut tape).unwrap();
            let loss = TestDevice::absolute_sum(&y, 1.0, &mut tape).unwrap();
            let gradients = backward(device.weighted_sum(&[(1.0, loss)], tape).unwrap()).unwrap();
            [&weight, &bias].map(|tensor| TestDevice::gradient(&gradients, tensor))
        });
        assert_eq!(with, without);
        assert!(with.iter().flatten().any(|value| *value != 0.0));
    }
}

#[test]
fn wrong_sizes_are_an_error() {
    let device = test_device();
    let geometry = geometry(1, [3, 3], [1, 1], [[5, 5], [1, 1], [0, 0]]);
    let (x, weight) = (device.upload(&[0.0; 9]).unwrap(), device.upload(&[0.0; 25]).unwrap());
    let error = TestDevice::convolution(&x, &weight, None, &geometry, true, &mut NoneTape).unwrap_err();
    assert!(error.message.contains("does not fit"), "{error}");
    let error = TestDevice::convolution(&weight, &weight, None, &geometry, true, &mut NoneTape).unwrap_err();
    assert!(error.message.contains("25 values"), "{error}");
    for groups in [0, 2] {
        let error =
            TestDevice::convolution(&x, &weight, None, &Convolution { groups, ..geometry }, true, &mut NoneTape);
        assert!(error.unwrap_err().message.contains("do not divide"));
    }
}
