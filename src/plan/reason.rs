//! Why a stage must run: what is different from the nearest earlier result, and where that stands in the manifest.

use super::Earlier;
use super::describe::label;
use crate::manifest::{Manifest, Place};
use crate::stage::key::Fields;
use crate::store::Record;

/// Why a stage must run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Nothing like it is in the store.
    New,
    /// It differs from an earlier result.
    Changed(Vec<Change>),
    /// Its result was made, but is not in the store any more.
    Gone,
    /// It was asked for with `--refresh`.
    Refresh,
    /// It diverged when it ran before, as this says, and has no result.
    Diverged(String),
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The field of the key, named as in the manifest.
    pub field: String,
    /// Its value in the earlier result.
    pub old: Option<String>,
    /// Its value now.
    pub new: Option<String>,
    /// Where the new value comes from.
    pub origin: Origin,
}

/// Where a field's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It stands in the manifest, or in a `--set`.
    Written(Place),
    /// The manifest does not mention it.
    Default,
    /// It is not the manifest's to say: the content of the data, the version of the code.
    Found,
}

/// The reason why a stage with these fields, which is not in the store, must run. With `own_only`, its inputs are not
/// known yet, and not among the fields.
pub fn reason(manifest: &Manifest, stage: usize, fields: &Fields, earlier: &Earlier, own_only: bool) -> Reason {
    match earlier.nearest(&label(manifest, stage), fields) {
        None => Reason::New,
        Some(record) => {
            let changes = changes(manifest, stage, record, fields, own_only);
            if changes.is_empty() { Reason::Gone } else { Reason::Changed(changes) }
        }
    }
}

/// How `fields` differ from those of `record`. With `own_only`, inputs are not known yet: what they hold is left out, and
/// only whether there are more or fewer of them counts.
pub fn changes(manifest: &Manifest, stage: usize, record: &Record, fields: &Fields, own_only: bool) -> Vec<Change> {
    let value = |fields: &Fields, name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let mut names: Vec<&String> = fields.iter().map(|(name, _)| name).collect();
    names.extend(record.fields.iter().map(|(name, _)| name).filter(|name| value(fields, name).is_none()));
    let inputs = if own_only { inputs(manifest, stage, record) } else { Vec::new() };
    names
        .into_iter()
        .filter(|name| !(own_only && name.starts_with("inputs.")))
        .filter_map(|name| {
            let (old, new) = (value(&record.fields, name), value(fields, name));
            (old != new).then(|| Change { origin: origin(manifest, stage, name), field: name.clone(), old, new })
        })
        .chain(inputs)
        .collect()
}

/// Inputs that the earlier result did not have, and those that it had besides.
fn inputs(manifest: &Manifest, stage: usize, record: &Record) -> Vec<Change> {
    let now = &manifest.stages[stage].inputs;
    let role = |name: &str| Some(name.strip_prefix("inputs.")?.strip_suffix(".network")?.to_owned());
    let before: Vec<String> = record.fields.iter().filter_map(|(name, _)| role(name)).collect();
    let change = |role: &str, old: Option<String>, new: Option<String>| {
        let field = format!("inputs.{role}");
        // `origin` looks for an input by one of its values.
        let origin = origin(manifest, stage, &format!("{field}.network"));
        Change { field, old, new, origin }
    };
    let added = now.iter().filter(|(role, _)| !before.contains(role));
    let gone = before.iter().filter(|role| !now.contains_key(*role));
    added
        .map(|(role, reference)| change(role, None, Some(format!("`{}`", reference.stage))))
        .chain(gone.map(|role| change(role, Some("an input".to_owned()), None)))
        .collect()
}

/// Where a field's value comes from.
pub fn origin(manifest: &Manifest, stage: usize, field: &str) -> Origin {
    let (_, definition) = manifest.stages.get_index(stage).expect("the graph has the manifest's stages");
    if matches!(field, "key-version" | "implementation" | "data.digest" | "import.digest") {
        return Origin::Found;
    }
    let span = if let Some(role) = field.strip_prefix("inputs.") {
        let role = role.rsplit_once('.').map_or(role, |(role, _)| role);
        definition.inputs.get(role).map(|reference| reference.span)
    } else if field.starts_with("import.") {
        definition.data.as_ref().and_then(|name| manifest.data[name].spans.get("data.source"))
    } else if field.starts_with("data.") {
        definition.data.as_ref().and_then(|name| manifest.data[name].spans.get(field))
    } else {
        // What a file of layers holds stands nowhere in the manifest but as the file.
        let file = || field.strip_prefix("network.").and_then(|_| definition.spans.get("network.file"));
        definition.spans.get(field).or_else(file)
    };
    span.map_or(Origin::Default, |span| Origin::Written(manifest.sources.place(span)))
}
