use crate::tensor::Backend;
use crate::tensor::check::{TestDevice, assert_close, check, normal, test_device};

#[test]
fn linear_is_the_naive_loop_and_its_gradients_are_right() {
    for (batch, inputs, outputs) in [(1, 1, 1), (5, 7, 3), (37, 9, 35), (33, 4, 65)] {
        let (x, weight, bias) =
            (normal("x", batch * inputs), normal("weight", outputs * inputs), normal("bias", outputs));
        let expected = |biased: bool| -> Vec<f32> {
            (0..batch * outputs)
                .map(|i| {
                    let (row, output) = (i / outputs, i % outputs);
                    let product = (0..inputs).map(|k| x[row * inputs + k] * weight[output * inputs + k]).sum::<f32>();
                    product + if biased { bias[output] } else { 0.0 }
                })
                .collect()
        };
        let y = check(&[x.clone(), weight.clone(), bias.clone()], |inputs, tape| {
            TestDevice::linear(&inputs[0], &inputs[1], Some(&inputs[2]), batch, true, tape)
        });
        assert_close(&y, &expected(true), 1e-5);
        let y = check(&[x.clone(), weight.clone()], |inputs, tape| {
            TestDevice::linear(&inputs[0], &inputs[1], None, batch, true, tape)
        });
        assert_close(&y, &expected(false), 1e-5);
    }
}

#[test]
fn wrong_sizes_are_an_error() {
    let tensor = test_device().upload(&[0.0; 7]).unwrap();
    assert!(TestDevice::linear(&tensor, &tensor, None, 2, true, &mut crate::tensor::NoneTape).is_err());
}
