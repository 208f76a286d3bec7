use crate::tensor::check::{TestDevice, assert_close, check, normal, test_device};
use crate::tensor::{Backend, Flat, Gradients, OwnedTape, backward, tape};

type TestTape = OwnedTape<f32, TestDevice>;

/// The value of one term, and its gradient for `x`.
fn term(x: &[f32], operation: impl Fn(&Flat<TestDevice>, &mut TestTape) -> Flat<TestDevice>) -> (f32, Vec<f32>) {
    let device = test_device();
    let x = device.upload(x).unwrap();
    let mut tape = tape(&device, Gradients::leaky()).unwrap();
    let loss = operation(&x, &mut tape);
    let value = TestDevice::download(&loss)[0];
    let gradients = backward(device.weighted_sum(&[(1.0, loss)], tape).unwrap()).unwrap();
    (value, TestDevice::gradient(&gradients, &x))
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let x = normal("x", 7 * 11);
    check(std::slice::from_ref(&x), |inputs, tape| TestDevice::row_norm_sum(&inputs[0], 7, 0.3, tape));
    let strengths = [0.5, 0.0, 1.0, 2.0, 0.25, 0.125, 3.0];
    check(&[x], |inputs, tape| TestDevice::row_square_sum(&inputs[0], &strengths, tape));
}

#[test]
fn by_hand() {
    // Rows (3, 4), (0, 0), (5, −12): norms 5, 0, 13.
    let x = [3.0, 4.0, 0.0, -0.0, 5.0, -12.0];
    let (value, gradient) = term(&x, |x, tape| TestDevice::row_norm_sum(x, 3, 0.5, tape).unwrap());
    assert_eq!(value, 9.0);
    assert_close(&gradient, &[0.3, 0.4, 0.0, 0.0, 2.5 / 13.0, -6.0 / 13.0], 1e-6);
    assert_eq!(gradient[2..4], [0.0, 0.0], "nothing pushes a row of zeros");
    let (value, gradient) = term(&x, |x, tape| TestDevice::row_square_sum(x, &[2.0, 1.0, 0.5], tape).unwrap());
    assert_eq!(value, 25.0 + 0.25 * 169.0);
    assert_eq!(gradient, [6.0, 8.0, 0.0, 0.0, 2.5, -6.0]);
}

#[test]
fn a_row_as_short_as_the_threshold_becomes_zero() {
    let shrunk = |threshold: f32| {
        let mut x = test_device().upload(&[3.0, -4.0, 0.0, 0.0, 5.0, -12.0]).unwrap();
        TestDevice::shrink_rows(&mut x, 3, threshold).unwrap();
        TestDevice::download(&x)
    };
    assert_close(&shrunk(1.0), &[2.4, -3.2, 0.0, 0.0, 60.0 / 13.0, -144.0 / 13.0], 1e-6);
    assert_eq!(shrunk(5.0)[..4], [0.0; 4]);
    assert!(shrunk(5.0)[..4].iter().all(|value| value.is_sign_positive()));
    assert_eq!(shrunk(0.0), [3.0, -4.0, 0.0, 0.0, 5.0, -12.0]);
    assert_eq!(shrunk(13.0), [0.0; 6]);
}

#[test]
fn rows_must_divide_the_tensor() {
    let mut x = test_device().upload(&[0.0; 6]).unwrap();
    assert!(TestDevice::shrink_rows(&mut x, 4, 1.0).is_err());
    assert!(TestDevice::shrink_rows(&mut x, 0, 1.0).is_err());
}
