use crate::tensor::check::{TestDevice, check, normal, test_device};
use crate::tensor::{Backend, NoneTape};

#[test]
fn the_sum_and_its_gradients_are_right() {
    for count in [3, 20_001] {
        let (a, b) = (normal("a", count), normal("b", count));
        for relu in [false, true] {
            let y = check(&[a.clone(), b.clone()], |inputs, tape| TestDevice::add(&inputs[0], &inputs[1], relu, tape));
            let rectify = |sum: f32| if relu { sum.max(0.0) } else { sum };
            assert_eq!(y, a.iter().zip(&b).map(|(a, b)| rectify(a + b)).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_tensor_may_be_added_to_itself() {
    let x = normal("x", 100);
    for relu in [false, true] {
        let y = check(std::slice::from_ref(&x), |inputs, tape| TestDevice::add(&inputs[0], &inputs[0], relu, tape));
        assert_eq!(y[7], if relu { (2.0 * x[7]).max(0.0) } else { 2.0 * x[7] });
    }
}

#[test]
fn terms_of_different_lengths_are_an_error() {
    let device = test_device();
    let (a, b) = (device.upload(&[1.0]).unwrap(), device.upload(&[1.0, 2.0]).unwrap());
    assert!(TestDevice::add(&a, &b, false, &mut NoneTape).is_err());
}
