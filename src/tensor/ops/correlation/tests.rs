use super::Correlation;
use crate::tensor::check::{TestDevice, assert_close, check_against_numpy, test_device};
use crate::tensor::{Backend, NoneTape};

#[test]
fn it_agrees_with_numpy() {
    let settings = Correlation { temperature: 2.0, beta: 1.5, gamma: 0.5 };
    check_against_numpy("dist", &[0], |inputs, tape| {
        TestDevice::correlation(&inputs[0], &inputs[1], 4, &settings, tape)
    });
}

#[test]
fn a_case_computed_by_hand() {
    let upload = |values: &[f32]| test_device().upload(values).unwrap();
    let loss = |student: &[f32], teacher: &[f32], beta, gamma| {
        let settings = Correlation { temperature: 3.0, beta, gamma };
        let loss = TestDevice::correlation(&upload(student), &upload(teacher), 2, &settings, &mut NoneTape).unwrap();
        TestDevice::download(&loss)[0]
    };
    // With two classes every row goes up or down: r is 1 or −1. So it is along two images.
    let (up, down) = ([0.0, 1.0, 0.0, 3.0], [0.0, 3.0, 0.0, 1.0]);
    assert_close(&[loss(&up, &down, 2.0, 0.0), loss(&up, &down, 0.0, 1.0)], &[0.0, 9.0 * 2.0], 1e-4);
    // One image: its columns do not vary, which is correlation 0.
    assert_close(&[loss(&[0.0, 1.0], &[1.0, 0.0], 1.0, 0.5)], &[9.0 * (2.0 + 0.5)], 1e-4);
}

/// Two numbers go up or down together: of the columns of two images nothing can be learnt.
#[test]
fn columns_of_two_images_give_no_gradient() {
    let (device, settings) = (test_device(), Correlation { temperature: 3.0, beta: 0.0, gamma: 1.0 });
    let upload = |values: &[f32]| device.upload(values).unwrap();
    let (student, teacher) = (upload(&[0.0, 1.0, 3.0, 0.5, 2.0, -1.0]), upload(&[1.0, 0.2, 2.0, 0.1, 1.5, 0.0]));
    let mut tape = crate::tensor::tape(&device, crate::tensor::Gradients::leaky()).unwrap();
    let loss = TestDevice::correlation(&student, &teacher, 3, &settings, &mut tape).unwrap();
    let gradients = crate::tensor::backward(device.weighted_sum(&[(1.0, loss)], tape).unwrap()).unwrap();
    assert_close(&TestDevice::gradient(&gradients, &student), &[0.0; 6], 1e-5);
}
