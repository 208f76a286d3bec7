//! What a stage asks of the machine, from its graphs, its batch and its data. An estimate: it decides which stages run
//! beside each other, never a result.
//!
//! In float32 values, with P the parameters of a network, A the values of all its layers' outputs for one image, L those
//! of its largest, I those of an image, B the batch, N the training images, C the classes, and s the values that the
//! optimizer keeps for a parameter (1 for SGD, 2 for Adam):
//!
//! | stage | memory |
//! |---|---|
//! | trains | `P (6 + 4 s) + B (2 A + 3 I)`: weights, gradients and state; the networks after the last and the best epoch; a checkpoint as tensors and as bytes; outputs kept for the backward pass, which makes a gradient of each; batches made ahead. A peer doubles it |
//! | its teacher | `2 P + max(B, E) (3 L + 2 I)`, with E images in a pass that trains nothing, and `N (2 C + 1)`: its logits as numbers and as the bytes of their file, and where each image has its own |
//! | prunes | `6 P + E (2 A + 2 I)`: the networks before and after, masked, and on the device; criteria may go backward |
//! | evaluates | the largest of its models, `3 P + E (3 L + 2 I)`, and `M C` for its logits on the M images that it looks at |
//! | imports | `3 P` |
//!
//! A network that goes on or is pruned may have its classes in another order than its data set: then the stage has a label of
//! its own for each image but those of the test, and shares the pixels. A data set takes a byte a channel, and 4 a label. The work of a step is 3 multiply-adds for each of the forward pass
//! where something is trained, and 1 elsewhere.

use super::{Description, Parameters, Split};
use crate::data::{EVALUATION_BATCH, Outline};
use crate::network::Graph;
use crate::store::Store;
use crate::train::parameters::{Loss, Optimizer, Training};

/// What a stage asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// Multiply-adds of one step, or of one pass over a batch.
    pub work: u64,
    /// Bytes at its peak, without the data set.
    pub memory: u64,
    /// Whether it computes, on a GPU where there is one.
    pub computes: bool,
    /// Whether it measures times, which nothing beside it is to change.
    pub times: bool,
    /// Its data set, by a name of the caller's, and that set's bytes.
    pub data: Option<(String, u64)>,
}

/// Bytes of a value.
const VALUE: u64 = size_of::<f32>() as u64;

/// Values that no memory has room for. More are counted as so many, and sums of what they are multiplied by do not overflow.
const VERY_MANY: u64 = 1 << 48;

/// What counts about a network.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    parameters: u64,
    outputs: u64,
    largest: u64,
    image: u64,
    classes: u64,
    macs: u64,
}

impl Size {
    fn of(graph: &Graph) -> Option<Self> {
        let outputs: Vec<u64> = graph.shapes().ok()?.iter().map(|shape| (shape.size() as u64).min(VERY_MANY)).collect();
        let of = |spec: &crate::network::ParameterSpec| {
            spec.dims.iter().fold(1, |product: u64, size| product.saturating_mul(*size as u64))
        };
        Some(Self {
            parameters: graph.parameters().iter().map(of).fold(0, u64::saturating_add).min(VERY_MANY),
            outputs: outputs.iter().copied().fold(0, u64::saturating_add).min(VERY_MANY),
            largest: outputs.iter().copied().max().unwrap_or(0),
            image: graph.input.iter().product::<usize>() as u64,
            classes: graph.classes() as u64,
            macs: graph.macs(),
        })
    }
}

/// The values of all parameters of a network.
pub fn parameters(graph: &Graph) -> u64 {
    Size::of(graph).map_or(0, |size| size.parameters)
}

