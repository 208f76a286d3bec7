//! A stage of the manifest and the results it takes, made into a description with its key.

use std::collections::BTreeMap;

use super::DataDigests;
use crate::data::Outline;
use crate::error::Result;
use crate::manifest::Manifest;
use crate::manifest::matrix::template_of;
use crate::stage::key::{self, Fields};
use crate::stage::{DataInput, Description, ImportInput, NetworkInput, import};
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
    let data = definition.data.as_ref().map(|name| (name, &manifest.data[name]));
    let import = definition.file.as_ref().zip(data).and_then(|(path, (_, data))| {
        let &Outline { shape, classes, .. } = data.outline.as_ref()?;
        Some(ImportInput { path: path.clone(), shape, classes, digest: digests.files[path] })
    });
    let mut data = data.map(|(name, data)| DataInput {
        source: data.source,
        path: data.path.clone(),
        decoding: data.decoding,
        normalization: data.normalization.clone(),
        validation: data.validation,
        limit: data.limit,
        seed: data.seed,
        digest: digests.sets[name],
    });
    // An import looks at no image but to measure mean and deviation: where these are given, the split decides nothing.
    if let (Some(_), Some(data)) = (&import, &mut data)
        && data.normalization.is_some()
    {
        (data.validation, data.limit, data.seed) = (0.0, None, 0);
    }
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
    let (parameters, seed) = (definition.parameters.clone(), definition.seed);
    let description = Description { parameters, seed, data, import, inputs };
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

/// Hashes the data sets and files that `stages` read.
///
/// # Errors
/// [`crate::error::Kind::Input`] when a file is missing or cannot be read.
pub fn data_digests(manifest: &Manifest, stages: &[usize]) -> Result<DataDigests> {
    let mut digests = DataDigests::default();
    for stage in stages {
        let (stage, definition) = manifest.stages.get_index(*stage).expect("the graph has the manifest's stages");
        if let Some(path) = &definition.file
            && !digests.files.contains_key(path)
        {
            let digest = import::digest(path).map_err(|error| {
                let stage = template_of(stage);
                error.hint(format!(
                    "say where the weights are with `path` of `[stages.{stage}]`, or with `--set stages.{stage}.path=…`"
                ))
            })?;
            digests.files.insert(path.clone(), digest);
        }
        let Some(name) = &definition.data else { continue };
        if !digests.sets.contains_key(name) {
            let data = &manifest.data[name];
            let hashed = data.origin().digest().map_err(|error| {
                let name = template_of(name);
                error.hint(format!(
                    "say where they are with `path` of `[data.{name}]`, or with `--set data.{name}.path=…`"
                ))
            })?;
            digests.sets.insert(name.clone(), Digest::from_bytes(*hashed.digest.as_bytes()));
            let told = hashed.repeats.into_iter().map(|repeat| format!("data set `{}`: {repeat}", template_of(name)));
            for warning in told {
                if !digests.warnings.contains(&warning) {
                    digests.warnings.push(warning);
                }
            }
        }
    }
    Ok(digests)
}
