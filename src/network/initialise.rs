//! Fresh weights from a seed.
//!
//! - Convolution: normal with variance `2 / (O · Kh · Kw)`, Kaiming's with fan-out (He 2015), as torchvision's ResNet
//! - Linear weight, and every bias: uniform within `±1 / √fan-in`, PyTorch's default
//! - Normalization: weight 1, bias 0, running mean 0, running variance 1
//!
//! One rule an operation, whatever the family. torchvision's differ a little from family to family: it draws linear layers
//! of VGG and MobileNet from a normal distribution of deviation 0.01, of EfficientNet within `±1 / √fan-out`, takes
//! fan-in for DenseNet's convolutions, and sets their and most linear biases to zero. All but the classifiers stand
//! beside a normalization that takes their scale out again, so one rule trains every family; a test shows that it does.
//!
//! Every tensor is drawn from a generator of its own, keyed by its name: a layer more or less changes no other layer.

use std::collections::BTreeMap;

use rand::RngExt;

use super::graph::{Graph, Layer};
use super::model::{HostTensor, Model};
use super::parameters::Role;
use crate::error::Result;

impl Model {
    /// A model of `graph` with fresh weights, a pure function of the graph and `seed`. Fails as [`Graph::shapes`] does.
    pub fn initialise(graph: Graph, seed: u64) -> Result<Model> {
        graph.shapes()?;
        let tensors = graph.layers.iter().flat_map(|layer| layer_tensors(layer, seed)).collect();
        Ok(Model { graph, tensors, masks: BTreeMap::new() })
    }
}

fn layer_tensors(layer: &Layer, seed: u64) -> Vec<(String, HostTensor)> {
    let specs = layer.op.parameters();
    let weight = specs.first().map_or(Vec::new(), |(_, dims, _)| dims.clone());
    let fan_in: usize = weight.iter().skip(1).product();
    let fan_out = weight.iter().take(1).chain(weight.iter().skip(2)).product::<usize>();
    let fresh = |(tensor, dims, role): (&str, Vec<usize>, Role)| {
        let name = format!("{}.{tensor}", layer.name);
        let count = dims.iter().product();
        let mut random = crate::random::generator(seed, &format!("initialise {name}"), 0, 0);
        let data = match role {
            Role::NormWeight | Role::RunningVariance => vec![1.0; count],
            Role::NormBias | Role::RunningMean => vec![0.0; count],
            Role::Weight if dims.len() == 4 => {
                let deviation = (2.0 / fan_out as f32).sqrt();
                (0..count).map(|_| crate::random::normal(&mut random) as f32 * deviation).collect()
            }
            Role::Weight | Role::Bias => {
                let bound = 1.0 / (fan_in as f32).sqrt();
                (0..count).map(|_| random.random_range(-bound..bound)).collect()
            }
        };
        (name, HostTensor { dims, data })
    };
    specs.into_iter().map(fresh).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::arch::Architecture;

    #[test]
    fn weights_have_the_spread_that_their_layer_asks_for() {
        let lenet: Architecture = serde_json::from_str(r#"{"arch":"lenet","channels":[32,64]}"#).unwrap();
        let model = Model::initialise(lenet.build([28, 28, 1], 10).unwrap(), 5).unwrap();
        let deviation = |name: &str| {
            let data = &model.tensors[name].data;
            (data.iter().map(|x| x * x).sum::<f32>() / data.len() as f32).sqrt()
        };
        let expect = |name: &str, expected: f32| {
            assert!((deviation(name) / expected - 1.0).abs() < 0.05, "{name}: {}", deviation(name));
        };
        expect("conv2.weight", (2.0 / (64.0 * 25.0_f32)).sqrt());
        // Uniform within ±b has a deviation of b / √3.
        expect("hidden1.weight", 1.0 / (3.0 * 1600.0_f32).sqrt());
        assert!(model.tensors["hidden1.weight"].data.iter().all(|x| x.abs() <= 1.0 / 40.0));
    }

    #[test]
    fn a_seed_gives_one_model_and_a_name_one_tensor() {
        let resnet = |depth: usize, seed| {
            let resnet: Architecture =
                serde_json::from_str(&format!(r#"{{"arch":"resnet","depth":{depth}}}"#)).unwrap();
            Model::initialise(resnet.build([8, 8, 1], 10).unwrap(), seed).unwrap()
        };
        assert_eq!(resnet(8, 1), resnet(8, 1));
        let name = "layer2.0.conv1.weight";
        assert_ne!(resnet(8, 1).tensors[name], resnet(8, 2).tensors[name]);
        assert_eq!(resnet(8, 1).tensors[name], resnet(14, 1).tensors[name]);
        assert_ne!(resnet(8, 1).tensors["layer1.0.conv1.weight"], resnet(8, 1).tensors["layer1.0.conv2.weight"]);
    }
}
