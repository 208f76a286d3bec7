//! `[stages.NAME]`: one function a kind.

use std::path::Path;

use indexmap::{IndexMap, IndexSet};

use super::import;
use super::method;
use super::network::{Known, network};
use super::path::path;
use super::training::training;
use crate::manifest::describe::{Described, describe};
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::nearest;
use crate::manifest::reader::{Reader, Shape, table};
use crate::manifest::scalar::{choice, printable, string, wrong};
use crate::manifest::source::Span;
use crate::manifest::value::{Content, Table, Value};
use crate::manifest::{NetworkSource, Reference, Seed, Spans, Stage};
use crate::network::arch::Architecture;
use crate::stage::{Parameters, Split};

#[derive(Clone, Copy)]
enum Kind {
    Train,
    Distill,
    Regularize,
    Prune,
    FineTune,
    Import,
    Evaluate,
}

const KINDS: [(&str, Kind); 7] = [
    ("train", Kind::Train),
    ("distill", Kind::Distill),
    ("regularize", Kind::Regularize),
    ("prune", Kind::Prune),
    ("fine-tune", Kind::FineTune),
    ("import", Kind::Import),
    ("evaluate", Kind::Evaluate),
];

/// Reads one stage.
pub fn stage(
    name: &str,
    name_span: Span,
    value: &Value,
    folder: &Path,
    seed: Seed,
    networks: &Known,
    diagnostics: &mut Diagnostics,
) -> Option<Stage> {
    let Content::Table(content) = &value.content else {
        wrong(diagnostics, &format!("`stages.{}`", printable(name)), value, "a table");
        return None;
    };
    // The kind decides which keys are known, so without it nothing else can be said.
    let kind = match content.get("kind") {
        None => {
            no_kind(name, name_span, content, diagnostics);
            return None;
        }
        Some((_, value)) => choice(diagnostics, "`kind`", value, &KINDS)?,
    };
    let word =
        KINDS.iter().find(|(_, k)| std::mem::discriminant(k) == std::mem::discriminant(&kind)).expect("listed").0;
    let article = if word.starts_with(['e', 'i']) { "an" } else { "a" };
    let what = format!("{article} {word} stage");
    let shape = Shape { what: &what, example: "" };
    let (mut stage, spans) =
        table(diagnostics, "", shape, value, |reader| read(reader, kind, name_span, folder, seed, networks))?;
    stage.spans = spans;
    Some(stage)
}

/// Reads a stage of a known kind.
fn read(reader: &mut Reader, kind: Kind, name_span: Span, folder: &Path, seed: Seed, networks: &Known) -> Stage {
    reader.value("kind");
    let seed = if matches!(kind, Kind::Import) { import::seed(reader, seed) } else { reader.seed(seed) };
    let data = reader.optional_string("data").map(|(name, _)| name);
    let mut inputs = IndexMap::new();
    let mut network_name = None;
    let mut file = None;
    let parameters = match kind {
        Kind::Train => {
            let network = fresh_network(reader, networks, folder, &mut inputs);
            network_name = network.name;
            Parameters::Train { network: network.architecture, training: training(reader, false) }
        }
        Kind::Distill => {
            input(reader, "teacher", true, &mut inputs);
            let network = fresh_network(reader, networks, folder, &mut inputs);
            network_name = network.name;
            Parameters::Distill { network: network.architecture, training: training(reader, true) }
        }
        Kind::Regularize => {
            input(reader, "from", true, &mut inputs);
            let teacher = input(reader, "teacher", false, &mut inputs);
            Parameters::Regularize { training: training(reader, teacher) }
        }
        Kind::FineTune => {
            input(reader, "from", true, &mut inputs);
            let teacher = input(reader, "teacher", false, &mut inputs);
            Parameters::FineTune { training: training(reader, teacher) }
        }
        Kind::Prune => {
            input(reader, "from", true, &mut inputs);
            let method = method::needed(reader, false);
            let needs_data = method.needs_data() && reader.sound("method");
            if needs_data && !reader.has("data") {
                reader.missing("data", "\"digits\"");
            }
            Parameters::Prune { method }
        }
        Kind::Import => {
            if !reader.has("path") {
                reader.missing("path", "\"resnet18.safetensors\"");
            }
            file = path(reader, "path", folder, "the safetensors file with the weights");
            let network = fresh_network(reader, networks, folder, &mut inputs);
            network_name = network.name;
            Parameters::Import { network: network.architecture, rules: import::rules(reader) }
        }
        Kind::Evaluate => evaluate(reader, &mut inputs),
    };
    if !reader.has("data") && !matches!(parameters, Parameters::Prune { .. }) {
        reader.missing("data", "\"digits\"");
    }
    Stage {
        template: String::new(),
        coordinates: Vec::new(),
        parameters,
        seed,
        data,
        file,
        network: network_name,
        inputs,
        name_span,
        spans: Spans::default(),
    }
}

/// What a stage of each kind can hold.
pub fn described() -> Vec<Described> {
    let (read, unreadable) = Default::default();
    let networks = Known { names: &[], unreadable: &unreadable, read: &read, instance: None };
    let seed = Seed { value: 0, span: None };
    let of = |(word, kind): &(&'static str, Kind)| {
        let found = describe(|reader| self::read(reader, *kind, Span::default(), Path::new(""), seed, &networks));
        let found = found.into_iter().next().expect("a stage has one kind");
        Described { kind: Some(("kind", word)), ..found }
    };
    KINDS.iter().map(of).collect()
}

