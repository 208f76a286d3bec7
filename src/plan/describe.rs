//! A stage of the manifest and the results it takes, made into a description with its key.

use std::collections::BTreeMap;

use super::DataDigests;
use crate::error::Result;
use crate::manifest::Manifest;
use crate::stage::key::{self, Fields};
use crate::stage::{DataInput, Description, NetworkInput};
use crate::store::{Digest, Record};

/// A stage as far as it is known.
#[derive(Debug)]
pub struct Resolved {
    /// Complete when nothing is missing.
    pub description: Description,
    /// What its key is made of.
    pub fields: Fields,
    /// Its key, if nothing is missing.
    pub key: Digest,
    /// Equal for results that differ in nothing but the content of their inputs.
    pub family: Digest,
    /// Stages whose results are not there yet.
    pub missing: Vec<usize>,
}

/// Resolves a stage against the results in `records`.
pub fn resolve<'a>(
    manifest: &Manifest,
    stage: usize,
    digests: &DataDigests,
    records: &dyn Fn(usize) -> Option<&'a Record>,
) -> Resolved {
    let (_, definition) = manifest.stages.get_index(stage).expect("the graph has the manifest's stages");
    let data = definition.data.as_ref().map(|name| {
        let data = &manifest.data[name];
        DataInput {
            source: data.source,
            path: data.path.clone(),
            decoding: data.decoding,
            normalization: data.normalization.clone(),
            validation: data.validation,
            limit: data.limit,
            seed: data.seed,
            digest: digests[name],
        }
    });
    let mut inputs = BTreeMap::new();
    let mut missing = Vec::new();
    for (role, reference) in &definition.inputs {
        let producer = manifest.stages.get_index_of(&reference.stage).expect("references were checked");
        match records(producer).and_then(|record| NetworkInput::of(record, role)) {
            Some(input) => {
                inputs.insert(role.clone(), input);
            }
            None if missing.contains(&producer) => {}
            None => missing.push(producer),
        }
    }
    let description = Description { parameters: definition.parameters.clone(), seed: definition.seed, data, inputs };
    let fields = key::fields(&description);
    let key = key::key(&fields);
    let family = key::family(&fields, definition.inputs.keys());
    Resolved { description, fields, key, family, missing }
}

/// The label that a stage's results carry: for people, and to find the result that a changed stage had before.
pub fn label(manifest: &Manifest, stage: usize) -> String {
    let (name, _) = manifest.stages.get_index(stage).expect("the graph has the manifest's stages");
    format!("{}/{name}", manifest.pipeline.name)
}

/// Hashes the data that `stages` read.
///
/// # Errors
/// [`crate::error::Kind::Input`] when a file is missing or cannot be read.
pub fn data_digests(manifest: &Manifest, stages: &[usize]) -> Result<DataDigests> {
    let mut digests = DataDigests::new();
    for stage in stages {
        let (_, definition) = manifest.stages.get_index(*stage).expect("the graph has the manifest's stages");
        let Some(name) = &definition.data else { continue };
        if !digests.contains_key(name) {
            let data = &manifest.data[name];
            let hash = data.origin().digest().map_err(|error| {
                error.hint(format!(
                    "say where they are with `path` of `[data.{name}]`, or with `--set data.{name}.path=…`"
                ))
            })?;
            digests.insert(name.clone(), Digest::from_bytes(*hash.as_bytes()));
        }
    }
    Ok(digests)
}
