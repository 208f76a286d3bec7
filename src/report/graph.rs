//! The DAG as text, Graphviz dot and Mermaid.

use std::collections::BTreeMap;

use indexmap::{IndexMap, IndexSet};

use crate::graph::StageGraph;
use crate::manifest::Manifest;

/// What is drawn: stages, or sections with all their instances as one node.
pub struct Drawing {
    nodes: Vec<Node>,
    /// (producer, consumer, role), each once.
    edges: IndexSet<(usize, usize, String)>,
    /// Nodes, inputs first.
    order: Vec<usize>,
}

struct Node {
    name: String,
    kind: &'static str,
    /// How many stages it stands for.
    count: usize,
}

impl Node {
    fn label(&self) -> String {
        if self.count == 1 { self.name.clone() } else { format!("{} x {}", self.name, self.count) }
    }
}

impl Drawing {
    /// The graph of a manifest: a node a stage when `expand` is set, else a node a section.
    pub fn new(graph: &StageGraph, manifest: &Manifest, expand: bool) -> Self {
        let mut nodes: IndexMap<&str, Node> = IndexMap::new();
        let mut of_stage = Vec::with_capacity(manifest.stages.len());
        for (name, stage) in &manifest.stages {
            let name = if expand { name } else { &stage.template };
            let entry = nodes.entry(name);
            of_stage.push(entry.index());
            let new = || Node { name: name.clone(), kind: stage.parameters.kind(), count: 0 };
            entry.or_insert_with(new).count += 1;
        }
        let edge = |(from, to, role): (usize, usize, &str)| (of_stage[from], of_stage[to], role.to_owned());
        let edges = graph.edges().map(edge).collect();
        let order: IndexSet<usize> = graph.order().iter().map(|stage| of_stage[*stage]).collect();
        Self { nodes: nodes.into_values().collect(), edges, order: order.into_iter().collect() }
    }
}

/// One line a node, inputs first: `student x 3  distill  ← teacher`. An input whose role says more than its name has it.
pub fn text(drawing: &Drawing) -> String {
    let labels: Vec<String> = drawing.nodes.iter().map(Node::label).collect();
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let mut inputs: BTreeMap<usize, IndexSet<String>> = BTreeMap::new();
    for (from, to, role) in &drawing.edges {
        let name = &drawing.nodes[*from].name;
        let named = role == name || role.starts_with("models.");
        let input = if named { name.clone() } else { format!("{name} ({role})") };
        inputs.entry(*to).or_default().insert(input);
    }
    let mut out = String::new();
    for node in &drawing.order {
        let from = inputs.get(node).map_or(String::new(), |inputs| {
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            format!("  ← {}", inputs.join(", "))
        });
        out.push_str(format!("{:width$}  {:10}{from}", labels[*node], drawing.nodes[*node].kind).trim_end());
        out.push('\n');
    }
    out
}

/// A Graphviz document.
pub fn dot(drawing: &Drawing) -> String {
    let mut out = String::from("digraph pleach {\n  rankdir = LR;\n  node [shape = box];\n");
    for node in &drawing.nodes {
        out.push_str(&format!("  \"{}\" [label = \"{}\\n{}\"];\n", node.name, node.label(), node.kind));
    }
    for (from, to, role) in &drawing.edges {
        let label = match edge(role) {
            "" => String::new(),
            role => format!(" [label = \"{role}\"]"),
        };
        let name = |node: usize| &drawing.nodes[node].name;
        out.push_str(&format!("  \"{}\" -> \"{}\"{label};\n", name(*from), name(*to)));
    }
    out.push_str("}\n");
    out
}

/// A Mermaid flowchart. Nodes are numbered, because Mermaid has reserved words that are fine as stage names.
pub fn mermaid(drawing: &Drawing) -> String {
    let mut out = String::from("flowchart LR\n");
    for (index, node) in drawing.nodes.iter().enumerate() {
        out.push_str(&format!("  s{index}[\"{}<br/>{}\"]\n", node.label(), node.kind));
    }
    for (from, to, role) in &drawing.edges {
        match edge(role) {
            "" => out.push_str(&format!("  s{from} --> s{to}\n")),
            role => out.push_str(&format!("  s{from} -->|{role}| s{to}\n")),
        }
    }
    out
}

/// What an edge is called; models to evaluate are only numbered, which says nothing.
fn edge(role: &str) -> &str {
    if role.starts_with("models.") { "" } else { role }
}
