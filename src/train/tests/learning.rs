//! What training does to weights: decay, penalties, a teacher.

use super::{Fixture, mlp, resnet, training};
use crate::data::Augmentation;
use crate::network::Model;
use crate::train::Trained;
use crate::train::parameters::{Loss, Optimizer, Penalty, Training};
use crate::train::steps::LastBatch;

#[test]
fn norms_and_biases_do_not_decay_unless_asked() {
    let fixture = Fixture::new();
    let decay = |decay_all| {
        // With almost no learning rate for the loss, decoupled decay is all that moves a weight.
        let optimizer = Optimizer::Adamw { lr: 1e-7, betas: [0.9, 0.999], epsilon: 1e3, weight_decay: 1e5, decay_all };
        let name = format!("decay {decay_all}");
        fixture.run(&name, &Training { optimizer, ..training(1) }, resnet(), None).0.model
    };
    let (start, default, all) = (resnet(), decay(false), decay(true));
    let norm = |model: &Model, name: &str| model.tensors[name].data.iter().map(|x| x.abs()).sum::<f32>();
    for (name, decays) in [("layer1.0.conv1.weight", true), ("bn1.weight", false), ("fc.bias", false)] {
        let (before, after) = (norm(&start, name), norm(&default, name));
        assert_eq!(after < 0.99 * before, decays, "{name}: {before} → {after}");
        assert!(norm(&all, name) < 0.99 * before, "{name}");
    }
}

#[test]
fn a_student_learns_from_its_teacher_alone() {
    let fixture = Fixture::new();
    let (teacher, _) = fixture.run("teacher", &training(6), mlp(64), None);
    let kd = Training {
        losses: vec![Loss::Kd { temperature: 4.0, alpha: 1.0, smoothing: 0.0, weight: 1.0, standardize: false }],
        ..training(6)
    };
    let (student, _) = fixture.run("student", &kd, mlp(24), Some(&teacher.model));
    let accuracy = student.history.epochs.last().unwrap().validation_accuracy.unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
    // The teacher sees what the student sees: with augmentation its answers differ from image to image.
    let augmented = Training { augment: vec![Augmentation::Crop], ..kd };
    let (other, _) = fixture.run("augmented", &augmented, mlp(24), Some(&teacher.model));
    assert!(other.history.epochs.last().unwrap().validation_accuracy.unwrap() > 0.85);
}

#[test]
fn a_penalty_on_weights_makes_them_smaller() {
    let fixture = Fixture::new();
    let l1 = |strength| Training { penalties: vec![Penalty::L1 { layer: "*".into(), strength }], ..training(3) };
    let sum = |model: &Model| model.tensors["hidden1.weight"].data.iter().map(|w| w.abs()).sum::<f32>();
    let without = fixture.run("without", &l1(0.0), mlp(16), None).0.model;
    let with = fixture.run("with", &l1(1e-2), mlp(16), None).0.model;
    assert!(sum(&with) < 0.8 * sum(&without), "{} {}", sum(&with), sum(&without));
}

/// An accuracy says how many images it was measured on: the steps of an epoch leave out those that are no whole batch, and
/// other ones in every epoch.
#[test]
fn images_that_are_no_whole_batch() {
    let mut fixture = Fixture::new();
    fixture.shorten(65);
    let run = |last_batch, store: &str| {
        let plain = Training { batch: 32, last_batch, ..training(3) };
        fixture.run(store, &plain, mlp(16), None).0
    };
    let of = |trained: &Trained, images: f64| {
        let right = trained.history.epochs.iter().map(|entry| entry.accuracy * images);
        right.into_iter().all(|right| (right - right.round()).abs() < 1e-9)
    };
    let [even, smaller, drop] =
        [LastBatch::Even, LastBatch::Smaller, LastBatch::Drop].map(|last| run(last, &format!("{last:?}")));
    assert!(of(&even, 64.0) && of(&drop, 64.0) && of(&smaller, 65.0) && !of(&smaller, 64.0));
    assert!(even.model == drop.model && even.model != smaller.model);
    fixture.shorten(50);
    let even = fixture.run("fifty", &Training { batch: 32, ..training(3) }, mlp(16), None).0;
    let halves = fixture.run("halves", &Training { batch: 25, ..training(3) }, mlp(16), None).0;
    assert!(even.model == halves.model, "two steps of 25, which leave nothing out");
}
