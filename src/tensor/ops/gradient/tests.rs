use crate::tensor::check::{TestDevice, test_device};
use crate::tensor::{Backend, Gradients};

#[test]
fn gradients_are_changed_in_place_and_measured() {
    let device = test_device();
    let (a, b) = (device.upload(&[0.0; 2]).unwrap(), device.upload(&[0.0; 1]).unwrap());
    let mut gradients = Gradients::leaky();
    TestDevice::add_to_gradient(&mut gradients, &a, &[1.0, 4.0]).unwrap();
    TestDevice::add_to_gradient(&mut gradients, &a, &[0.5, 0.0]).unwrap();
    TestDevice::add_to_gradient(&mut gradients, &b, &[6.0]).unwrap();
    TestDevice::scale_gradient(&mut gradients, &a, 2.0).unwrap();
    assert_eq!(TestDevice::gradient(&gradients, &a), [3.0, 8.0]);
    assert_eq!(TestDevice::gradients_square_sum(&mut gradients, &[&a, &b]).unwrap(), 109.0);
    TestDevice::mask_gradient(&mut gradients, &a, &device.upload(&[0.0, 1.0]).unwrap()).unwrap();
    assert_eq!(TestDevice::gradient(&gradients, &a), [0.0, 8.0]);
    assert!(TestDevice::add_to_gradient(&mut gradients, &a, &[1.0]).is_err());
    assert!(TestDevice::mask_gradient(&mut gradients, &a, &b).is_err());
}
