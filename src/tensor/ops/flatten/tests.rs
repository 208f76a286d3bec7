use crate::tensor::Backend;
use crate::tensor::check::{TestDevice, check, normal};

#[test]
fn rows_are_in_pytorch_s_order_and_the_gradient_goes_back_there() {
    // One image of 2 x 1 positions and 3 channels.
    let y = check(&[vec![1.0, 2.0, 3.0, 10.0, 20.0, 30.0]], |inputs, tape| TestDevice::flatten(&inputs[0], 1, 3, tape));
    assert_eq!(y, [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]);
    let (batch, positions, channels) = (5, 6, 4);
    let x = normal("x", batch * positions * channels);
    let y = check(std::slice::from_ref(&x), |inputs, tape| TestDevice::flatten(&inputs[0], batch, channels, tape));
    for (i, y) in y.iter().enumerate() {
        let (image, channel, position) = (i / (positions * channels), i / positions % channels, i % positions);
        assert_eq!(*y, x[(image * positions + position) * channels + channel]);
    }
}
