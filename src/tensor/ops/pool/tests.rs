use crate::tensor::check::{TestDevice, assert_close, check, normal, test_device};
use crate::tensor::geometry::{Pool, Window};
use crate::tensor::{Backend, NoneTape, backward, tape};

fn cases() -> Vec<Pool> {
    let pool = |batch, input, channels, kernel, stride, padding| Pool {
        batch,
        input,
        channels,
        window: Window { kernel, stride, padding, dilation: [1, 1] },
    };
    vec![
        pool(3, [6, 8], 4, [2, 2], [2, 2], [0, 0]),
        pool(2, [7, 5], 3, [3, 3], [2, 2], [1, 1]),
        pool(5, [5, 9], 1, [3, 2], [1, 3], [1, 0]),
        pool(1, [4, 4], 5, [4, 4], [4, 4], [0, 0]),
    ]
}

fn naive(x: &[f32], geometry: &Pool, join: impl Fn(&[f32], f32) -> f32) -> Vec<f32> {
    let Pool { batch, input: [height, width], channels, window } = *geometry;
    let [lines, positions] = window.positions(geometry.input).unwrap();
    (0..batch * lines * positions * channels)
        .map(|i| {
            let (channel, position, line) = (i % channels, i / channels % positions, i / channels / positions % lines);
            let image = i / channels / positions / lines;
            let mut seen = Vec::new();
            for k in 0..window.kernel[0] {
                for l in 0..window.kernel[1] {
                    let row = (line * window.stride[0] + k).wrapping_sub(window.padding[0]);
                    let column = (position * window.stride[1] + l).wrapping_sub(window.padding[1]);
                    if row < height && column < width {
                        seen.push(x[((image * height + row) * width + column) * channels + channel]);
                    }
                }
            }
            join(&seen, (window.kernel[0] * window.kernel[1]) as f32)
        })
        .collect()
}

#[test]
fn windows_are_pooled_as_by_the_naive_loop_and_gradients_are_right() {
    for geometry in cases() {
        let x = normal("x", geometry.batch * geometry.input[0] * geometry.input[1] * geometry.channels);
        let y = check(std::slice::from_ref(&x), |inputs, tape| TestDevice::max_pool(&inputs[0], &geometry, tape));
        assert_eq!(y, naive(&x, &geometry, |seen, _| seen.iter().copied().fold(f32::NEG_INFINITY, f32::max)));
        let y = check(std::slice::from_ref(&x), |inputs, tape| TestDevice::average_pool(&inputs[0], &geometry, tape));
        assert_close(&y, &naive(&x, &geometry, |seen, size| seen.iter().sum::<f32>() / size), 1e-6);
    }
}

#[test]
fn global_pooling_is_the_mean_and_its_gradient_is_right() {
    for (batch, positions, channels) in [(1, 1, 1), (5, 6, 3), (3, 64, 16)] {
        let x = normal("x", batch * positions * channels);
        let y = check(std::slice::from_ref(&x), |inputs, tape| {
            TestDevice::global_average_pool(&inputs[0], batch, channels, tape)
        });
        let expected: Vec<f32> = (0..batch * channels)
            .map(|i| {
                let image = &x[i / channels * positions * channels..][..positions * channels];
                image.iter().skip(i % channels).step_by(channels).sum::<f32>() / positions as f32
            })
            .collect();
        assert_close(&y, &expected, 1e-6);
    }
}

#[test]
fn of_equal_values_the_first_gets_the_gradient_and_a_nan_is_seen() {
    let device = test_device();
    let geometry = Pool {
        batch: 1,
        input: [2, 2],
        channels: 1,
        window: Window { kernel: [2, 2], stride: [2, 2], padding: [0, 0], dilation: [1, 1] },
    };
    let x = device.upload(&[0.5, 2.0, 2.0, 2.0]).unwrap();
    let mut tape = tape(&device, dfdx::tensor::Gradients::leaky()).unwrap();
    let y = TestDevice::max_pool(&x, &geometry, &mut tape).unwrap();
    let gradients = backward(device.weighted_sum(&[(3.0, y)], tape).unwrap()).unwrap();
    assert_eq!(TestDevice::gradient(&gradients, &x), [0.0, 3.0, 0.0, 0.0]);
    let x = device.upload(&[0.5, f32::NAN, 2.0, 2.0]).unwrap();
    assert!(TestDevice::download(&TestDevice::max_pool(&x, &geometry, &mut NoneTape).unwrap())[0].is_nan());
}

#[test]
fn a_window_that_may_hold_only_padding_is_an_error() {
    let window = Window { kernel: [2, 2], stride: [1, 1], padding: [2, 2], dilation: [1, 1] };
    let x = test_device().upload(&[0.0; 16]).unwrap();
    let geometry = Pool { batch: 1, input: [4, 4], channels: 1, window };
    assert!(TestDevice::max_pool(&x, &geometry, &mut NoneTape).is_err());
    let window = Window { padding: [1, 1], dilation: [5, 5], ..window };
    assert!(TestDevice::max_pool(&x, &Pool { window, ..geometry }, &mut NoneTape).is_err());
}
