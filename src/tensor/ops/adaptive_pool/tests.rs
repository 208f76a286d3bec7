use crate::tensor::check::{TestDevice, assert_close, check, normal, test_device};
use crate::tensor::geometry::AdaptivePool;
use crate::tensor::{Backend, NoneTape};

#[test]
fn windows_are_those_of_pytorch_and_the_gradient_is_right() {
    // Smaller, equal and larger outputs; sizes that divide and that do not.
    for (batch, input, output, channels) in [
        (3, [6, 8], [2, 4], 5),
        (2, [7, 5], [3, 2], 3),
        (2, [1, 1], [7, 7], 4),
        (1, [3, 2], [7, 5], 2),
        (2, [4, 4], [4, 4], 1),
        (2, [5, 6], [1, 1], 17),
    ] {
        let geometry = AdaptivePool { batch, input, output, channels };
        let x = normal("x", batch * input[0] * input[1] * channels);
        let y = check(std::slice::from_ref(&x), |inputs, tape| {
            TestDevice::adaptive_average_pool(&inputs[0], &geometry, tape)
        });
        let expected: Vec<f32> = (0..batch * output[0] * output[1] * channels)
            .map(|i| {
                let (channel, pixel) = (i % channels, i / channels);
                let at = [pixel / output[1] % output[0], pixel % output[1]];
                let inside = |axis: usize, index: usize| {
                    let window = at[axis] as f64 * input[axis] as f64 / output[axis] as f64;
                    let end = (at[axis] + 1) as f64 * input[axis] as f64 / output[axis] as f64;
                    (window.floor() as usize..end.ceil() as usize).contains(&index)
                };
                let image = &x[pixel / output[0] / output[1] * input[0] * input[1] * channels..];
                let (mut sum, mut count) = (0.0, 0.0);
                for row in (0..input[0]).filter(|row| inside(0, *row)) {
                    for column in (0..input[1]).filter(|column| inside(1, *column)) {
                        sum += image[(row * input[1] + column) * channels + channel];
                        count += 1.0;
                    }
                }
                sum / count
            })
            .collect();
        assert_close(&y, &expected, 1e-6);
    }
}

#[test]
fn known_values_of_pytorch() {
    // torch.nn.functional.adaptive_avg_pool2d(torch.arange(6.).reshape(1, 1, 2, 3), (3, 2))
    let geometry = AdaptivePool { batch: 1, input: [2, 3], output: [3, 2], channels: 1 };
    let x = test_device().upload(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
    let y = TestDevice::adaptive_average_pool(&x, &geometry, &mut NoneTape).unwrap();
    assert_eq!(TestDevice::download(&y), [0.5, 1.5, 2.0, 3.0, 3.5, 4.5]);
}

#[test]
fn an_empty_output_is_an_error() {
    let x = test_device().upload(&[0.0; 4]).unwrap();
    let geometry = AdaptivePool { batch: 1, input: [2, 2], output: [1, 0], channels: 1 };
    assert!(TestDevice::adaptive_average_pool(&x, &geometry, &mut NoneTape).is_err());
}