/// What a stage asks for. `outline` is of the data set that it takes, and `name` its name. What cannot be known, because an
/// input is gone from the store, counts nothing: the stage itself will find that out.
pub fn demand(description: &Description, outline: Option<(&str, &Outline)>, store: &Store) -> Demand {
    let of_input = |role: &str| {
        let bytes = store.get(&description.inputs.get(role)?.network).ok()??;
        Size::of(&Graph::from_json(&bytes).ok()?)
    };
    let input = |role: &str| of_input(role).unwrap_or_default();
    let known = outline.map(|(_, outline)| outline);
    let fresh = |network: &Option<crate::network::arch::Architecture>| match network {
        Some(architecture) => known
            .and_then(|outline| architecture.build(outline.shape, outline.classes).ok())
            .and_then(|graph| Size::of(&graph))
            .unwrap_or_default(),
        None => input("like"),
    };
    let pass = EVALUATION_BATCH as u64;
    let limit = description.data.as_ref().and_then(|data| data.limit);
    let images = known.map_or(0, |outline| limit.unwrap_or(u64::MAX).min(outline.train as u64));
    let trains = |network, training| trains(network, of_input("teacher"), training, images);
    let all = known.map_or(0, |outline| (outline.train + outline.validation) as u64);
    let labels = if description.inputs.contains_key("from") { all } else { 0 };
    let (work, values) = match &description.parameters {
        Parameters::Train { network, training } | Parameters::Distill { network, training } => {
            trains(fresh(network), training)
        }
        Parameters::Regularize { training } | Parameters::FineTune { training } => trains(input("from"), training),
        Parameters::Prune { .. } => {
            let Size { parameters, outputs, image, macs, .. } = input("from");
            (macs.saturating_mul(pass), 6 * parameters + pass * (2 * outputs + 2 * image))
        }
        Parameters::Evaluate { split, .. } => {
            let looked_at = known.map_or(0, |outline| match split {
                Split::Train => images,
                // The set's own, or a part of the training images.
                Split::Validation => (outline.validation as u64).max(images),
                Split::Test => outline.test as u64,
            });
            let models = (0..).map(|i| format!("models.{i}")).take_while(|role| description.inputs.contains_key(role));
            models.map(|role| input(&role)).fold((0, 0), |(work, values), size| {
                let own = 3 * size.parameters + pass * (3 * size.largest + 2 * size.image) + looked_at * size.classes;
                (work.max(size.macs.saturating_mul(pass)), values.max(own))
            })
        }
        Parameters::Import { network, .. } => (0, 3 * fresh(network).parameters),
    };
    let data = description.data.as_ref().and(outline).map(|(name, outline)| {
        let image = outline.shape.iter().product::<usize>() as u64 + size_of::<u32>() as u64;
        (name.to_owned(), (outline.train + outline.validation + outline.test) as u64 * image)
    });
    let times = matches!(description.parameters, Parameters::Evaluate { .. });
    let memory = values.saturating_add(labels).saturating_mul(VALUE);
    Demand { work, memory, computes: description.parameters.computes(), times, data }
}

