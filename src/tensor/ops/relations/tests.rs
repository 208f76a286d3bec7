use super::RelationWeights;
use crate::tensor::check::{TestDevice, assert_close, check, check_against_numpy, normal, test_device};
use crate::tensor::{Backend, NoneTape};

const WEIGHTS: RelationWeights = RelationWeights { distance: 25.0, angle: 50.0 };

#[test]
fn it_agrees_with_numpy() {
    check_against_numpy("rkd", &[0], |inputs, tape| TestDevice::relations(&inputs[0], &inputs[1], 6, &WEIGHTS, tape));
}

#[test]
fn a_case_computed_by_hand() {
    let upload = |values: &[f32]| test_device().upload(values).unwrap();
    // On a line at 0, 1, 3 the distances 1, 2, 3 have the mean 2; at 0, 2, 4 they are 2, 2, 4 with 8/3. Nine pairs.
    let (student, teacher) = (upload(&[0.0, 1.0, 3.0]), upload(&[0.0, 2.0, 4.0]));
    let distance = RelationWeights { distance: 9.0, angle: 0.0 };
    let of = |d: f32| d * d;
    let expected = of(0.5 - 0.75) + of(1.0 - 0.75) + of(1.5 - 1.5);
    let loss = TestDevice::relations(&student, &teacher, 3, &distance, &mut NoneTape).unwrap();
    assert_close(&TestDevice::download(&loss), &[expected], 1e-6);
    // All angles of points in one order on a line are equal; with the middle one moved to the end, those at it and at the
    // former end turn by 180 degrees: huber(2) four times among 27.
    let angle = RelationWeights { distance: 0.0, angle: 27.0 };
    let at = |values: &[f32]| {
        TestDevice::download(&TestDevice::relations(&student, &upload(values), 3, &angle, &mut NoneTape).unwrap())[0]
    };
    assert_close(&[at(&[0.0, 2.0, 4.0]), at(&[0.0, 4.0, 2.0])], &[0.0, 4.0 * 1.5], 1e-6);
}

#[test]
fn equal_images_and_a_single_one_give_no_nan() {
    let mut x = normal("x", 15);
    x.copy_within(0..3, 3);
    let teacher = test_device().upload(&normal("teacher", 10)).unwrap();
    let x = test_device().upload(&x).unwrap();
    let device = test_device();
    let mut tape = crate::tensor::tape(&device, crate::tensor::Gradients::leaky()).unwrap();
    let loss = TestDevice::relations(&x, &teacher, 5, &WEIGHTS, &mut tape).unwrap();
    let gradients = crate::tensor::backward(device.weighted_sum(&[(1.0, loss)], tape).unwrap()).unwrap();
    assert!(TestDevice::gradient(&gradients, &x).iter().all(|g| g.is_finite()));
    check(&[vec![1.0, 2.0]], |inputs, tape| TestDevice::relations(&inputs[0], &teacher, 1, &WEIGHTS, tape));
    assert!(TestDevice::relations(&x, &teacher, 4, &WEIGHTS, &mut NoneTape).is_err());
}

/// Their one distance is divided by itself, and they make no angle.
#[test]
fn two_images_say_nothing() {
    let teacher = test_device().upload(&normal("teacher", 4)).unwrap();
    let loss = |student: &[f32]| {
        let student = test_device().upload(student).unwrap();
        TestDevice::download(&TestDevice::relations(&student, &teacher, 2, &WEIGHTS, &mut NoneTape).unwrap())[0]
    };
    assert_close(&[loss(&normal("a", 6)), loss(&normal("b", 6))], &[0.0, 0.0], 1e-9);
}
