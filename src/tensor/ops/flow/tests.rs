use crate::tensor::check::{TestDevice, assert_close, check_against_numpy, test_device};
use crate::tensor::{Backend, NoneTape};

#[test]
fn it_agrees_with_numpy() {
    check_against_numpy("fsp", &[0, 1], |inputs, tape| {
        TestDevice::flow([&inputs[0], &inputs[1]], [&inputs[2], &inputs[3]], 3, [2, 4], tape)
    });
}

#[test]
fn a_case_computed_by_hand_and_sizes_that_do_not_meet() {
    let upload = |values: &[f32]| test_device().upload(values).unwrap();
    // Two positions of one channel each: G is (1·3 + 2·4) / 2 for the student and 5·6 for the teacher's one position.
    let (a, b, c, d) = (upload(&[1.0, 2.0]), upload(&[3.0, 4.0]), upload(&[5.0]), upload(&[6.0]));
    let loss = TestDevice::flow([&a, &b], [&c, &d], 1, [1, 1], &mut NoneTape).unwrap();
    assert_close(&TestDevice::download(&loss), &[(5.5_f32 - 30.0).powi(2)], 1e-6);
    assert!(TestDevice::flow([&a, &c], [&c, &d], 1, [1, 1], &mut NoneTape).is_err());
}

#[test]
fn a_layer_may_be_both_ends() {
    let x = crate::tensor::check::normal("x", 12);
    let teacher = test_device().upload(&crate::tensor::check::normal("teacher", 12)).unwrap();
    crate::tensor::check::check(&[x], |inputs, tape| {
        TestDevice::flow([&inputs[0], &inputs[0]], [&teacher, &teacher], 2, [3, 3], tape)
    });
}
