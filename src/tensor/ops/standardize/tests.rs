use crate::tensor::check::{TestDevice, assert_close, check, check_against_numpy, normal, test_device};
use crate::tensor::{Backend, NoneTape};

#[test]
fn distillation_of_standardized_logits_agrees_with_numpy() {
    check_against_numpy("standardized", &[0], |inputs, tape| {
        let teacher = TestDevice::standardize(&inputs[1], 4, &mut NoneTape)?;
        TestDevice::distillation(&TestDevice::standardize(&inputs[0], 4, tape)?, &teacher, 4, 2.0, tape)
    });
}

#[test]
fn a_case_computed_by_hand_and_its_gradient() {
    // Of (1, 2, 6) the mean is 3 and the deviation √(14 / 2). Equal logits become zeros.
    let z = test_device().upload(&[1.0, 2.0, 6.0, 4.0, 4.0, 4.0]).unwrap();
    let y = TestDevice::download(&TestDevice::standardize(&z, 3, &mut NoneTape).unwrap());
    let root = 7.0_f32.sqrt();
    assert_close(&y, &[-2.0 / root, -1.0 / root, 3.0 / root, 0.0, 0.0, 0.0], 1e-6);
    check(&[normal("z", 20)], |inputs, tape| TestDevice::standardize(&inputs[0], 5, tape));
    assert!(TestDevice::standardize(&z, 1, &mut NoneTape).is_err());
}
