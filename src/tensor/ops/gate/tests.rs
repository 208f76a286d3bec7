use crate::tensor::check::{TestDevice, check, normal, test_device};
use crate::tensor::{Backend, NoneTape};

#[test]
fn channels_are_multiplied_and_both_gradients_are_right() {
    for (batch, positions, channels) in [(1, 1, 1), (5, 6, 3), (3, 64, 17)] {
        let (x, gate) = (normal("x", batch * positions * channels), normal("gate", batch * channels));
        let y = check(&[x.clone(), gate.clone()], |inputs, tape| {
            TestDevice::gate(&inputs[0], &inputs[1], batch, channels, tape)
        });
        let expected: Vec<f32> =
            (0..x.len()).map(|i| x[i] * gate[i / channels / positions * channels + i % channels]).collect();
        assert_eq!(y, expected);
    }
}

#[test]
fn a_single_position_may_gate_itself() {
    let x = normal("x", 6);
    let y = check(std::slice::from_ref(&x), |inputs, tape| TestDevice::gate(&inputs[0], &inputs[0], 2, 3, tape));
    assert_eq!(y, x.iter().map(|x| x * x).collect::<Vec<_>>());
}

#[test]
fn a_gate_of_another_size_is_an_error() {
    let device = test_device();
    let (x, gate) = (device.upload(&[1.0; 12]).unwrap(), device.upload(&[1.0; 4]).unwrap());
    assert!(TestDevice::gate(&x, &gate, 2, 3, &mut NoneTape).is_err());
    assert!(TestDevice::gate(&x, &gate, 2, 5, &mut NoneTape).is_err());
    assert!(TestDevice::gate(&x, &gate, 0, 2, &mut NoneTape).is_err());
}
