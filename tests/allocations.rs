//! A steady training step takes no memory from the allocator but a few small things: everything large is used again.

#![allow(missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use pleach::network::arch::Architecture;
use pleach::network::{Executor, Mode, Model};
use pleach::tensor::ops::optimizer::{SgdStep, SgdUpdate};
use pleach::tensor::{self, Backend, Cpu, Flat, Gradients};

/// What counts as large, in bytes.
const LARGE: usize = 16 * 1024;

static COUNT: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is done by the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGE {
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: as the caller of this function promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller of this function promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BATCH: usize = 24;

/// What a training step needs, from step to step.
struct Training {
    network: Executor<Cpu>,
    velocities: Vec<Flat<Cpu>>,
    input: Option<Flat<Cpu>>,
    gradients: Option<Gradients<f32, Cpu>>,
    pixels: Vec<f32>,
}

impl Training {
    fn new(architecture: &str) -> Self {
        let architecture: Architecture = serde_json::from_str(architecture).unwrap();
        let model = Model::initialise(architecture.build([16, 16, 3], 10).unwrap(), 1).unwrap();
        let network = Executor::new(&model, &Cpu::default()).unwrap();
        let zeros = |dims: &[usize]| Cpu::default().upload(&vec![0.0; dims.iter().product()]).unwrap();
        Self {
            velocities: network.parameters().iter().map(|parameter| zeros(&parameter.dims)).collect(),
            network,
            input: None,
            gradients: None,
            pixels: (0..BATCH * 16 * 16 * 3).map(|i| (i * 7919 % 211) as f32 / 105.0 - 1.0).collect(),
        }
    }

    fn step(&mut self) {
        let device = self.network.device().clone();
        let pixels = tensor::refill(&device, &mut self.input, &self.pixels).unwrap();
        let gradients = match self.gradients.take() {
            Some(mut gradients) => {
                self.network.zero_gradients(&mut gradients).unwrap();
                gradients
            }
            None => self.network.alloc_gradients().unwrap(),
        };
        let mut tape = tensor::tape(&device, gradients).unwrap();
        let forward = self.network.forward(pixels, BATCH, Mode::Train(None), &[], &mut tape).unwrap();
        let labels: Vec<u32> = (0..BATCH as u32).map(|image| image % 10).collect();
        let loss = Cpu::cross_entropy(&forward.logits, &labels, 0.0, &mut tape).unwrap();
        let mut gradients = tensor::backward(device.weighted_sum(&[(1.0, loss)], tape).unwrap()).unwrap();
        let step = SgdStep { lr: 0.01, momentum: 0.9, nesterov: false, l2: 1e-4 };
        for (parameter, velocity) in self.network.parameters_mut().iter_mut().zip(&mut self.velocities) {
            if parameter.role.trainable() {
                let update = SgdUpdate { parameter: &mut parameter.tensor, velocity, step };
                Cpu::sgd_steps(&mut [update], &mut gradients).unwrap();
            }
        }
        self.network.update_statistics(&forward).unwrap();
        self.gradients = Some(gradients);
    }
}

#[test]
fn a_steady_step_allocates_nothing_large() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    for architecture in [
        r#"{"arch":"resnet","depth":20,"width":16}"#,
        r#"{"arch":"mobilenet-v2","width":0.5,"dropout":0.0,"stem":"cifar"}"#,
        r#"{"arch":"densenet","depth":22,"growth":12,"bottleneck":true,"compression":0.5}"#,
    ] {
        let mut training = Training::new(architecture);
        // Which thread does what is decided anew in every step, and each grows its scratch memory when it first needs it:
        // that ends sometime, and from then on nothing is allocated. What every step allocates never ends.
        let stretch = || {
            let before = COUNT.load(Ordering::Relaxed);
            (0..5).for_each(|_| pool.install(|| training.step()));
            COUNT.load(Ordering::Relaxed) - before
        };
        let counts: Vec<usize> = std::iter::repeat_with(stretch).take(20).take_while(|count| *count > 0).collect();
        assert!(counts.len() < 20, "{architecture}: {counts:?}");
    }
    assert!(COUNT.load(Ordering::Relaxed) > 100, "the count counts");
}
