use super::Decoupled;
use crate::tensor::check::{TestDevice, assert_close, check, check_against_numpy, normal, test_device};
use crate::tensor::{Backend, Flat, NoneTape};

const SETTINGS: Decoupled = Decoupled { temperature: 4.0, alpha: 1.0, beta: 8.0 };

fn upload(values: &[f32]) -> Flat<TestDevice> {
    test_device().upload(values).unwrap()
}

#[test]
fn it_agrees_with_numpy() {
    let labels = [0, 3, 2, 1, 3, 0];
    check_against_numpy("dkd", &[0], |inputs, tape| {
        TestDevice::decoupled(&inputs[0], &inputs[1], &labels, &SETTINGS, tape)
    });
}

#[test]
fn a_case_computed_by_hand() {
    // The teacher's probabilities are (1/2, 3/8, 1/8), the student's a third each; the right class is 0.
    let teacher = upload(&[4.0_f32.ln(), 3.0_f32.ln(), 0.0]);
    let right = 0.5 * 1.5_f32.ln() + 0.5 * 0.75_f32.ln();
    let others = 0.75 * 1.5_f32.ln() + 0.25 * 0.5_f32.ln();
    let of = |alpha, beta| {
        let settings = Decoupled { temperature: 1.0, alpha, beta };
        TestDevice::download(
            &TestDevice::decoupled(&upload(&[0.0; 3]), &teacher, &[0], &settings, &mut NoneTape).unwrap(),
        )[0]
    };
    assert_close(&[of(1.0, 0.0), of(0.0, 1.0), of(2.0, 3.0)], &[right, others, 2.0 * right + 3.0 * others], 1e-6);
}

/// KL = TCKD + (1 − p_y of the teacher) NCKD.
#[test]
fn with_the_teachers_own_factor_it_is_plain_distillation() {
    let (student, teacher) = (normal("student", 5), normal("teacher", 5));
    let whole: f32 = teacher.iter().map(|z| (z / 4.0).exp()).sum();
    let settings = Decoupled { beta: f64::from(1.0 - (teacher[2] / 4.0).exp() / whole), ..SETTINGS };
    let (student, teacher) = (upload(&student), upload(&teacher));
    let parts = TestDevice::decoupled(&student, &teacher, &[2], &settings, &mut NoneTape).unwrap();
    let plain = TestDevice::distillation(&student, &teacher, 5, 4.0, &mut NoneTape).unwrap();
    assert_close(&TestDevice::download(&parts), &TestDevice::download(&plain), 1e-5);
}

#[test]
fn certainty_gives_no_nan_and_wrong_labels_are_errors() {
    let teacher = upload(&[4e3, 1.0, 2.0]);
    check(&[vec![0.5, 0.25, -0.5]], |inputs, tape| TestDevice::decoupled(&inputs[0], &teacher, &[0], &SETTINGS, tape));
    check(&[vec![20.0, 0.25, -0.5]], |inputs, tape| TestDevice::decoupled(&inputs[0], &teacher, &[1], &SETTINGS, tape));
    let message = |labels: &[u32]| {
        TestDevice::decoupled(&teacher, &teacher, labels, &SETTINGS, &mut NoneTape).unwrap_err().message
    };
    insta::assert_snapshot!([message(&[3]), message(&[0; 3])].join("\n"), @"
    label 3 in a data set for a network of 3 classes
    decoupled distillation needs two classes or more
    ");
}
