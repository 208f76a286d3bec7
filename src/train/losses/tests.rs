//! Losses on real networks: where they meet, that gradients reach the weights, that training goes on bit for bit.

use super::features::{self, Problem, Side};
use super::*;
use crate::network::arch::Architecture;
use crate::network::{Executor, Mode, Model, add_leaves};
use crate::tensor::check::{differences, normal};
use crate::tensor::{Cpu, backward, tape};
use crate::train::parameters::{LayerPair, Optimizer, Training};
use crate::train::tests::{Fixture, mlp, sgd, training};

fn resnet(width: usize, seed: u64) -> Model {
    let json = format!(r#"{{"arch":"resnet","depth":8,"width":{width}}}"#);
    let resnet: Architecture = serde_json::from_str(&json).unwrap();
    Model::initialise(resnet.build([8, 8, 1], 10).unwrap(), seed).unwrap()
}

fn layers(names: &[(&str, &str)]) -> Vec<LayerPair> {
    let pair = |(student, teacher): &(&str, &str)| LayerPair { student: (*student).into(), teacher: (*teacher).into() };
    names.iter().map(pair).collect()
}

/// Every loss that needs a teacher, on layers of ResNets; maps of different sizes where that can be.
fn with_teacher() -> Vec<Loss> {
    let two = || layers(&[("layer1.0.relu", "layer2.0.relu"), ("layer3.0.relu", "layer2.0.relu")]);
    vec![
        Loss::Kd { temperature: 4.0, alpha: 0.9, smoothing: 0.1, weight: 1.0, standardize: true },
        Loss::LogitsMse { weight: 1.0 },
        Loss::Fitnet { layers: two(), weight: 1.0 },
        Loss::Attention { layers: two(), weight: 10.0 },
        Loss::Fsp { layers: layers(&[("relu", "relu"), ("layer2.0.relu", "layer2.0.relu")]), weight: 1.0 },
        Loss::Sp { layers: layers(&[("layer3.0.relu", "avgpool")]), weight: 10.0 },
        Loss::Vid { layers: layers(&[("layer1.0.relu", "layer3.0.relu"), ("avgpool", "avgpool")]), weight: 1.0 },
        Loss::Rkd { layers: layers(&[("avgpool", "avgpool")]), distance: 25.0, angle: 50.0, weight: 0.1 },
        Loss::Dkd { temperature: 4.0, alpha: 1.0, beta: 8.0, warmup: 4, weight: 1.0 },
        Loss::Dist { temperature: 2.0, beta: 1.0, gamma: 1.0, weight: 1.0 },
    ]
}

/// The teacher of these tests; as wide as the student where the flow between layers is compared.
fn teacher(loss: &Loss) -> Model {
    resnet(if matches!(loss, Loss::Fsp { .. }) { 4 } else { 6 }, 9)
}

fn short(epochs: u64, losses: Vec<Loss>) -> Training {
    Training { losses, batch: 32, ..training(epochs) }
}

fn few() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.shorten(100);
    fixture
}

#[test]
fn every_loss_trains_and_goes_on_bit_for_bit() {
    let fixture = few();
    let plain =
        fixture.run("plain", &short(2, vec![Loss::CrossEntropy { smoothing: 0.0, weight: 1.0 }]), resnet(4, 5), None);
    let adam = Optimizer::Adam { lr: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 1e-4, decay_all: false };
    let optimizers = [adam, sgd(0.01, 1e-4)];
    for (index, loss) in with_teacher().into_iter().enumerate() {
        let name = loss.name();
        let teacher = teacher(&loss);
        let cross_entropy = Loss::CrossEntropy { smoothing: 0.0, weight: 1.0 };
        let mut long = short(2, vec![cross_entropy, loss]);
        long.optimizer = optimizers[index % 2].clone();
        long.clip_norm = Some(5.0);
        let once = Training { epochs: 1, ..long.clone() };
        fixture.run(&format!("{name} resumed"), &once, resnet(4, 5), Some(&teacher));
        let (resumed, from) = fixture.run(&format!("{name} resumed"), &long, resnet(4, 5), Some(&teacher));
        let (fresh, none) = fixture.run(&format!("{name} fresh"), &long, resnet(4, 5), Some(&teacher));
        assert_eq!((from, none), (Some(1), None), "{name}");
        assert!(resumed.model == fresh.model, "{name}");
        assert_eq!(resumed.history, fresh.history, "{name}");
        assert_ne!(fresh.model, plain.0.model, "{name} changes nothing");
        // Connectors are not part of what comes out.
        assert!(fresh.model.tensors.keys().eq(resnet(4, 5).tensors.keys()), "{name}");
    }
}

