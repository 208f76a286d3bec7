//! Why a stage must run: what is different from the nearest earlier result, and where that stands in the manifest.

use super::Earlier;
use super::describe::label;
use crate::manifest::{Manifest, Place, Span};
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
    /// Where the new value stands.
    pub place: Option<Place>,
}

/// The reason why a stage with these fields, which is not in the store, must run.
pub fn reason(manifest: &Manifest, stage: usize, fields: &Fields, earlier: &Earlier) -> Reason {
    match earlier.nearest(&label(manifest, stage), fields) {
        None => Reason::New,
        Some(record) => {
            let own_only = !fields.iter().any(|(name, _)| name.starts_with("inputs."));
            let changes = changes(manifest, stage, record, fields, own_only);
            if changes.is_empty() { Reason::Gone } else { Reason::Changed(changes) }
        }
    }
}

/// How `fields` differ from those of `record`. With `own_only`, inputs are left out: they are not known yet.
pub fn changes(manifest: &Manifest, stage: usize, record: &Record, fields: &Fields, own_only: bool) -> Vec<Change> {
    let value = |fields: &Fields, name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let mut names: Vec<&String> = fields.iter().map(|(name, _)| name).collect();
    names.extend(record.fields.iter().map(|(name, _)| name).filter(|name| value(fields, name).is_none()));
    names
        .into_iter()
        .filter(|name| !(own_only && name.starts_with("inputs.")))
        .filter_map(|name| {
            let (old, new) = (value(&record.fields, name), value(fields, name));
            (old != new).then(|| Change { place: place(manifest, stage, name), field: name.clone(), old, new })
        })
        .collect()
}

/// Where a field's value stands in the manifest; `None` for what the manifest does not say.
pub fn place(manifest: &Manifest, stage: usize, field: &str) -> Option<Place> {
    Some(manifest.sources.place(span(manifest, stage, field)?))
}

fn span(manifest: &Manifest, stage: usize, field: &str) -> Option<Span> {
    let (_, definition) = manifest.stages.get_index(stage)?;
    if matches!(field, "key-version" | "implementation" | "data.digest") {
        return None;
    }
    if let Some(role) = field.strip_prefix("inputs.") {
        let role = role.rsplit_once('.').map_or(role, |(role, _)| role);
        return definition.inputs.get(role).map(|reference| reference.span);
    }
    if field.starts_with("data.") {
        let data = &manifest.data[definition.data.as_ref()?];
        return Some(data.spans.get(field).copied().unwrap_or(data.name_span));
    }
    Some(definition.span(field))
}
