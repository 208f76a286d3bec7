//! The expected values are the updates written out in `f64` by the formulae of PyTorch's documentation.

use super::{AdamStep, AdamUpdate, SgdStep, SgdUpdate};
use crate::tensor::check::{TestDevice, assert_close, normal, test_device};
use crate::tensor::{Backend, Gradients};

fn gradients_of(step: u64) -> Vec<f32> {
    normal(&format!("gradient {step}"), 7)
}

#[test]
fn sgd_is_pytorch_s() {
    let device = test_device();
    for (momentum, nesterov, l2) in [(0.0, false, 0.0), (0.9, false, 0.01), (0.9, true, 0.01)] {
        let mut parameter = device.upload(&normal("parameter", 7)).unwrap();
        let mut velocity = device.upload(&[0.0; 7]).unwrap();
        let mut expected: Vec<(f64, f64)> = normal("parameter", 7).iter().map(|w| (f64::from(*w), 0.0)).collect();
        let step = SgdStep { lr: 0.1, momentum, nesterov, l2 };
        for t in 1..=5 {
            let mut gradients = Gradients::leaky();
            TestDevice::add_to_gradient(&mut gradients, &parameter, &gradients_of(t)).unwrap();
            let update = SgdUpdate { parameter: &mut parameter, velocity: &mut velocity, step };
            TestDevice::sgd_steps(&mut [update], &mut gradients).unwrap();
            for ((w, u), g) in expected.iter_mut().zip(gradients_of(t)) {
                let g = f64::from(g) + l2 * *w;
                *u = if t == 1 { g } else { momentum * *u + g };
                *w -= 0.1 * if nesterov { g + momentum * *u } else { *u };
            }
        }
        let (weights, velocities): (Vec<f32>, Vec<f32>) = expected.iter().map(|(w, u)| (*w as f32, *u as f32)).unzip();
        assert_close(&TestDevice::download(&parameter), &weights, 1e-5);
        assert_close(&TestDevice::download(&velocity), &velocities, 1e-5);
    }
}

#[test]
fn adam_and_adamw_are_pytorch_s() {
    let device = test_device();
    for (l2, decay) in [(0.0, 0.0), (0.1, 0.0), (0.0, 0.1)] {
        let mut parameter = device.upload(&normal("parameter", 7)).unwrap();
        let (mut mean, mut variance) = (device.upload(&[0.0; 7]).unwrap(), device.upload(&[0.0; 7]).unwrap());
        let mut expected: Vec<[f64; 3]> = normal("parameter", 7).iter().map(|w| [f64::from(*w), 0.0, 0.0]).collect();
        let mut step = AdamStep { step: 0, lr: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, l2, decay };
        for t in 1..=5 {
            step.step = t;
            let mut gradients = Gradients::leaky();
            TestDevice::add_to_gradient(&mut gradients, &parameter, &gradients_of(t)).unwrap();
            let update = AdamUpdate { parameter: &mut parameter, mean: &mut mean, variance: &mut variance, step };
            TestDevice::adam_steps(&mut [update], &mut gradients).unwrap();
            for ([w, m, v], g) in expected.iter_mut().zip(gradients_of(t)) {
                *w -= 0.01 * decay * *w;
                let g = f64::from(g) + l2 * *w;
                *m = 0.9 * *m + 0.1 * g;
                *v = 0.999 * *v + 0.001 * g * g;
                let (m_hat, v_hat) = (*m / (1.0 - 0.9_f64.powi(t as i32)), *v / (1.0 - 0.999_f64.powi(t as i32)));
                *w -= 0.01 * m_hat / (v_hat.sqrt() + 1e-8);
            }
        }
        for (tensor, part) in [(&parameter, 0), (&mean, 1), (&variance, 2)] {
            let expected: Vec<f32> = expected.iter().map(|parts| parts[part] as f32).collect();
            assert_close(&TestDevice::download(tensor), &expected, 1e-5);
        }
    }
}

#[test]
fn state_of_another_size_is_an_error() {
    let device = test_device();
    let (mut parameter, mut velocity) = (device.upload(&[0.0; 2]).unwrap(), device.upload(&[0.0; 3]).unwrap());
    let step = SgdStep { lr: 0.1, momentum: 0.9, nesterov: false, l2: 0.0 };
    let update = SgdUpdate { parameter: &mut parameter, velocity: &mut velocity, step };
    assert!(TestDevice::sgd_steps(&mut [update], &mut Gradients::leaky()).is_err());
}
