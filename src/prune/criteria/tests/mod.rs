//! - `by_hand`: every criterion on a network small enough to be worked out on paper
//! - `reference`: lamp and synflow against NumPy, synflow where numbers overflow
//! - `networks`: real networks and images: finite everywhere, the same bits on any number of threads, clear errors

mod by_hand;
mod networks;
mod reference;

use super::*;
use crate::data::{Images, Normalization};
use crate::network::Executor;
use crate::prune::Watched;
use crate::tensor::Cpu;

fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error <= tolerance * expected.abs() + 1e-12, "{what} at {index}: {found}, not {expected}");
    }
}

/// What `criterion` sees on all of `images`.
fn seen(criterion: Criterion, model: &Model, images: &Images, normalization: &Normalization) -> Evidence {
    let indices: Vec<u32> = (0..images.len() as u32).collect();
    let watched = Watched { images, indices: &indices, normalization };
    let device = Cpu::default();
    let network = Executor::new(model, &device).unwrap();
    observe(criterion, model, &network, Some(&watched), None, 0, &device, &|| false).unwrap()
}
