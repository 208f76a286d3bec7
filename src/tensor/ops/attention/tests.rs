use crate::tensor::check::{TestDevice, assert_close, check, check_against_numpy, normal, test_device};
use crate::tensor::{Backend, NoneTape};

#[test]
fn it_agrees_with_numpy() {
    check_against_numpy("attention", &[0], |inputs, tape| TestDevice::attention(&inputs[0], &inputs[1], 3, 6, tape));
}

#[test]
fn a_case_computed_by_hand() {
    // Mean squares (9, 16) of the student become (9, 16) / √337, those of the teacher, (1, 0), stay; one image, two positions.
    let student = test_device().upload(&[3.0, 3.0, -4.0, 4.0]).unwrap();
    let teacher = test_device().upload(&[1.0, 0.0]).unwrap();
    let norm = 337.0_f32.sqrt();
    let expected = ((9.0 / norm - 1.0).powi(2) + (16.0 / norm).powi(2)) / 2.0;
    let loss = TestDevice::attention(&student, &teacher, 1, 2, &mut NoneTape).unwrap();
    assert_close(&TestDevice::download(&loss), &[expected], 1e-6);
    assert!(TestDevice::attention(&student, &teacher, 3, 2, &mut NoneTape).is_err());
}

#[test]
fn an_image_without_activation_gives_no_nan() {
    let mut student = normal("student", 2 * 3 * 4);
    student[..12].fill(0.0);
    let teacher = normal("teacher", 2 * 3 * 2);
    let device = test_device();
    let mut tape = crate::tensor::tape(&device, crate::tensor::Gradients::leaky()).unwrap();
    let (x, y) = (device.upload(&student).unwrap(), device.upload(&teacher).unwrap());
    let loss = TestDevice::attention(&x, &y, 2, 3, &mut tape).unwrap();
    let gradients = crate::tensor::backward(device.weighted_sum(&[(1.0, loss)], tape).unwrap()).unwrap();
    let gradient = TestDevice::gradient(&gradients, &x);
    assert!(gradient[..12].iter().all(|g| *g == 0.0) && gradient[12..].iter().any(|g| *g != 0.0));
    // And nothing of the teacher's is taken for the student's.
    check(&[normal("other", 2 * 3 * 5)], |inputs, tape| TestDevice::attention(&inputs[0], &y, 2, 3, tape));
}
