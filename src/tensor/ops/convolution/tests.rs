use crate::tensor::check::{assert_close, check, normal};
use crate::tensor::geometry::{Convolution, Window};
use crate::tensor::{Backend, Cpu, NoneTape, backward, tape};

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

fn naive(x: &[f32], weight: &[f32], bias: &[f32], geometry: &Convolution) -> Vec<f32> {
    let Convolution { batch, input: [height, width], in_channels, out_channels, window, .. } = *geometry;
    let [lines, positions] = window.positions(geometry.input).unwrap();
    let mut y = Vec::new();
    for index in 0..batch * lines * positions * out_channels {
        let (o, position, line) =
            (index % out_channels, index / out_channels % positions, index / out_channels / positions % lines);
        let image = index / out_channels / positions / lines;
        let mut sum = f64::from(bias[o]);
        for k in 0..window.kernel[0] {
            for l in 0..window.kernel[1] {
                let row = (line * window.stride[0] + k).wrapping_sub(window.padding[0]);
                let column = (position * window.stride[1] + l).wrapping_sub(window.padding[1]);
                if row < height && column < width {
                    for c in 0..in_channels {
                        let weight = weight[((o * in_channels + c) * window.kernel[0] + k) * window.kernel[1] + l];
                        sum += f64::from(x[((image * height + row) * width + column) * in_channels + c] * weight);
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
    ]
    .into_iter()
    .enumerate()
    {
        let Convolution { batch, input, in_channels, out_channels, window, .. } = geometry;
        let x = normal(&format!("x {case}"), batch * input[0] * input[1] * in_channels);
        let weight = normal("weight", out_channels * in_channels * window.kernel[0] * window.kernel[1]);
        let bias = normal("bias", out_channels);
        let expected = naive(&x, &weight, &bias, &geometry);
        let y = check(&[x.clone(), weight.clone(), bias], |inputs, tape| {
            Cpu::convolution(&inputs[0], &inputs[1], Some(&inputs[2]), &geometry, true, tape)
        });
        assert_close(&y, &expected, 1e-5);
        let expected = naive(&x, &weight, &vec![0.0; out_channels], &geometry);
        let y =
            check(&[x, weight], |inputs, tape| Cpu::convolution(&inputs[0], &inputs[1], None, &geometry, true, tape));
        assert_close(&y, &expected, 1e-5);
    }
}

#[test]
fn the_weight_gradient_is_the_same_without_the_input_gradient() {
    let geometry = geometry(18, [5, 5], [3, 4], [[3, 3], [1, 1], [1, 1]]);
    let device = Cpu::default();
    let x = device.upload(&normal("x", 18 * 25 * 3)).unwrap();
    let weight = device.upload(&normal("weight", 3 * 4 * 9)).unwrap();
    let [with, without] = [true, false].map(|input_gradient| {
        let mut tape = tape(&device, dfdx::tensor::Gradients::leaky()).unwrap();
        let y = Cpu::convolution(&x, &weight, None, &geometry, input_gradient, &mut tape).unwrap();
        let loss = Cpu::absolute_sum(&y, 1.0, &mut tape).unwrap();
        Cpu::gradient(&backward(device.weighted_sum(&[(1.0, loss)], tape).unwrap()).unwrap(), &weight)
    });
    assert_eq!(with, without);
    assert!(with.iter().any(|value| *value != 0.0));
}

#[test]
fn wrong_sizes_are_an_error() {
    let device = Cpu::default();
    let geometry = geometry(1, [3, 3], [1, 1], [[5, 5], [1, 1], [0, 0]]);
    let (x, weight) = (device.upload(&[0.0; 9]).unwrap(), device.upload(&[0.0; 25]).unwrap());
    let error = Cpu::convolution(&x, &weight, None, &geometry, true, &mut NoneTape).unwrap_err();
    assert!(error.message.contains("does not fit"), "{error}");
    let error = Cpu::convolution(&weight, &weight, None, &geometry, true, &mut NoneTape).unwrap_err();
    assert!(error.message.contains("25 values"), "{error}");
}
