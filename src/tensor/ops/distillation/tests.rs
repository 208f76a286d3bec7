use crate::tensor::check::{TestDevice, assert_close, check, check_against_numpy, normal, test_device};
use crate::tensor::{Backend, NoneTape};

fn loss(student: &[f32], teacher: &[f32], classes: usize, temperature: f32) -> f32 {
    let device = test_device();
    let (student, teacher) = (device.upload(student).unwrap(), device.upload(teacher).unwrap());
    TestDevice::download(&TestDevice::distillation(&student, &teacher, classes, temperature, &mut NoneTape).unwrap())[0]
}

#[test]
fn a_case_computed_by_hand() {
    // At T = 2 the teacher's logits 2 ln 3 and 0 give (3/4, 1/4), the student's 0 and 0 give (1/2, 1/2):
    // KL = 3/4 ln(3/2) + 1/4 ln(1/2), times T² = 4.
    let teacher = [2.0 * 3.0_f32.ln(), 0.0];
    let expected = 4.0 * (0.75 * 1.5_f32.ln() + 0.25 * 0.5_f32.ln());
    assert_close(&[loss(&[0.0, 0.0], &teacher, 2, 2.0)], &[expected], 1e-6);
    // The mean over the batch, not over classes: twice the same row changes nothing.
    assert_close(&[loss(&[0.0; 4], &[teacher, teacher].concat(), 2, 2.0)], &[expected], 1e-6);
}

#[test]
fn it_agrees_with_numpy() {
    check_against_numpy("kd", &[0], |inputs, tape| TestDevice::distillation(&inputs[0], &inputs[1], 4, 4.0, tape));
}

#[test]
fn the_gradient_is_right() {
    let teacher = normal("teacher", 20);
    for temperature in [1.0, 4.0] {
        check(&[normal("student", 20)], |inputs, tape| {
            let teacher = test_device().upload(&teacher)?;
            TestDevice::distillation(&inputs[0], &teacher, 4, temperature, tape)
        });
    }
}

#[test]
fn a_teacher_without_doubt_gives_no_nan() {
    let certain = [0.0, -1e5, f32::NEG_INFINITY];
    let expected = 3.0_f32.ln();
    assert_close(&[loss(&[0.0; 3], &certain, 3, 1.0)], &[expected], 1e-6);
    check(&[vec![0.1, 0.2, -0.3]], |inputs, tape| {
        TestDevice::distillation(&inputs[0], &test_device().upload(&certain)?, 3, 1.0, tape)
    });
}

#[test]
fn equal_logits_are_no_loss_and_a_temperature_of_zero_is_an_error() {
    assert_eq!(loss(&[1.0, 2.0], &[1.0, 2.0], 2, 3.0), 0.0);
    let z = test_device().upload(&[0.0; 2]).unwrap();
    assert!(TestDevice::distillation(&z, &z, 2, 0.0, &mut NoneTape).is_err());
}
