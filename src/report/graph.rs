//! The DAG as text, Graphviz dot and Mermaid.

use std::collections::BTreeMap;

use crate::graph::StageGraph;
use crate::manifest::Manifest;

/// One line a stage, inputs first: `student  distill  ← teacher`. An input whose role says more than its name has it.
pub fn text(graph: &StageGraph, manifest: &Manifest) -> String {
    let names: Vec<&str> = manifest.stages.keys().map(String::as_str).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut inputs: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (from, to, role) in graph.edges() {
        let named = role == names[from] || role.starts_with("models.");
        let input = if named { names[from].to_owned() } else { format!("{} ({role})", names[from]) };
        inputs.entry(to).or_default().push(input);
    }
    let mut out = String::new();
    for stage in graph.order() {
        let kind = manifest.stages[*stage].parameters.kind();
        let from = inputs.get(stage).map_or(String::new(), |inputs| format!("  ← {}", inputs.join(", ")));
        out.push_str(format!("{:width$}  {kind:10}{from}", names[*stage]).trim_end());
        out.push('\n');
    }
    out
}

/// A Graphviz document.
pub fn dot(graph: &StageGraph, manifest: &Manifest) -> String {
    let mut out = String::from("digraph pleach {\n  rankdir = LR;\n  node [shape = box];\n");
    for (name, stage) in &manifest.stages {
        out.push_str(&format!("  \"{name}\" [label = \"{name}\\n{}\"];\n", stage.parameters.kind()));
    }
    for (from, to, role) in graph.edges() {
        let name = |stage: usize| manifest.stages.get_index(stage).expect("in range").0;
        let label = match edge(role) {
            "" => String::new(),
            role => format!(" [label = \"{role}\"]"),
        };
        out.push_str(&format!("  \"{}\" -> \"{}\"{label};\n", name(from), name(to)));
    }
    out.push_str("}\n");
    out
}

/// A Mermaid flowchart. Nodes are numbered, because Mermaid has reserved words that are fine as stage names.
pub fn mermaid(graph: &StageGraph, manifest: &Manifest) -> String {
    let mut out = String::from("flowchart LR\n");
    for (index, (name, stage)) in manifest.stages.iter().enumerate() {
        out.push_str(&format!("  s{index}[\"{name}<br/>{}\"]\n", stage.parameters.kind()));
    }
    for (from, to, role) in graph.edges() {
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
