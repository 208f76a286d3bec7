//! What stops a training run.

use super::{Fixture, mlp, sgd, training};
use crate::error::Kind;
use crate::network::Model;
use crate::train::Stop;
use crate::train::parameters::{Loss, Optimizer, Schedule, Select, Training};

#[test]
fn an_optimizer_that_overflows_is_a_divergence_before_its_checkpoint() {
    let fixture = Fixture::new();
    let adam = Optimizer::Adam { lr: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.0, decay_all: false };
    let losses = vec![Loss::CrossEntropy { smoothing: 0.0, weight: 1e25 }];
    let steep = Training { optimizer: adam, losses, ..training(1) };
    let Err(Stop::Diverged { error, .. }) = fixture.try_run("steep", &steep, mlp(16), None) else {
        panic!("the second moment is finite")
    };
    assert!(error.message.contains("the optimizer's state of `"), "{}", error.message);
}

#[test]
fn choices_without_a_validation_split_are_refused() {
    let mut fixture = Fixture::new();
    fixture.validation.clear();
    let Err(Stop::Error(error)) =
        fixture.try_run("best", &Training { select: Select::Best, ..training(1) }, mlp(4), None)
    else {
        panic!("there is nothing to choose on")
    };
    assert_eq!(error.kind, Kind::Input);
}

#[test]
fn a_run_that_diverges_says_where_and_keeps_the_last_finite_weights() {
    let fixture = Fixture::new();
    let wild = Training { optimizer: sgd(1e30, 0.0), ..training(3) };
    let Err(Stop::Diverged { error, last_finite }) = fixture.try_run("wild", &wild, mlp(16), None) else {
        panic!("it does not diverge")
    };
    assert_eq!(error.kind, Kind::Diverged);
    // The last digits of a loss are the processor's.
    let message = error
        .message
        .split_once("2.3")
        .map(|(before, after)| format!("{before}2.3…{}", after.trim_start_matches(|c: char| c.is_ascii_digit())));
    insta::assert_snapshot!(message.unwrap(), @"the loss is not finite at epoch 1, step 2 of 18; the last finite loss was 2.3…; the learning rate was 1e30");
    assert!(last_finite.is_none(), "no epoch was finished");
    let mut later = training(4);
    later.schedule = Schedule::Step { warmup: 0.0, milestones: vec![2], gamma: 1e30 };
    let Err(Stop::Diverged { last_finite: Some(weights), .. }) = fixture.try_run("later", &later, mlp(16), None) else {
        panic!("it does not diverge late")
    };
    assert!(Model::from_parts(&mlp(16).description().unwrap(), &weights, None).is_ok());
}
