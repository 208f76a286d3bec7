//! The DAG of stage instances.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::manifest::Manifest;

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

/// Nodes 0..`count` so that every edge (from, to) goes forward, lower numbers first where edges leave a choice.
///
/// # Errors
/// A shortest cycle through one of the nodes on a cycle, starting at its lowest number.
pub fn order(count: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Result<Vec<usize>, Vec<usize>> {
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(count, count);
    for _ in 0..count {
        graph.add_node(());
    }
    for (from, to) in edges {
        graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
    }
    let mut waiting: Vec<usize> =
        graph.node_indices().map(|n| graph.neighbors_directed(n, Direction::Incoming).count()).collect();
    let mut ready: BinaryHeap<Reverse<usize>> = (0..count).filter(|n| waiting[*n] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(Reverse(node)) = ready.pop() {
        order.push(node);
        for next in graph.neighbors(NodeIndex::new(node)).map(NodeIndex::index) {
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.push(Reverse(next));
            }
        }
    }
    if order.len() == count { Ok(order) } else { Err(cycle(&graph)) }
}

/// A shortest cycle through the lowest node that lies on any.
fn cycle(graph: &DiGraph<(), ()>) -> Vec<usize> {
    let on_cycle =
        |component: &Vec<NodeIndex>| component.len() > 1 || graph.find_edge(component[0], component[0]).is_some();
    let start = kosaraju_scc(graph).iter().filter(|c| on_cycle(c)).flatten().min().copied().expect("there is a cycle");
    // Breadth first from `start` until an edge leads back.
    let mut before = vec![None; graph.node_count()];
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for next in graph.neighbors(node) {
            if next == start {
                let mut path = vec![node.index()];
                let mut at = node;
                while at != start {
                    at = before[at.index()].expect("reached from somewhere");
                    path.push(at.index());
                }
                path.reverse();
                return path;
            }
            if before[next.index()].is_none() {
                before[next.index()] = Some(node);
                queue.push_back(next);
            }
        }
    }
    unreachable!("`start` lies on a cycle")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_come_first_and_the_file_decides_the_rest() {
        assert_eq!(order(4, [(3, 0), (3, 1)]), Ok(vec![2, 3, 0, 1]));
        assert_eq!(order(0, []), Ok(vec![]));
    }

    #[test]
    fn a_cycle_is_shown_as_its_shortest_path() {
        assert_eq!(order(1, [(0, 0)]), Err(vec![0]));
        assert_eq!(order(5, [(0, 1), (1, 2), (2, 3), (3, 1), (2, 1), (3, 4)]), Err(vec![1, 2]));
    }

    #[test]
    fn a_long_chain_and_a_long_cycle_need_no_stack() {
        let work = || {
            let count = 100_000;
            let chain: Vec<(usize, usize)> = (1..count).map(|i| (i, i - 1)).collect();
            assert_eq!(order(count, chain.clone()).unwrap()[0], count - 1);
            let circle = chain.into_iter().chain([(0, count - 1)]);
            assert_eq!(order(count, circle).unwrap_err().len(), count);
        };
        std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
    }
}
