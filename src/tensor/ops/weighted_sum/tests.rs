use crate::tensor::check::{TestDevice, test_device};
use crate::tensor::{Backend, Gradients, NoneTape, backward, tape};

#[test]
fn terms_are_weighted_and_a_term_may_come_twice() {
    let device = test_device();
    let (a, b) = (device.upload(&[2.0]).unwrap(), device.upload(&[3.0]).unwrap());
    let tape = tape(&device, Gradients::leaky()).unwrap();
    let loss = device.weighted_sum(&[(0.5, a.clone()), (2.0, b.clone()), (4.0, a.clone())], tape).unwrap();
    assert_eq!(dfdx::prelude::AsArray::array(&loss), 15.0);
    let gradients = backward(loss).unwrap();
    assert_eq!((TestDevice::gradient(&gradients, &a), TestDevice::gradient(&gradients, &b)), (vec![4.5], vec![2.0]));
}

#[test]
fn a_term_of_more_than_one_number_is_an_error() {
    let device = test_device();
    let term = device.upload(&[1.0, 2.0]).unwrap();
    assert!(device.weighted_sum(&[(1.0, term)], NoneTape).is_err());
}
