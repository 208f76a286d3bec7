//! An order in which inputs come first, or the circles that stand in its way.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// What stands in the way of an order.
#[derive(Debug, PartialEq, Eq)]
pub struct Cycles {
    /// The nodes that do not depend on a cycle, in order.
    pub ordered: Vec<usize>,
    /// For each knot of cycles one of the shortest through its lowest number, starting there.
    pub cycles: Vec<Vec<usize>>,
}

/// Nodes 0..`count` so that every edge (from, to) goes forward, lower numbers first where edges leave a choice.
///
/// # Errors
/// The cycles, when there are any.
pub fn order(count: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Result<Vec<usize>, Cycles> {
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
    let mut ordered = Vec::with_capacity(count);
    while let Some(Reverse(node)) = ready.pop() {
        ordered.push(node);
        for next in graph.neighbors(NodeIndex::new(node)).map(NodeIndex::index) {
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.push(Reverse(next));
            }
        }
    }
    if ordered.len() == count { Ok(ordered) } else { Err(Cycles { ordered, cycles: cycles(&graph) }) }
}

fn cycles(graph: &DiGraph<(), ()>) -> Vec<Vec<usize>> {
    let on_cycle =
        |component: &Vec<NodeIndex>| component.len() > 1 || graph.find_edge(component[0], component[0]).is_some();
    let starts = kosaraju_scc(graph).into_iter().filter(on_cycle).filter_map(|nodes| nodes.into_iter().min());
    let mut cycles: Vec<Vec<usize>> = starts.map(|start| cycle(graph, start)).collect();
    cycles.sort();
    cycles
}

/// A shortest cycle through `start`, which lies on one.
fn cycle(graph: &DiGraph<(), ()>, start: NodeIndex) -> Vec<usize> {
    // Breadth first until an edge leads back. A map, because a graph may have many small cycles.
    let mut before: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for next in graph.neighbors(node) {
            if next == start {
                let mut path = vec![node.index()];
                let mut at = node;
                while at != start {
                    at = before[&at];
                    path.push(at.index());
                }
                path.reverse();
                return path;
            }
            before.entry(next).or_insert_with(|| {
                queue.push_back(next);
                node
            });
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
        assert_eq!(order(1, [(0, 0)]), Err(Cycles { ordered: vec![], cycles: vec![vec![0]] }));
        let knot = order(5, [(0, 1), (1, 2), (2, 3), (3, 1), (2, 1), (3, 4)]);
        assert_eq!(knot, Err(Cycles { ordered: vec![0], cycles: vec![vec![1, 2]] }));
        let two = order(6, [(4, 1), (1, 4), (2, 3), (3, 2), (0, 5)]);
        assert_eq!(two, Err(Cycles { ordered: vec![0, 5], cycles: vec![vec![1, 4], vec![2, 3]] }));
    }

    #[test]
    fn a_long_chain_and_a_long_cycle_need_no_stack() {
        let work = || {
            let count = 100_000;
            let chain: Vec<(usize, usize)> = (1..count).map(|i| (i, i - 1)).collect();
            assert_eq!(order(count, chain.clone()).unwrap()[0], count - 1);
            let circle = chain.into_iter().chain([(0, count - 1)]);
            assert_eq!(order(count, circle).unwrap_err().cycles[0].len(), count);
        };
        std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
    }
}
