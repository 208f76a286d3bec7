use super::{BatchStatistics, Normalization};
use crate::tensor::check::{TestDevice, assert_close, check, normal, test_device};
use crate::tensor::{Backend, NoneTape};

/// Rows and channels; the last has several shares of rows, the last share not full.
const SIZES: [(usize, usize); 4] = [(2, 1), (12, 5), (35, 16), (40, 1000)];

fn naive(x: &[f32], [mean, variance, weight, bias]: [&[f32]; 4], relu: bool) -> Vec<f32> {
    let normalize = |(i, x): (usize, &f32)| {
        let c = i % mean.len();
        let y =
            f64::from(x - mean[c]) / f64::from(variance[c] + 1e-5).sqrt() * f64::from(weight[c]) + f64::from(bias[c]);
        if relu { y.max(0.0) as f32 } else { y as f32 }
    };
    x.iter().enumerate().map(normalize).collect()
}

#[test]
fn training_uses_the_batch_and_gradients_flow_through_its_statistics() {
    for (rows, channels) in SIZES {
        let x: Vec<f32> = normal("x", rows * channels).iter().map(|x| 1.5 * x + 0.7).collect();
        let (weight, bias) = (normal("weight", channels), normal("bias", channels));
        let column = |c: usize| x.iter().skip(c).step_by(channels).map(|x| f64::from(*x));
        let means: Vec<f64> = (0..channels).map(|c| column(c).sum::<f64>() / rows as f64).collect();
        let variance: Vec<f32> = (0..channels)
            .map(|c| (column(c).map(|x| (x - means[c]).powi(2)).sum::<f64>() / rows as f64) as f32)
            .collect();
        let mean: Vec<f32> = means.iter().map(|mean| *mean as f32).collect();
        for relu in [false, true] {
            let settings = Normalization { channels, epsilon: 1e-5, relu };
            let device = test_device();
            let tensors = [&x, &weight, &bias].map(|values| device.upload(values).unwrap());
            let (y, statistics) =
                TestDevice::batch_norm(&tensors[0], &tensors[1], &tensors[2], &settings, &mut NoneTape).unwrap();
            assert_close(&TestDevice::download(&statistics.mean), &mean, 1e-6);
            assert_close(&TestDevice::download(&statistics.variance), &variance, 1e-6);
            assert_eq!(statistics.count, rows);
            assert_close(&TestDevice::download(&y), &naive(&x, [&mean, &variance, &weight, &bias], relu), 1e-4);
            check(&[x.clone(), weight.clone(), bias.clone()], |inputs, tape| {
                Ok(TestDevice::batch_norm(&inputs[0], &inputs[1], &inputs[2], &settings, tape)?.0)
            });
        }
    }
}

#[test]
fn frozen_uses_running_statistics_as_constants() {
    for (rows, channels) in SIZES {
        let (x, weight, bias) = (normal("x", rows * channels), normal("weight", channels), normal("bias", channels));
        let mean = normal("mean", channels);
        let variance: Vec<f32> = normal("variance", channels).iter().map(|v| v.abs() + 0.1).collect();
        for relu in [false, true] {
            let settings = Normalization { channels, epsilon: 1e-5, relu };
            let y = check(&[x.clone(), weight.clone(), bias.clone()], |inputs, tape| {
                let device = test_device();
                let (mean, variance) = (device.upload(&mean)?, device.upload(&variance)?);
                TestDevice::batch_norm_frozen(&inputs[0], &inputs[1], &inputs[2], &mean, &variance, &settings, tape)
            });
            assert_close(&y, &naive(&x, [&mean, &variance, &weight, &bias], relu), 1e-4);
        }
    }
}

#[test]
fn a_large_mean_does_not_spoil_the_variance() {
    let x: Vec<f32> = normal("x", 30_000).iter().map(|x| 1000.0 + x).collect();
    let statistics = super::statistics::statistics(&x, 1);
    assert!((statistics.variance[0] - 1.0).abs() < 0.03, "{statistics:?}");
}

#[test]
fn running_averages_move_as_in_pytorch() {
    let device = test_device();
    let [mut mean, mut variance, batch_mean, batch_variance, two] =
        [&[1.0][..], &[1.0], &[2.0], &[3.0], &[1.0, 1.0]].map(|values| device.upload(values).unwrap());
    let batch = BatchStatistics { mean: batch_mean, variance: batch_variance, count: 4 };
    TestDevice::update_statistics(&mut mean, &mut variance, &batch, 0.1).unwrap();
    assert_close(&TestDevice::download(&mean), &[1.1], 1e-6);
    // The unbiased variance is 4.
    assert_close(&TestDevice::download(&variance), &[1.3], 1e-6);
    let other = BatchStatistics { variance: two, ..batch };
    assert!(TestDevice::update_statistics(&mut mean, &mut variance, &other, 0.1).is_err(), "of another size");
}
