use crate::tensor::check::{TestDevice, check, normal, test_device};
use crate::tensor::{Backend, Flat, NoneTape};

#[test]
fn channels_lie_beside_each_other_and_gradients_are_right() {
    for (rows, channels) in [(1, vec![1]), (6, vec![2, 3]), (300, vec![30, 1, 40]), (4, vec![2, 2, 2, 2])] {
        let inputs: Vec<Vec<f32>> = (0..channels.len()).map(|i| normal(&format!("x{i}"), rows * channels[i])).collect();
        let y = check(&inputs, |inputs, tape| {
            TestDevice::concatenate(&inputs.iter().collect::<Vec<&Flat<TestDevice>>>(), &channels, tape)
        });
        let mut expected = Vec::new();
        for row in 0..rows {
            for (input, channels) in inputs.iter().zip(&channels) {
                expected.extend_from_slice(&input[row * channels..][..*channels]);
            }
        }
        assert_eq!(y, expected);
    }
}

#[test]
fn a_tensor_may_be_given_more_than_once() {
    let (x, other) = (normal("x", 8), normal("other", 4));
    let y = check(&[x.clone(), other.clone()], |inputs, tape| {
        TestDevice::concatenate(&[&inputs[0], &inputs[1], &inputs[0]], &[2, 1, 2], tape)
    });
    assert_eq!(y[..5], [x[0], x[1], other[0], x[0], x[1]]);
}

#[test]
fn inputs_that_do_not_fit_are_an_error() {
    let device = test_device();
    let (a, b) = (device.upload(&[1.0; 6]).unwrap(), device.upload(&[1.0; 4]).unwrap());
    assert!(TestDevice::concatenate(&[&a, &b], &[3, 1], &mut NoneTape).is_err());
    assert!(TestDevice::concatenate(&[&a, &b], &[3], &mut NoneTape).is_err());
    assert!(TestDevice::concatenate(&[&a, &b], &[3, 0], &mut NoneTape).is_err());
    assert!(TestDevice::concatenate(&[], &[], &mut NoneTape).is_err());
}
