//! Why a file does not fit a network, and what would help.

use std::collections::BTreeSet;

use super::Request;
use super::header::{Entries, shown};
use super::matching::{self, Clash, Fault, Matching, Problem};
use super::rules;
use crate::error::{Error, Kind};
use crate::network::Graph;

/// How many problems are listed before the rest is only counted; half of them are kept for the file's own tensors.
const LISTED: usize = 20;

/// So many layers that differ are a matter of some layers; more are another network.
const FEW: usize = 3;

/// What wrappers and tools put before names, or add to the file.
const KNOWN_PREFIXES: [(&str, &str); 3] = [
    ("module.", ", as PyTorch's DataParallel writes them"),
    ("_orig_mod.", ", as `torch.compile` writes them"),
    ("model.", ", as a model inside of another module has them"),
];

/// What is wrong with a `prefix` that no name of the file begins with, even where the file fits without it.
pub fn idle_prefix(rules: &rules::Rules, entries: &Entries) -> Option<Error> {
    let prefix = rules.prefix.as_deref().filter(|prefix| !entries.keys().any(|name| name.starts_with(prefix)))?;
    let names: Vec<&str> = entries.keys().map(String::as_str).collect();
    let error = Error::new(Kind::Input, format!("no tensor of the file has a name that begins with `{prefix}`"));
    Some(error.hint(format!("the file has {}", few(&names))).hint("leave `prefix` out, or correct it"))
}

/// The words behind a prefix that say where it comes from.
pub fn origin_of(prefix: &str) -> &'static str {
    KNOWN_PREFIXES.iter().find(|(known, _)| *known == prefix).map_or("", |(_, words)| words)
}

/// The error that lists what does not fit, of both sides, with what would help.
pub fn error(request: &Request, entries: &Entries, found: &Matching) -> Error {
    let of_network: Vec<String> =
        found.problems.iter().map(|Problem { name, words, .. }| format!("`{name}` {words}")).collect();
    let clash = |Clash { names: [without, with] }: &Clash| {
        let [without, with] = [without, with].map(|name| shown(name));
        format!("`{with}` and `{without}` of the file would both be `{without}`")
    };
    let extra = found.extra.iter().map(|name| format!("`{}` is not part of the network", shown(name)));
    let of_file: Vec<String> = found.clashes.iter().map(clash).chain(extra).collect();
    let room = [&of_file, &of_network].map(|other| LISTED - other.len().min(LISTED / 2));
    let lines = [listed(of_network, room[0], "of the network"), listed(of_file, room[1], "of the file")].concat();
    let taken_off = match found.prefix.as_str() {
        "" => String::new(),
        prefix => format!(" when `{}` is taken off the names", shown(prefix)),
    };
    let message = format!("the weights do not fit the network{taken_off}:\n  {}", lines.join("\n  "));
    let mut error = Error::new(Kind::Input, message);
    error.hints = hints(request, entries, found);
    error
}

fn listed(mut lines: Vec<String>, room: usize, whose: &str) -> Vec<String> {
    let rest = lines.len().saturating_sub(room);
    lines.truncate(room);
    if rest > 0 {
        lines.push(format!("and {rest} more {whose}"));
    }
    lines
}

