//! The check on the device that operations are tested on: on the processor it finds no difference, and with the CUDA kernels
//! it is the test that they are right.

use super::*;
use crate::tensor::check::test_device;

fn assert_passes(all: Vec<Compared>) {
    assert!(!all.is_empty());
    let wrong: Vec<String> = all.iter().filter(|one| !one.passes()).map(|one| format!("{one:?}")).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_operation_agrees_with_the_processor() {
    assert_passes(operations(&test_device()).unwrap());
}

#[test]
fn every_family_trains_as_on_the_processor() {
    assert_passes(families(&test_device(), Precision::F32).unwrap());
}

#[cfg(feature = "emulated-cuda")]
#[test]
fn rounded_products_are_about_right() {
    for precision in [Precision::Tf32, Precision::Bf16] {
        let all = families(&test_device(), precision).unwrap();
        assert!(all.iter().any(|one| one.error > 1e-6), "nothing is rounded");
        assert_passes(all);
    }
}

#[test]
fn what_is_wrong_does_not_pass() {
    let compared = |error, repeats| Compared { what: "x".to_owned(), error, bound: 0.1, repeats };
    assert!(compared(0.1, true).passes());
    assert!(!compared(0.2, true).passes());
    assert!(!compared(f64::NAN, true).passes());
    assert!(!compared(0.0, false).passes());
    assert!(distance(&[1.0, 0.0], &[1.0, f32::NAN]).is_nan() && distance(&[1.0], &[]).is_nan());
    assert_eq!(distance(&[3.0, 4.0], &[3.0, 5.0]), 0.2);
    assert!(worse(f64::NAN, 1.0).is_nan() && worse(1.0, f64::NAN).is_nan());
}
