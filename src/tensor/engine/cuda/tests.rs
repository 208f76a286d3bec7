//! The memory plan: what lives at the same time lies apart. What runs on it is tested with the executor.

use super::layout::{Kernel, Layout};
use crate::tensor::engine::{After, Operation, Precision, Program, Step};
use crate::tensor::geometry::{Convolution, Window};

/// Two convolutions with normalizations and a sum around the second, as in a residual block, and a linear layer behind.
fn block() -> Program {
    let window = Window { kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1] };
    let convolution = |in_channels, weight| {
        let geometry = Convolution { batch: 1, input: [8, 8], in_channels, out_channels: 16, window, groups: 1 };
        Operation::Convolution { geometry, weight, bias: None }
    };
    let normalize = |first| Operation::Normalize {
        channels: 16,
        epsilon: 1e-5,
        parameters: std::array::from_fn(|offset| first + offset),
        after: After::Relu,
    };
    let step = |operation, inputs: &[usize]| Step { operation, inputs: inputs.to_vec(), needs_gradient: true };
    Program {
        sizes: vec![3 * 64, 1024, 1024, 1024, 1024, 16, 10],
        steps: vec![
            step(convolution(3, 0), &[0]),
            step(normalize(1), &[1]),
            step(convolution(16, 5), &[2]),
            step(normalize(6), &[3, 2]),
            step(Operation::GlobalAveragePool { channels: 16 }, &[4]),
            step(Operation::Linear { features: [16, 10], weight: 10, bias: Some(11) }, &[5]),
        ],
        parameters: vec![432, 16, 16, 16, 16, 2304, 16, 16, 16, 16, 160, 10],
        outputs: vec![6],
        precision: Precision::F32,
    }
}

fn layout(batch: usize, keep: bool) -> (Program, Layout) {
    let program = block();
    let kernels: Vec<Kernel> =
        program.steps.iter().map(|step| Kernel::new(&step.operation, Precision::F32).unwrap()).collect();
    let layout = Layout::new(&program, &kernels, batch, keep).unwrap();
    (program, layout)
}

/// Whether two places with their lengths share a number.
fn overlap((a, a_length): (usize, usize), (b, b_length): (usize, usize)) -> bool {
    a < b + b_length && b < a + a_length
}

#[test]
fn on_the_way_back_everything_that_is_read_is_still_there() {
    let (program, layout) = layout(5, true);
    let value = |value: usize| (layout.values[value], 5 * program.sizes[value]);
    for a in 0..program.sizes.len() {
        assert_eq!(layout.values[a] % 64, 0);
        assert!(layout.values[a] + 5 * program.sizes[a] <= layout.total);
        for b in 0..a {
            assert!(!overlap(value(a), value(b)), "values {a} and {b}");
        }
        let Some(gradient) = layout.gradients[a] else { continue };
        for b in 0..program.sizes.len() {
            assert!(!overlap((gradient, 5 * program.sizes[a]), value(b)), "gradient {a} and value {b}");
        }
    }
    // A step reads one gradient and writes others: these lie apart.
    for (number, step) in program.steps.iter().enumerate() {
        let own = (layout.gradients[number + 1].unwrap(), 5 * program.sizes[number + 1]);
        for input in step.inputs.iter().filter(|input| **input > 0) {
            let other = (layout.gradients[*input].unwrap(), 5 * program.sizes[*input]);
            assert!(!overlap(own, other), "gradients of step {number} and value {input}");
        }
    }
    // The gradient of the shortcut outlives those on the way around.
    let [shortcut, around] = [2, 3].map(|value| (layout.gradients[value].unwrap(), 5 * program.sizes[value]));
    assert!(!overlap(shortcut, around));
}

#[test]
fn without_a_way_back_memory_is_used_again() {
    let (program, layout) = layout(5, false);
    let all: usize = program.sizes.iter().map(|size| 5 * size).sum();
    let values = layout.values.iter().zip(&program.sizes).map(|(place, size)| place + 5 * size).max().unwrap()
        - layout.values.iter().min().unwrap();
    assert!(values < all, "{values} of {all}");
    for (number, step) in program.steps.iter().enumerate() {
        let output = (layout.values[number + 1], 5 * program.sizes[number + 1]);
        for input in &step.inputs {
            assert!(!overlap(output, (layout.values[*input], 5 * program.sizes[*input])), "step {number}");
        }
    }
    // The shortcut is read after the step between.
    assert!(!overlap((layout.values[2], 5 * 1024), (layout.values[3], 5 * 1024)));
    assert!(layout.gradients.iter().all(Option::is_none));
}

#[test]
fn sizes_that_overflow_are_no_room() {
    let program = block();
    let kernels: Vec<Kernel> =
        program.steps.iter().map(|step| Kernel::new(&step.operation, Precision::F32).unwrap()).collect();
    let error = Layout::new(&program, &kernels, usize::MAX / 512, true).unwrap_err();
    assert_eq!(error.kind, crate::error::Kind::DeviceMemory);
}
