//! The layers of the networks that are measured.

use pleach::network::graph::INPUT;
use pleach::network::{Op, Shape};
use pleach::verify::networks::{NETWORKS, graph};

/// A layer that at least one of the networks has.
pub struct Distinct {
    pub op: Op,
    /// The shape of what it reads (of the first input, if there are several).
    pub input: Shape,
    /// Whether it reads the image, whose gradient nobody needs.
    pub first: bool,
    /// The networks that have it.
    pub networks: Vec<&'static str>,
}

/// Every layer of all networks once.
pub fn layers() -> Vec<Distinct> {
    let mut all: Vec<Distinct> = Vec::new();
    for (network, _) in NETWORKS {
        let graph = graph(network).expect("a known network");
        let shapes = graph.shapes().expect("a sound graph");
        let [height, width, channels] = graph.input;
        for layer in &graph.layers {
            let first = layer.inputs[0] == INPUT;
            let input = graph.index(&layer.inputs[0]).map_or(Shape::Map { height, width, channels }, |at| shapes[at]);
            let known = all.iter_mut().find(|known| (&known.op, known.input, known.first) == (&layer.op, input, first));
            match known {
                Some(known) if known.networks.contains(&network) => {}
                Some(known) => known.networks.push(network),
                None => all.push(Distinct { op: layer.op.clone(), input, first, networks: vec![network] }),
            }
        }
    }
    all
}
