use crate::tensor::check::{TestDevice, check, normal, test_device};
use crate::tensor::{Backend, NoneTape};

#[test]
fn relu_keeps_the_positive_and_its_gradient_is_right() {
    // More values than one share.
    for count in [1, 5, 40_000] {
        let x = normal("x", count);
        let y = check(std::slice::from_ref(&x), |inputs, tape| TestDevice::relu(&inputs[0], tape));
        assert_eq!(y, x.iter().map(|x| x.max(0.0)).collect::<Vec<_>>());
        let untaped = TestDevice::relu(&test_device().upload(&x).unwrap(), &mut NoneTape).unwrap();
        assert_eq!(TestDevice::download(&untaped), y);
    }
}

#[test]
fn a_nan_goes_through() {
    let x = test_device().upload(&[f32::NAN, -1.0, 0.0]).unwrap();
    let y = TestDevice::download(&TestDevice::relu(&x, &mut NoneTape).unwrap());
    assert!(y[0].is_nan() && y[1..] == [0.0, 0.0]);
}
