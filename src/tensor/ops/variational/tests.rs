use crate::tensor::check::{TestDevice, assert_close, check_against_numpy, test_device};
use crate::tensor::{Backend, NoneTape};

#[test]
fn it_agrees_with_numpy() {
    check_against_numpy("vid", &[0, 1], |inputs, tape| {
        TestDevice::variational(&inputs[0], &inputs[1], &inputs[2], tape)
    });
}

#[test]
fn a_case_computed_by_hand_and_scales_far_out() {
    let upload = |values: &[f32]| test_device().upload(values).unwrap();
    let loss = |scale: f32| {
        let (mean, teacher) = (upload(&[1.0, 5.0]), upload(&[3.0, 5.0]));
        TestDevice::download(&TestDevice::variational(&mean, &upload(&[scale]), &teacher, &mut NoneTape).unwrap())[0]
    };
    // softplus(ln(e − 1)) = 1: the mean of ½ 2² and ½ 0².
    assert_close(&[loss((1.0_f32.exp() - 1.0).ln())], &[1.0], 1e-4);
    assert_close(&[loss(200.0)], &[0.5 * 200.0_f32.ln()], 1e-2);
    assert_close(&[loss(-200.0)], &[1e5 + 0.5 * 1e-5_f32.ln()], 1e-3);
    assert!(TestDevice::variational(&upload(&[1.0]), &upload(&[1.0, 2.0]), &upload(&[1.0]), &mut NoneTape).is_err());
}