#[test]
fn a_peer_learns_beside_and_goes_on_bit_for_bit() {
    let fixture = few();
    let cross_entropy = || Loss::CrossEntropy { smoothing: 0.0, weight: 1.0 };
    let mutual = |epochs| Training {
        clip_norm: Some(5.0),
        ..short(epochs, vec![cross_entropy(), Loss::Mutual { weight: 1.0 }])
    };
    fixture.run("resumed", &mutual(1), resnet(4, 5), None);
    let (resumed, from) = fixture.run("resumed", &mutual(2), resnet(4, 5), None);
    let (fresh, _) = fixture.run("fresh", &mutual(2), resnet(4, 5), None);
    assert_eq!(from, Some(1));
    assert!(resumed.model == fresh.model);
    let alone = Training { losses: vec![cross_entropy()], ..mutual(2) };
    assert_ne!(fresh.model, fixture.run("alone", &alone, resnet(4, 5), None).0.model);
}

/// What the student is drawn to is its peer: with nothing else to learn from, two networks come to agree.
#[test]
fn two_peers_agree_more_and_more() {
    let fixture = few();
    let only = short(8, vec![Loss::Mutual { weight: 1.0 }]);
    let (trained, _) = fixture.run("mutual", &only, mlp(24), None);
    let losses: Vec<f64> = trained.history.epochs.iter().map(|epoch| epoch.loss).collect();
    assert!(losses[0] > 0.0 && losses[7] < 0.5 * losses[0], "{losses:?}");
}

/// The loss of one batch with what decides it given as values, for finite differences.
struct Probe {
    losses: Losses,
    student: Executor<Cpu>,
    answer: Answer<Cpu>,
    connectors: Connectors<Cpu>,
    batch: crate::data::Batch,
    pixels: Flat<Cpu>,
}

impl Probe {
    fn new(loss: &Loss) -> Self {
        let device = Cpu::default();
        let (student, teacher) = (resnet(4, 5), teacher(loss));
        let losses = Losses::new(std::slice::from_ref(loss), &student.graph, Some(&teacher.graph)).unwrap();
        let pixels = device.upload(&normal("pixels", 3 * 64)).unwrap();
        let teacher = Executor::new(&teacher, &device).unwrap();
        let layers = losses.teacher_layers();
        let answer = teacher.forward(pixels.clone(), 3, Mode::Evaluate, &layers, &mut NoneTape).unwrap();
        let connectors = Connectors::new(&losses.connectors(), &sgd(0.1, 0.0), 1, &device).unwrap();
        Self {
            losses,
            student: Executor::new(&student, &device).unwrap(),
            answer: Answer { logits: answer.logits, kept: answer.kept },
            connectors,
            batch: crate::data::Batch { pixels: Vec::new(), labels: vec![1, 7, 3], size: 3, mix: None },
            pixels,
        }
    }

    /// The loss, and the gradients of the parameters of student and connectors.
    fn run(&self, epoch: u64) -> (f64, Vec<Vec<f32>>) {
        let mut gradients = self.student.alloc_gradients().unwrap();
        add_leaves(&mut gradients, self.connectors.parameters()).unwrap();
        let mut tape = tape(self.student.device(), gradients).unwrap();
        let mut keep: Vec<usize> = self.losses.student_layers().collect();
        keep.sort_unstable();
        keep.dedup();
        let forward = self.student.forward(self.pixels.clone(), 3, Mode::Train(None), &keep, &mut tape).unwrap();
        let given = Given { targets: Targets::new(&self.batch), teacher: Some(&self.answer), peer: None, epoch };
        let terms = self.losses.terms(&forward, &given, self.connectors.parameters(), &mut tape).unwrap();
        let value = terms.iter().map(|(weight, term)| f64::from(*weight) * f64::from(Cpu::download(term)[0])).sum();
        let gradients = backward(self.student.device().weighted_sum(&terms, tape).unwrap()).unwrap();
        let all = self.student.parameters().iter().chain(self.connectors.parameters());
        let trainable = all.filter(|parameter| parameter.role.trainable());
        (value, trainable.map(|parameter| Cpu::gradient(&gradients, &parameter.tensor)).collect())
    }
}

#[test]
fn gradients_reach_the_student_and_the_connectors() {
    for loss in with_teacher() {
        let probe = Probe::new(&loss);
        let (middle, gradients) = probe.run(0);
        assert!(gradients[0].iter().any(|g| *g != 0.0), "{}", loss.name());
        let own = probe.student.parameters().iter().filter(|parameter| parameter.role.trainable()).count();
        for (which, parameter) in probe.connectors.parameters().iter().enumerate() {
            let gradient = &gradients[own + which];
            assert!(gradient.iter().any(|g| *g != 0.0), "{}", parameter.name);
            let values = Cpu::download(&parameter.tensor);
            let what = format!("{} of {}", parameter.name, loss.name());
            differences(&what, gradient, 1.0 / 128.0, middle, |index, step| {
                let mut probe = Probe::new(&loss);
                let mut moved = values.clone();
                moved[index] += step;
                probe.connectors.overwrite(which, &moved);
                probe.run(0).0
            });
        }
    }
}