/// Multiply-adds and values of a stage that trains on so many images.
fn trains(network: Size, teacher: Option<Size>, training: &Training, images: u64) -> (u64, u64) {
    let batch = if images > 0 { training.steps(images).batch } else { training.batch };
    let pass = EVALUATION_BATCH as u64;
    let slots = match training.optimizer {
        Optimizer::Sgd { .. } => 1,
        Optimizer::Adam { .. } | Optimizer::Adamw { .. } => 2,
    };
    let networks = if training.losses.iter().any(|loss| matches!(loss, Loss::Mutual { .. })) { 2 } else { 1 };
    let own = network.parameters * (6 + 4 * slots) + batch.saturating_mul(2 * network.outputs + 3 * network.image);
    let taught = teacher.map_or(0, |teacher| {
        2 * teacher.parameters
            + batch.max(pass).saturating_mul(3 * teacher.largest + 2 * teacher.image)
            + images * (2 * teacher.classes + 1)
    });
    (
        network.macs.saturating_mul(3 * networks).saturating_mul(batch),
        own.saturating_mul(networks).saturating_add(taught),
    )
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::data::Source;
    use crate::network::arch::Architecture;
    use crate::stage::{DataInput, NetworkInput};
    use crate::store::{Digest, Options};
    use crate::tensor::engine::Precision;
    use crate::train::parameters::{Schedule, Select};
    use crate::train::steps::LastBatch;

    pub(in super::super) fn training(batch: u64, optimizer: Optimizer) -> Training {
        Training {
            epochs: 1,
            batch,
            last_batch: LastBatch::Even,
            optimizer,
            schedule: Schedule::Constant { warmup: 0.0 },
            losses: Vec::new(),
            penalties: Vec::new(),
            augment: Vec::new(),
            clip_norm: None,
            select: Select::Last,
            early_stop: None,
            prune: None,
            precision: Precision::F32,
        }
    }

    #[test]
    fn a_training_stage_by_hand() {
        // 4 inputs, 3 hidden units (linear and ReLU), 2 classes: 15 + 8 parameters, 8 outputs after the flattened image.
        let graph = Architecture::Mlp { hidden: vec![3] }.build([2, 2, 1], 2).unwrap();
        let size = Size::of(&graph).unwrap();
        assert_eq!((size.parameters, size.image, size.classes, size.macs), (23, 4, 2, 18));
        let outputs: u64 = graph.shapes().unwrap().iter().map(|shape| shape.size() as u64).sum();
        assert_eq!((size.outputs, size.largest), (outputs, 4));
        let sgd = Optimizer::Sgd { lr: 0.1, momentum: 0.0, nesterov: false, weight_decay: 0.0, decay_all: false };
        let adam = Optimizer::Adam { lr: 0.1, betas: [0.5, 0.5], epsilon: 0.1, weight_decay: 0.0, decay_all: false };
        let own = |slots: u64, batch: u64| 23 * (6 + 4 * slots) + batch * (2 * outputs + 12);
        assert_eq!(trains(size, None, &training(10, sgd.clone()), 100), (18 * 3 * 10, own(1, 10)));
        assert_eq!(trains(size, None, &training(1000, sgd.clone()), 100).1, own(1, 100), "a batch of all there are");
        assert_eq!(trains(size, None, &training(10, adam), 100).1, own(2, 10));
        let taught = trains(size, Some(size), &training(10, sgd.clone()), 100).1;
        assert_eq!(taught, own(1, 10) + 2 * 23 + 250 * (3 * 4 + 2 * 4) + 100 * (2 * 2 + 1));
        let losses = vec![Loss::Mutual { weight: 1.0 }];
        let mutual = Training { losses, ..training(10, sgd) };
        assert_eq!(trains(size, None, &mutual, 100), (2 * 18 * 3 * 10, 2 * own(1, 10)));
    }

    #[test]
    fn labels_in_another_order_and_the_logits_of_an_evaluation_by_hand() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &Options::default()).unwrap();
        let graph = Architecture::Mlp { hidden: vec![3] }.build([2, 2, 1], 2).unwrap();
        let size = Size::of(&graph).unwrap();
        let network = store.put(&serde_json::to_vec(&graph).unwrap()).unwrap();
        let outline = |test| Outline {
            shape: [2, 2, 1],
            classes: 2,
            class_names: vec!["a".into(), "b".into()],
            train: 100,
            validation: 20,
            test,
        };
        let of = |parameters: Parameters, role: &str, test: usize| {
            let data = DataInput {
                source: Source::Images,
                path: None,
                decoding: None,
                normalization: None,
                validation: 0.0,
                limit: Some(50),
                seed: 0,
                digest: Digest::of(b"data"),
            };
            let input = NetworkInput { network, weights: None, masks: None, signature: None };
            let inputs = BTreeMap::from([(role.to_owned(), input)]);
            let description = Description { parameters, seed: 0, data: Some(data), import: None, inputs };
            demand(&description, Some(("set", &outline(test))), &store)
        };
        let sgd = Optimizer::Sgd { lr: 0.1, momentum: 0.0, nesterov: false, weight_decay: 0.0, decay_all: false };
        let training = training(10, sgd);
        let tuned = of(Parameters::FineTune { training: training.clone() }, "from", 30);
        let alone = trains(size, None, &training, 50).1;
        assert_eq!(tuned.memory, 4 * (alone + 120), "labels of the set's own validation images too");
        assert_eq!(tuned.data, Some(("set".to_owned(), (100 + 20 + 30) * (4 + 4))));
        let looked_at = |split| {
            let evaluated = |test| of(Parameters::Evaluate { split, reference: None }, "models.0", test).memory;
            (evaluated(1000) - evaluated(30)) / (4 * 2)
        };
        let splits = [Split::Train, Split::Validation, Split::Test];
        assert_eq!(splits.map(looked_at), [0, 0, 970], "two logits an image");
    }
}
