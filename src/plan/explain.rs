//! Everything that one stage's key is made of, and how it differs from the nearest earlier result.

use super::describe::label;
use super::reason::{Change, Origin, changes, origin};
use super::{DataDigests, Earlier, resolve};
use crate::error::Result;
use crate::graph::StageGraph;
use crate::manifest::Manifest;
use crate::store::{Digest, Record, Store};

/// What `pleach explain` shows.
#[derive(Debug)]
pub struct Explanation {
    /// The key; `None` when an input is not known yet.
    pub key: Option<Digest>,
    /// Stages whose results would have to be known first.
    pub missing: Vec<String>,
    /// Field, value, and where the value comes from.
    pub fields: Vec<(String, String, Origin)>,
    /// The result in the store under this key.
    pub cached: Option<Record>,
    /// The nearest other result and how this stage differs from it.
    pub nearest: Option<(Record, Vec<Change>)>,
}

/// Explains one stage.
///
/// # Errors
/// When the store cannot be read.
pub fn explain(
    manifest: &Manifest,
    graph: &StageGraph,
    stage: usize,
    store: &Store,
    data: &DataDigests,
) -> Result<Explanation> {
    let mut records: Vec<Option<Record>> = vec![None; manifest.stages.len()];
    let mut last = None;
    for needed in graph.needed(&[stage]) {
        let resolved = resolve(manifest, needed, data, &|i| records[i].as_ref());
        if resolved.missing.is_empty() {
            records[needed] = store.lookup(&resolved.key)?;
        }
        last = Some(resolved);
    }
    let resolved = last.expect("a stage needs at least itself");
    let cached = records[stage].take();
    let earlier = Earlier::new(store);
    let nearest = match &cached {
        Some(_) => None,
        None => earlier.nearest(&label(manifest, stage), &resolved.fields).map(|record| {
            let own_only = !resolved.missing.is_empty();
            (record.clone(), changes(manifest, stage, record, &resolved.fields, own_only))
        }),
    };
    let name = |i: &usize| manifest.stages.get_index(*i).expect("in range").0.clone();
    let known = resolved.missing.is_empty();
    Ok(Explanation {
        key: known.then_some(resolved.key),
        missing: resolved.missing.iter().map(name).collect(),
        fields: resolved
            .fields
            .into_iter()
            .map(|(field, value)| {
                let origin = origin(manifest, stage, &field);
                (field, value, origin)
            })
            .collect(),
        cached,
        nearest,
    })
}