fn no_kind(name: &str, name_span: Span, content: &Table, diagnostics: &mut Diagnostics) {
    let misspelt = content.iter().find(|(key, _)| nearest::nearest(key, ["kind"]).is_some());
    match misspelt {
        Some((key, (span, _))) => diagnostics
            .error(*span, format!("unknown key `{}` in a stage", printable(key)))
            .hint("did you mean `kind`?"),
        None => diagnostics
            .error(name_span, format!("stage `{}` has no kind", printable(name)))
            .hint("add `kind = \"train\"`, `distill`, `regularize`, `prune`, `fine-tune`, `import` or `evaluate`"),
    };
}

/// Reads a reference to another stage into `inputs`; whether it is there.
fn input(reader: &mut Reader, role: &'static str, needed: bool, inputs: &mut IndexMap<String, Reference>) -> bool {
    if needed && !reader.has(role) {
        reader.missing(role, "\"a stage\"");
    }
    let reference = reader.reference(role);
    let given = reference.is_some();
    if let Some(reference) = reference {
        inputs.insert(role.to_owned(), reference);
    }
    given
}

/// A network with fresh weights, as a stage asks for it.
#[derive(Default)]
struct Fresh {
    /// Its architecture, unless it is like another stage's result; that stage is then among the inputs.
    architecture: Option<Architecture>,
    /// The `[networks.NAME]` it came from.
    name: Option<String>,
}

/// Reads `network`: an inline table, or the name of a `[networks.NAME]`.
fn fresh_network(
    reader: &mut Reader,
    networks: &Known,
    folder: &Path,
    inputs: &mut IndexMap<String, Reference>,
) -> Fresh {
    if !reader.has("network") {
        reader.missing("network", "{ arch = \"mlp\", hidden = [256] }");
    }
    let Some(value) = reader.value("network") else { return Fresh::default() };
    let (source, name) = if let Content::String(_) = value.content {
        let Some((name, span)) = string(reader.diagnostics, "`network`", value) else { return Fresh::default() };
        let Some((name, named)) = networks.instance.and_then(|instance| networks.read.get_key_value(instance)) else {
            if !networks.unreadable.contains(&name) {
                let message = format!("there is no network `{}`", printable(&name));
                let names = networks.names.iter().copied().filter(|name| !networks.unreadable.contains(*name));
                let error = reader.diagnostics.unknown(span, message, &name, names);
                if error.hints.is_empty() {
                    error.hint(format!("add `[networks.{}]`, or give the network here", printable(&name)));
                }
            }
            return Fresh::default();
        };
        // The values stand in the network's own section.
        reader.spans.extend(named.spans.clone());
        (Some(named.network.clone()), Some(name.clone()))
    } else {
        let shape = Shape { what: "a network", example: "{ arch = \"mlp\", hidden = [256] }" };
        if !matches!(value.content, Content::Table(_)) {
            let wanted = format!("the name of a network, or a table such as `{}`", shape.example);
            wrong(reader.diagnostics, "`network`", value, &wanted);
            return Fresh::default();
        }
        (reader.table("network", shape, |reader| network(reader, folder)).flatten(), None)
    };
    match source {
        Some(NetworkSource::Architecture(architecture)) => Fresh { architecture: Some(architecture), name },
        Some(NetworkSource::Like(reference)) => {
            inputs.insert("like".to_owned(), reference);
            Fresh { architecture: None, name }
        }
        None => Fresh { architecture: None, name },
    }
}

fn evaluate(reader: &mut Reader, inputs: &mut IndexMap<String, Reference>) -> Parameters {
    if !reader.has("models") {
        reader.missing("models", "[\"teacher\", \"student\"]");
    }
    let items = reader.array("models");
    if items.is_some_and(<[_]>::is_empty) {
        let span = reader.place("models");
        reader.diagnostics.error(span, "`models` is empty").hint("name at least one stage");
    }
    let mut names: IndexSet<String> = IndexSet::new();
    for item in items.unwrap_or_default() {
        if let Some((stage, span)) = string(reader.diagnostics, "a model", item) {
            if names.contains(&stage) {
                let message = format!("`{}` is evaluated twice", printable(&stage));
                reader.diagnostics.error(span, message).hint("leave one out");
                continue;
            }
            let role = format!("models.{}", names.len());
            reader.spans.insert(role.clone(), span);
            inputs.insert(role, Reference { stage: stage.clone(), span });
            names.insert(stage);
        }
    }
    let models_are_sound = items.is_some_and(|items| !items.is_empty()) && reader.sound("models");
    let reference = reader.optional_string("reference").and_then(|(name, span)| {
        let index = names.get_index_of(&name);
        if index.is_none() && models_are_sound {
            let name = printable(&name);
            let error = reader.diagnostics.error(span, format!("`reference` names `{name}`, which is not evaluated"));
            match nearest::nearest(&name, names.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("add it: `models = [\"{name}\", …]`")),
            };
        }
        index.map(|i| i as u64)
    });
    let splits = [("test", Split::Test), ("validation", Split::Validation), ("train", Split::Train)];
    Parameters::Evaluate { split: reader.choice("split", &splits, Some(Split::Test)), reference }
}
