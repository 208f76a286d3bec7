use crate::tensor::check::{TestDevice, assert_close, check, normal, test_device};
use crate::tensor::{Backend, Gradients, backward, tape};

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let inputs = [normal("a", 17), normal("b", 5)];
    check(&inputs, |inputs, tape| TestDevice::polarization(&[&inputs[0], &inputs[1]], 0.2, 1.2, tape));
}

#[test]
fn by_hand() {
    // 0, 1 and 3, 4: the mean is 2; Σ|γ| = 8, Σ|γ − 2| = 2 + 1 + 1 + 2 = 6.
    let device = test_device();
    let (a, b) = (device.upload(&[0.0, 1.0]).unwrap(), device.upload(&[3.0, 4.0]).unwrap());
    let mut tape = tape(&device, Gradients::leaky()).unwrap();
    let loss = TestDevice::polarization(&[&a, &b], 0.5, 1.25, &mut tape).unwrap();
    assert_eq!(TestDevice::download(&loss), [0.5 * (1.25 * 8.0 - 6.0)]);
    let gradients = backward(device.weighted_sum(&[(1.0, loss)], tape).unwrap()).unwrap();
    // The signs of γ − 2 are −, −, +, +, whose mean is 0.
    assert_close(&TestDevice::gradient(&gradients, &a), &[0.5, 0.5 * 2.25], 1e-6);
    assert_close(&TestDevice::gradient(&gradients, &b), &[0.5 * 0.25, 0.5 * 0.25], 1e-6);
}

#[test]
fn equal_values_have_only_the_first_part() {
    let device = test_device();
    let x = device.upload(&[0.5; 3]).unwrap();
    let mut tape = tape(&device, Gradients::leaky()).unwrap();
    let loss = TestDevice::polarization(&[&x], 1.0, 1.2, &mut tape).unwrap();
    let gradients = backward(device.weighted_sum(&[(1.0, loss)], tape).unwrap()).unwrap();
    assert_close(&TestDevice::gradient(&gradients, &x), &[1.2; 3], 1e-6);
    let none: Result<_, _> = TestDevice::polarization(&[], 1.0, 1.2, &mut dfdx::prelude::NoneTape);
    assert!(none.is_err());
}
