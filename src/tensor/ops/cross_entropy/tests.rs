use crate::error::Kind;
use crate::tensor::check::{TestDevice, assert_close, check, normal, test_device};
use crate::tensor::{Backend, NoneTape};

#[test]
fn the_loss_is_the_formula_s_and_its_gradient_is_right() {
    let labels = [0, 3, 1, 2, 2];
    for smoothing in [0.0, 0.1] {
        let logits = normal("logits", 20);
        let loss = check(std::slice::from_ref(&logits), |inputs, tape| {
            TestDevice::cross_entropy(&inputs[0], &labels, smoothing, tape)
        });
        let mut expected = 0.0;
        for (row, label) in logits.chunks(4).zip(labels) {
            let sum: f32 = row.iter().map(|z| z.exp()).sum();
            for (class, z) in row.iter().enumerate() {
                let hard = if class == label as usize { 1.0 - smoothing } else { 0.0 };
                expected -= (hard + smoothing / 4.0) * (z.exp() / sum).ln() / 5.0;
            }
        }
        assert_close(&loss, &[expected], 1e-5);
    }
}

#[test]
fn mixed_labels_weigh_by_their_shares() {
    let (labels, second) = ([0, 3, 1, 2, 2], [1, 3, 0, 2, 0]);
    let shares = [0.25, 0.5, 1.0, 0.0, 0.7];
    for smoothing in [0.0, 0.1] {
        let logits = normal("logits", 20);
        let loss = check(std::slice::from_ref(&logits), |inputs, tape| {
            TestDevice::mixed_cross_entropy(&inputs[0], &labels, &second, &shares, smoothing, tape)
        });
        // Row by row, the losses of the two labels, weighed.
        let device = test_device();
        let mut expected = 0.0;
        for row in 0..5 {
            let logits = device.upload(&logits[4 * row..][..4]).unwrap();
            let of = |label: u32| {
                TestDevice::download(&TestDevice::cross_entropy(&logits, &[label], smoothing, &mut NoneTape).unwrap())
                    [0]
            };
            expected += ((1.0 - shares[row]) * of(labels[row]) + shares[row] * of(second[row])) / 5.0;
        }
        assert_close(&loss, &[expected], 1e-5);
    }
    let logits = test_device().upload(&[0.0; 4]).unwrap();
    let wrong = |second: &[u32], shares: &[f32]| {
        TestDevice::mixed_cross_entropy(&logits, &[0, 1], second, shares, 0.0, &mut NoneTape).unwrap_err().kind
    };
    assert_eq!(wrong(&[0, 2], &[0.5, 0.5]), Kind::Input);
    assert_eq!(wrong(&[0], &[0.5, 0.5]), Kind::Internal);
}

#[test]
fn logits_far_apart_give_no_nan() {
    let logits = test_device().upload(&[1e4, -1e4, 0.0]).unwrap();
    let loss =
        |label| TestDevice::download(&TestDevice::cross_entropy(&logits, &[label], 0.0, &mut NoneTape).unwrap())[0];
    assert_eq!((loss(0), loss(1)), (0.0, 2e4));
}

#[test]
fn a_label_outside_the_classes_is_an_error() {
    let logits = test_device().upload(&[0.0; 6]).unwrap();
    let error = TestDevice::cross_entropy(&logits, &[1, 3], 0.0, &mut NoneTape).unwrap_err();
    assert_eq!((error.kind, error.message.contains("label 3")), (Kind::Input, true));
}
