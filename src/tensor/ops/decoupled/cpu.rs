//! Decoupled distillation on the processor.

use super::{Decoupled, checked};
use crate::error::Result;
use crate::math;
use crate::tensor::ops::cross_entropy::cpu::log_softmax;
use crate::tensor::recording::{loss, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn decoupled<T: Tape<f32, Cpu>>(
    student: &Flat<Cpu>,
    teacher: &Flat<Cpu>,
    labels: &[u32],
    settings: &Decoupled,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let (batch, classes) = checked(student, teacher, labels)?;
    let Decoupled { temperature, alpha, beta } = *settings;
    let mut gradient = Vec::with_capacity(batch * classes);
    let mut sum = 0.0;
    let (own, others) = (values(student), values(teacher));
    for ((own, other), label) in own.chunks_exact(classes).zip(others.chunks_exact(classes)).zip(labels) {
        let label = *label as usize;
        let (own, other) = (Row::new(own, label, temperature), Row::new(other, label, temperature));
        let right = divergence(other.right, own.right) + divergence(other.wrong, own.wrong);
        let among: f64 = other.among.iter().zip(&own.among).map(|(other, own)| divergence(*other, *own)).sum();
        sum += alpha * right + beta * among;
        let binary = alpha * (math::exp(own.right) - math::exp(other.right));
        for (class, (own, other)) in own.among.iter().zip(&other.among).enumerate() {
            let step = if class == label {
                binary
            } else {
                beta * (math::exp(*own) - math::exp(*other)) - binary * math::exp(*own)
            };
            gradient.push((temperature * step / batch as f64) as f32);
        }
    }
    loss([student], temperature * temperature * sum / batch as f64, [gradient], tape)
}

/// Logarithms of the probabilities of one row.
struct Row {
    /// Of the right class.
    right: f64,
    /// Of all others together.
    wrong: f64,
    /// Of each class, given that it is not the right one; −∞ for that.
    among: Vec<f64>,
}

impl Row {
    fn new(logits: &[f32], label: usize, temperature: f64) -> Self {
        let mut without = logits.to_vec();
        without[label] = f32::NEG_INFINITY;
        let among = log_softmax(&without, temperature);
        let all = log_softmax(logits, temperature);
        // log p_k = log(1 − p_y) + log q_k for any other class; the likeliest one is exact even where 1 − p_y vanishes.
        let likeliest = |best: usize, class: usize| if among[class] > among[best] { class } else { best };
        let best = (0..logits.len()).fold(usize::from(label == 0), likeliest);
        Self { right: all[label], wrong: all[best] - among[best], among }
    }
}

/// `p log(p / q)` from the logarithms of both; 0 where p is 0.
fn divergence(p: f64, q: f64) -> f64 {
    let probability = math::exp(p);
    if probability == 0.0 { 0.0 } else { probability * (p - q) }
}
