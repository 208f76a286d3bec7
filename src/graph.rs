//! The DAG of stage instances.

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::manifest::Manifest;
use crate::manifest::order::order;

/// Stages and what they take from each other. A node is the index of a stage in the manifest; an edge goes from the
/// producer to the consumer and is named by the role of the input.
#[derive(Debug)]
pub struct StageGraph {
    graph: DiGraph<usize, String>,
    order: Vec<usize>,
}

impl StageGraph {
    /// The graph of a manifest that passed its checks.
    pub fn new(manifest: &Manifest) -> Self {
        let mut graph = DiGraph::with_capacity(manifest.stages.len(), manifest.stages.len());
        for index in 0..manifest.stages.len() {
            graph.add_node(index);
        }
        for (to, stage) in manifest.stages.values().enumerate() {
            for (role, reference) in &stage.inputs {
                let from = manifest.stages.get_index_of(&reference.stage).expect("references were checked");
                graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), role.clone());
            }
        }
        let edges = graph.raw_edges().iter().map(|e| (e.source().index(), e.target().index()));
        let order = order(graph.node_count(), edges).expect("cycles were refused");
        Self { graph, order }
    }

    /// Every stage, inputs before what needs them; among equals the order of the file.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The stages that `stage` takes something from, each once.
    pub fn producers(&self, stage: usize) -> Vec<usize> {
        self.neighbours(stage, Direction::Incoming)
    }

    /// The stages that take something from `stage`, each once.
    pub fn consumers(&self, stage: usize) -> Vec<usize> {
        self.neighbours(stage, Direction::Outgoing)
    }

    fn neighbours(&self, stage: usize, direction: Direction) -> Vec<usize> {
        let mut all: Vec<usize> =
            self.graph.neighbors_directed(NodeIndex::new(stage), direction).map(NodeIndex::index).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Every edge as (producer, consumer, role), in the order of the consumers' inputs.
    pub fn edges(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        self.graph.raw_edges().iter().map(|e| (e.source().index(), e.target().index(), e.weight.as_str()))
    }

    /// `targets` and everything they need, in order.
    pub fn needed(&self, targets: &[usize]) -> Vec<usize> {
        let mut wanted = vec![false; self.graph.node_count()];
        let mut stack = targets.to_vec();
        while let Some(stage) = stack.pop() {
            if !std::mem::replace(&mut wanted[stage], true) {
                stack.extend(self.producers(stage));
            }
        }
        self.order.iter().copied().filter(|stage| wanted[*stage]).collect()
    }
}
