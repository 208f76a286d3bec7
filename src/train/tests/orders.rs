//! A teacher whose classes are in another order than the student's, on the device that operations are tested on: the
//! processor, or the CUDA kernels.

use super::{Fixture, NEVER, mlp, training};
use crate::data::{Augmentation, Images, Normalization};
use crate::network::{ClassOrder, Model};
use crate::tensor::check::test_device;
use crate::train::parameters::{LayerPair, Loss, Training};
use crate::train::{Tutor, train};

/// `model` with the rows of the layer that makes the logits where `order` says.
fn reordered(model: &Model, order: &ClassOrder) -> Model {
    let mut model = model.clone();
    let head = model.graph.layers.iter().rev().find(|layer| !layer.op.parameters().is_empty()).unwrap().name.clone();
    for part in ["weight", "bias"] {
        let tensor = model.tensors.get_mut(&format!("{head}.{part}")).unwrap();
        let rows: Vec<Vec<f32>> = tensor.data.chunks(tensor.data.len() / 10).map(<[f32]>::to_vec).collect();
        tensor.data = (0..10).flat_map(|class| rows[order.label(class) as usize].clone()).collect();
    }
    model
}

#[test]
fn a_teacher_in_another_order_teaches_what_it_would_teach_in_the_students() {
    let mut fixture = Fixture::new();
    fixture.shorten(60);
    let names: Vec<String> = (0..10).map(|class| class.to_string()).collect();
    let turned: Vec<String> = names.iter().cycle().skip(3).take(10).cloned().collect();
    let order = ClassOrder::between(&turned, &names).unwrap();
    assert!(!order.is_same());
    let teacher = mlp(64);
    let in_order = reordered(&teacher, &order);
    let constants = Normalization { mean: vec![0.2], deviation: vec![0.7] };
    let kd = Loss::Kd { temperature: 4.0, alpha: 1.0, smoothing: 0.0, weight: 1.0, standardize: false };
    let pair = LayerPair { student: "hidden1".into(), teacher: teacher.graph.layers.last().unwrap().name.clone() };
    let on_logits = Loss::Fitnet { layers: vec![pair], weight: 1.0 };
    let cases = [
        ("known logits", Training { losses: vec![kd.clone()], ..training(2) }),
        ("augmented", Training { losses: vec![kd.clone()], augment: vec![Augmentation::Crop], ..training(2) }),
        ("the logits as features", Training { losses: vec![kd, on_logits], ..training(2) }),
    ];
    for (case, training) in cases {
        let learnt = |what: &str, model: &Model, order: ClassOrder| {
            let store = fixture.store(&format!("{case} {what}"));
            let progress = |_| ();
            let task = fixture.task(&training, &store, &NEVER, &progress);
            let tutor = Tutor { model, normalization: &constants, order };
            train(&task, mlp(12), Some(&tutor), &test_device()).unwrap().model
        };
        let other = learnt("other", &teacher, order.clone());
        assert!(other == learnt("own", &in_order, ClassOrder::SAME), "{case}");
        assert!(other != learnt("unmatched", &teacher, ClassOrder::SAME), "{case}: the order matters");
    }
}

/// What a backend is given are images with labels that are a network's own numbers already, and the pixels of the set.
#[test]
fn labels_are_put_in_order_before_a_device_sees_them() {
    let fixture = Fixture::new();
    let names: Vec<String> = (0..10).map(|class| class.to_string()).collect();
    let turned: Vec<String> = names.iter().cycle().skip(3).take(10).cloned().collect();
    let order = ClassOrder::between(&turned, &names).unwrap();
    let relabelled = fixture.set.train.relabelled(|label| order.label(label));
    let expected: Vec<u32> = fixture.set.train.labels.iter().map(|label| (label + 7) % 10).collect();
    let Images { pixels, labels, .. } = &relabelled;
    assert_eq!(*labels, expected);
    assert!(std::sync::Arc::ptr_eq(pixels, &fixture.set.train.pixels), "no second copy of the set");
    let batch = crate::data::batch(&relabelled, &[5, 1], &fixture.normalization, None);
    assert_eq!(batch.labels, [expected[5], expected[1]]);
}