/// What would help, the nearest cause first.
fn hints(request: &Request, entries: &Entries, found: &Matching) -> Vec<String> {
    let Request { graph, rules, .. } = request;
    let mut hints = Vec::new();
    if !found.clashes.is_empty() {
        let prefix = shown(&found.prefix);
        hints.push(format!(
            "the file has two networks: without `prefix`, `ignore-extra = [\"{prefix}*\"]` takes the one whose names do not \
             begin with `{prefix}`; the other must be saved in a file of its own"
        ));
        return hints;
    }
    if rules.prefix.is_none() && !found.prefix.is_empty() {
        let (prefix, origin) = (shown(&found.prefix), origin_of(&found.prefix));
        let which = if matching::is_common(&found.prefix, entries) { "all names" } else { "names" };
        hints.push(format!("{which} in the file begin with `{prefix}`{origin}: add `prefix = \"{prefix}\"`"));
    }
    let other = request.other.as_ref().map(|(key, graph)| (*key, graph, matching::find(graph, rules, entries)));
    let outside = |graph: &Graph, found: &Matching| {
        let head = rules::head(graph);
        found.problems.iter().filter(|problem| Some(problem.layer()) != head).count() + found.extra.len()
    };
    // What is left when the network takes the image in as the file's does.
    let (graph, found) = match &other {
        Some((key, other, matching)) if outside(other, matching) < outside(graph, found) => {
            hints.push(format!("the file's network has `{key}`: add it to `network`"));
            (*other, matching)
        }
        _ => (*graph, found),
    };
    let of_type = |problem: &&Problem| problem.fault == Fault::Type;
    if found.problems.iter().any(|problem| of_type(&problem)) {
        hints.push(
            "save these tensors as floating-point numbers of 32 bits: in PyTorch `tensor.dequantize()` of quantized ones, \
             `tensor.float()` of others"
                .to_owned(),
        );
    }
    let layers: BTreeSet<&str> =
        found.problems.iter().filter(|problem| !of_type(problem)).map(Problem::layer).collect();
    let layers: Vec<&str> = rules::layers(graph).filter(|layer| layers.contains(layer)).collect();
    let is_missing = |problem: &&Problem| problem.fault == Fault::Missing;
    let missing = found.problems.iter().filter(is_missing).count();
    match &layers[..] {
        [] => {}
        [head] if rules::head(graph) == Some(*head) => hints.push(format!(
            "only the last layer, `{head}`, differs: `head = \"fresh\"` gives it fresh weights for the {} classes of the \
             data, and takes all others from the file",
            graph.classes()
        )),
        few if few.len() <= FEW && few.len() < rules::layers(graph).count() && missing < found.problems.len() => {
            hints.push(format!(
                "`fresh = [{}]` gives fresh weights to the layers that differ, and takes all others from the file",
                few.iter().map(|layer| format!("\"{layer}\"")).collect::<Vec<String>>().join(", ")
            ));
        }
        _ if missing > 0 && !found.extra.is_empty() => {
            let lacking: Vec<&str> =
                found.problems.iter().filter(is_missing).map(|problem| problem.name.as_str()).collect();
            let extra: Vec<&str> = found.extra.iter().map(String::as_str).collect();
            let (lacking, extra) = (few(&lacking), few(&extra));
            hints.push(format!("names differ: the network has {lacking}, the file {extra}"));
        }
        _ => {}
    }
    let is_idle = |wanted: &&String| !entries.keys().any(|name| matching::may_stay(wanted, name, &found.prefix));
    for idle in rules.ignore_extra.iter().filter(is_idle).filter(|_| !found.extra.is_empty()) {
        hints.push(format!("no tensor of the file matches `{idle}` of `ignore-extra`"));
    }
    if let Some(patterns) = ignorable(graph, found) {
        hints.push(format!("`ignore-extra = [{patterns}]` leaves what the network does not have in the file"));
    }
    if hints.is_empty() || (found.problems.len() > missing && layers.len() > FEW) || names_differ(found, missing) {
        hints.push("`network` must be the one that the file was made from, layer for layer".to_owned());
    }
    hints
}

/// Whether the file seems to have the tensors under other names.
fn names_differ(found: &Matching, missing: usize) -> bool {
    missing > FEW && !found.extra.is_empty()
}

/// Some of the names.
pub fn few(names: &[&str]) -> String {
    names.iter().take(FEW).map(|name| format!("`{}`", shown(name))).collect::<Vec<String>>().join(", ")
}

/// Patterns for all that the file has beyond the network, if they are not such as a network's own tensors are called:
/// parts of another network, or entries that a profiler left.
fn ignorable(graph: &Graph, found: &Matching) -> Option<String> {
    const OWN: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];
    let first = |name: &str| name.split_once('.').map(|(first, _)| first.to_owned());
    let own: BTreeSet<String> =
        rules::layers(graph).map(|name| first(name).unwrap_or_else(|| name.to_owned())).collect();
    let pattern = |name: &String| {
        let (_, last) = name.rsplit_once('.').unwrap_or(("", name));
        match first(name) {
            Some(first) if !own.contains(&first) && OWN.contains(&last) => Some(first + ".*"),
            _ if !OWN.contains(&last) && !last.is_empty() => Some(format!("*{last}")),
            _ => None,
        }
    };
    let patterns = found.extra.iter().map(pattern).collect::<Option<BTreeSet<String>>>()?;
    let are_few = (1..=FEW).contains(&patterns.len());
    // Where the network lacks something too, the extra ones may be it under another name.
    let nothing_is_missing = !found.problems.iter().any(|problem| problem.fault == Fault::Missing);
    // What is not shown as it is cannot be pasted.
    let can_be_pasted = patterns.iter().all(|pattern| shown(pattern) == *pattern);
    let quoted = patterns.into_iter().map(|pattern| format!("\"{pattern}\""));
    (are_few && nothing_is_missing && can_be_pasted).then(|| quoted.collect::<Vec<String>>().join(", "))
}
