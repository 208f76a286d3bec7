use crate::tensor::check::{TestDevice, assert_close, check, normal, test_device};
use crate::tensor::{Backend, Gradients, backward, tape};

#[test]
fn the_sum_and_its_gradient_are_right() {
    let x = normal("x", 1001);
    let sum = check(std::slice::from_ref(&x), |inputs, tape| TestDevice::absolute_sum(&inputs[0], 0.1, tape));
    assert_close(&sum, &[0.1 * x.iter().map(|x| x.abs()).sum::<f32>()], 1e-5);
}

#[test]
fn zero_gets_no_gradient() {
    let device = test_device();
    let x = device.upload(&[0.0, -0.0, 2.0, -3.0]).unwrap();
    let mut tape = tape(&device, Gradients::leaky()).unwrap();
    let loss = TestDevice::absolute_sum(&x, 0.5, &mut tape).unwrap();
    let gradients = backward(device.weighted_sum(&[(1.0, loss)], tape).unwrap()).unwrap();
    assert_eq!(TestDevice::gradient(&gradients, &x), [0.0, 0.0, 0.5, -0.5]);
}
