use super::Activation;
use crate::tensor::check::{TestDevice, assert_close, check, normal, test_device};
use crate::tensor::{Backend, Gradients, NoneTape, backward, tape};

const ALL: [Activation; 4] = [Activation::Relu6, Activation::Silu, Activation::HardSwish, Activation::Sigmoid];

fn naive(function: Activation, x: f64) -> f64 {
    match function {
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
    }
}

#[test]
fn functions_are_the_formulas_and_their_gradients_are_right() {
    for function in ALL {
        // More values than one share, on both sides of all kinks.
        for count in [1, 7, 20_001] {
            let x: Vec<f32> = normal("x", count).iter().map(|x| 4.0 * x).collect();
            let y = check(std::slice::from_ref(&x), |inputs, tape| TestDevice::activation(&inputs[0], function, tape));
            let expected: Vec<f32> = x.iter().map(|x| naive(function, f64::from(*x)) as f32).collect();
            assert_close(&y, &expected, 1e-6);
            let untaped = TestDevice::activation(&test_device().upload(&x).unwrap(), function, &mut NoneTape).unwrap();
            assert_eq!(TestDevice::download(&untaped), y);
        }
    }
}

#[test]
fn slopes_at_kinks_and_far_out_are_pytorchs() {
    let points = [-200.0, -3.0, 0.0, 3.0, 6.0, 200.0];
    // torch 2.15: y.sum().backward() on these points.
    for (function, expected) in [
        (Activation::Relu6, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]),
        (Activation::Silu, [0.0, -0.088_104, 0.5, 1.088_104, 1.012_326, 1.0]),
        (Activation::HardSwish, [0.0, 0.0, 0.5, 1.0, 1.0, 1.0]),
        (Activation::Sigmoid, [0.0, 0.045_177, 0.25, 0.045_177, 0.002_466, 0.0]),
    ] {
        let device = test_device();
        let x = device.upload(&points).unwrap();
        let mut tape = tape(&device, Gradients::leaky()).unwrap();
        let y = TestDevice::activation(&x, function, &mut tape).unwrap();
        let ones = device.upload(&[1.0; 6]).unwrap();
        let sum = TestDevice::linear(&y, &ones, None, 1, true, &mut tape).unwrap();
        let gradients = backward(device.weighted_sum(&[(1.0, sum)], tape).unwrap()).unwrap();
        assert_close(&TestDevice::gradient(&gradients, &x), &expected, 1e-5);
    }
}

#[test]
fn a_nan_goes_through() {
    for function in ALL {
        let x = test_device().upload(&[f32::NAN]).unwrap();
        assert!(
            TestDevice::download(&TestDevice::activation(&x, function, &mut NoneTape).unwrap())[0].is_nan(),
            "{function:?}"
        );
    }
}
