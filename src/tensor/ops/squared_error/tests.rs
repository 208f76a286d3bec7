use crate::tensor::check::{TestDevice, assert_close, check_against_numpy, test_device};
use crate::tensor::{Backend, NoneTape};

#[test]
fn it_agrees_with_numpy() {
    check_against_numpy("squared_error", &[0], |inputs, tape| TestDevice::squared_error(&inputs[0], &inputs[1], tape));
}

#[test]
fn it_is_a_mean_and_sizes_must_be_equal() {
    let upload = |values: &[f32]| test_device().upload(values).unwrap();
    let loss = TestDevice::squared_error(&upload(&[1.0, 2.0]), &upload(&[3.0, 5.0]), &mut NoneTape).unwrap();
    assert_close(&TestDevice::download(&loss), &[6.5], 1e-6);
    assert!(TestDevice::squared_error(&upload(&[1.0, 2.0]), &upload(&[3.0]), &mut NoneTape).is_err());
}
