use crate::tensor::check::{TestDevice, check, normal, test_device};
use crate::tensor::{Backend, NoneTape};

#[test]
fn runs_are_scaled_and_the_gradient_is_right() {
    for (count, run) in [(1, 1), (20_001, 1), (5, 7), (3, 20_000)] {
        let (x, factors) = (normal("x", count * run), normal("factors", count));
        let constants = test_device().upload(&factors).unwrap();
        let y = check(std::slice::from_ref(&x), |inputs, tape| TestDevice::scale(&inputs[0], &constants, run, tape));
        assert_eq!(y, x.iter().enumerate().map(|(i, x)| x * factors[i / run]).collect::<Vec<_>>());
    }
}

#[test]
fn factors_that_do_not_fit_are_an_error() {
    let device = test_device();
    let (x, factors) = (device.upload(&[1.0; 12]).unwrap(), device.upload(&[1.0; 4]).unwrap());
    assert!(TestDevice::scale(&x, &factors, 4, &mut NoneTape).is_err());
    assert!(TestDevice::scale(&x, &factors, 0, &mut NoneTape).is_err());
}
