use crate::tensor::check::{TestDevice, assert_close, check_against_numpy, test_device};
use crate::tensor::{Backend, NoneTape};

#[test]
fn it_agrees_with_numpy() {
    check_against_numpy("sp", &[0], |inputs, tape| TestDevice::similarity(&inputs[0], &inputs[1], 5, tape));
}

#[test]
fn a_case_computed_by_hand_and_no_nan_without_activation() {
    let upload = |values: &[f32]| test_device().upload(values).unwrap();
    // Two equal images have g = 1/√2 everywhere, two that share nothing have the unit matrix.
    let (equal, apart) = (upload(&[2.0, 2.0]), upload(&[3.0, 0.0, 0.0, 4.0]));
    let root = 0.5_f32.sqrt();
    let loss = |a, b| TestDevice::download(&TestDevice::similarity(a, b, 2, &mut NoneTape).unwrap())[0];
    assert_close(&[loss(&equal, &apart)], &[((1.0 - root).powi(2) * 2.0 + 2.0 * 0.5) / 4.0], 1e-6);
    assert_eq!(loss(&apart, &apart), 0.0);
    assert_close(&[loss(&upload(&[0.0, 1.0]), &upload(&[1.0, 0.0]))], &[0.5], 1e-6);
    assert!(TestDevice::similarity(&equal, &apart, 3, &mut NoneTape).is_err());
}
