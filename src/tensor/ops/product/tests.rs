use crate::tensor::check::{TestDevice, check, normal, test_device};
use crate::tensor::{Backend, NoneTape};

#[test]
fn the_product_and_its_gradients_are_right() {
    for count in [3, 20_001] {
        let (a, b) = (normal("a", count), normal("b", count));
        let y = check(&[a.clone(), b.clone()], |inputs, tape| TestDevice::product(&inputs[0], &inputs[1], tape));
        assert_eq!(y, a.iter().zip(&b).map(|(a, b)| a * b).collect::<Vec<_>>());
    }
}

#[test]
fn a_tensor_may_be_multiplied_by_itself() {
    let x = normal("x", 100);
    let y = check(std::slice::from_ref(&x), |inputs, tape| TestDevice::product(&inputs[0], &inputs[0], tape));
    assert_eq!(y[7], x[7] * x[7]);
}

#[test]
fn factors_of_different_lengths_are_an_error() {
    let device = test_device();
    let (a, b) = (device.upload(&[1.0]).unwrap(), device.upload(&[1.0, 2.0]).unwrap());
    assert!(TestDevice::product(&a, &b, &mut NoneTape).is_err());
}
