//! Layers by pattern: a name in which `*` stands for any run of characters, dots too.

use super::{Graph, Op};

/// Whether `name` matches `pattern`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// The convolution and linear layers of `graph` that match `pattern`.
pub fn layers<'a>(graph: &'a Graph, pattern: &'a str) -> impl Iterator<Item = &'a str> {
    let with_weights = |op: &Op| matches!(op, Op::Convolution { .. } | Op::Linear { .. });
    let found = graph.layers.iter().filter(move |layer| with_weights(&layer.op) && matches(pattern, &layer.name));
    found.map(|layer| layer.name.as_str())
}

/// The names of the weight tensors of those layers.
pub fn weights<'a>(graph: &'a Graph, pattern: &'a str) -> impl Iterator<Item = String> + use<'a> {
    layers(graph, pattern).map(|layer| format!("{layer}.weight"))
}

/// The names of the weight tensors whose rows are channels or units: of those layers, but for the one that makes the
/// logits, whose rows are classes.
pub fn channel_weights<'a>(graph: &'a Graph, pattern: &'a str) -> impl Iterator<Item = String> + use<'a> {
    let logits = graph.layers.last().map(|layer| layer.name.as_str());
    layers(graph, pattern).filter(move |name| Some(*name) != logits).map(|layer| format!("{layer}.weight"))
}

/// The normalizations of `graph` that match `pattern`.
pub fn norms<'a>(graph: &'a Graph, pattern: &'a str) -> impl Iterator<Item = &'a str> {
    let norms = graph.layers.iter().filter(|layer| matches!(layer.op, Op::BatchNorm { .. }));
    norms.map(|layer| layer.name.as_str()).filter(move |name| matches(pattern, name))
}

/// The names of the scales (γ) of those normalizations.
pub fn norm_weights<'a>(graph: &'a Graph, pattern: &'a str) -> impl Iterator<Item = String> + use<'a> {
    norms(graph, pattern).map(|layer| format!("{layer}.weight"))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name) in [
            ("hidden1", "hidden1"),
            ("*", "x.y"),
            ("layer1.*", "layer1.0.conv1"),
            ("*.conv*", "a.conv2"),
            ("a*b*c", "aXbXbc"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("hidden1", "hidden12"),
            ("hidden1", "hidden"),
            ("layer1.*", "layer2.0"),
            ("a*b*c", "acb"),
            ("ab*ba", "aba"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