#[test]
fn decoupled_distillation_warms_up() {
    let dkd = |warmup| Loss::Dkd { temperature: 4.0, alpha: 1.0, beta: 8.0, warmup, weight: 2.0 };
    let at = |warmup, epoch| Probe::new(&dkd(warmup)).run(epoch).0;
    let whole = at(0, 0);
    for (epoch, share) in [(0, 0.25), (1, 0.5), (3, 1.0), (9, 1.0)] {
        assert!((at(4, epoch) / whole - share).abs() < 1e-6, "{epoch}");
    }
}

#[test]
fn maps_meet_at_the_smaller_size() {
    let (student, teacher) = (resnet(4, 1).graph, resnet(6, 1).graph);
    let fitnet = |own, other| Loss::Fitnet { layers: layers(&[(own, other)]), weight: 1.0 };
    let met = |own, other| {
        let pair = features::pairs(&fitnet(own, other), &student, &teacher).unwrap()[0];
        (pair.student.output, pair.teacher.output, [pair.student.channels, pair.teacher.channels])
    };
    assert_eq!(met("layer1.0.relu", "layer3.0.relu"), ([2, 2], [2, 2], [4, 24]));
    assert_eq!(met("layer3.0.relu", "relu"), ([2, 2], [2, 2], [16, 6]));
    assert_eq!(met("layer2.*.conv1", "avgpool"), ([1, 1], [1, 1], [8, 24]));
}

#[test]
fn what_does_not_meet_is_told() {
    let (student, teacher) = (resnet(4, 1).graph, resnet(6, 1).graph);
    let told = |loss: &Loss, teacher: &Graph| match features::pairs(loss, &student, teacher) {
        Ok(_) => "nothing".to_owned(),
        Err(problems) => problems.iter().map(|problem| problem.message(loss)).collect::<Vec<_>>().join("\n"),
    };
    let odd: Architecture = serde_json::from_str(r#"{"arch":"lenet"}"#).unwrap();
    let odd = odd.build([28, 28, 1], 10).unwrap();
    let fitnet = |own, other| Loss::Fitnet { layers: layers(&[(own, other)]), weight: 1.0 };
    let cases = [
        told(&fitnet("layer9", "fc*x"), &teacher),
        told(&fitnet("layer*.0.relu", "fc"), &teacher),
        told(&fitnet("layer1.0.relu", "conv2"), &odd),
        told(&Loss::Attention { layers: layers(&[("avgpool", "fc")]), weight: 1.0 }, &teacher),
        told(
            &Loss::Fsp { layers: layers(&[("relu", "relu"), ("layer2.0.relu", "layer2.0.relu")]), weight: 1.0 },
            &teacher,
        ),
        told(&Loss::Fsp { layers: layers(&[("relu", "conv1"), ("layer2.0.relu", "conv2")]), weight: 1.0 }, &odd),
        told(&Loss::Sp { layers: layers(&[("avgpool", "conv1")]), weight: 1.0 }, &odd),
    ];
    insta::assert_snapshot!(cases.join("\n"), @r#"
    no layer of the student matches `layer9`
    no layer of the teacher matches `fc*x`
    several layers of the student match `layer*.0.relu`
    `fitnet` cannot compare the student's map of 8x8 with the teacher's of 10x10: neither is a whole multiple of the other
    `attention` compares positions, and there is only one
    `fsp` needs equal numbers of channels, and the student has 4, the teacher 6
    `fsp` needs equal numbers of channels, and the student has 8, the teacher 12
    `fsp` cannot compare the teacher's first map of 28x28 with its second of 10x10: neither is a whole multiple of the other
    `fsp` needs equal numbers of channels, and the student has 4, the teacher 6
    `fsp` needs equal numbers of channels, and the student has 8, the teacher 16
    nothing
    "#);
    let found = features::pairs(&fitnet("nowhere", "fc"), &student, &teacher).unwrap_err();
    assert_eq!(found, [Problem::Name { pair: 0, side: Side::Student, found: Vec::new() }]);
    let error = Losses::new(&[fitnet("nowhere", "fc")], &student, Some(&teacher)).err().unwrap();
    assert_eq!((error.kind, error.message.contains("nowhere")), (Kind::Stage, true));
    assert!(Losses::new(&[fitnet("fc", "fc")], &student, None).is_err());
}
