use crate::tensor::check::{TestDevice, check, normal, test_device};
use crate::tensor::geometry::ChannelPadding;
use crate::tensor::{Backend, NoneTape};

#[test]
fn positions_are_dropped_channels_padded_and_the_gradient_goes_back() {
    for (batch, input, in_channels, out_channels, before, stride) in
        [(3, [6, 8], 4, 8, 2, 2), (2, [7, 5], 3, 6, 0, 2), (1, [4, 4], 2, 2, 0, 1), (2, [5, 5], 1, 4, 3, 3)]
    {
        let geometry = ChannelPadding { batch, input, in_channels, out_channels, before, stride };
        let x = normal("x", batch * input[0] * input[1] * in_channels);
        let y = check(std::slice::from_ref(&x), |inputs, tape| TestDevice::pad_shortcut(&inputs[0], &geometry, tape));
        let [height, width] = [input[0].div_ceil(stride), input[1].div_ceil(stride)];
        assert_eq!(y.len(), batch * height * width * out_channels);
        for (i, y) in y.iter().enumerate() {
            let (channel, pixel) = (i % out_channels, i / out_channels);
            let (row, column) = (pixel / width % height * stride, pixel % width * stride);
            let source = channel.wrapping_sub(before);
            let image = pixel / width / height;
            let expected = if source < in_channels {
                x[((image * input[0] + row) * input[1] + column) * in_channels + source]
            } else {
                0.0
            };
            assert_eq!(*y, expected);
        }
    }
}

#[test]
fn fewer_channels_out_than_in_is_an_error() {
    let geometry = ChannelPadding { batch: 1, input: [1, 1], in_channels: 2, out_channels: 1, before: 0, stride: 1 };
    let x = test_device().upload(&[0.0; 2]).unwrap();
    assert!(TestDevice::pad_shortcut(&x, &geometry, &mut NoneTape).is_err());
}
