//! What most commands begin with.

use std::path::PathBuf;

use super::arguments::{self, Global};
use super::{Failure, output};
use crate::error::{Error, Kind, Result};
use crate::graph::StageGraph;
use crate::manifest::{self, Manifest};
use crate::store::{Options, Store};

/// A manifest that passed its checks, with its graph.
pub struct Session {
    /// The manifest.
    pub manifest: Manifest,
    /// Its stages.
    pub graph: StageGraph,
}

impl Session {
    /// Reads the manifest, and shows its warnings.
    pub fn open(arguments: &arguments::Manifest) -> Result<Self, Failure> {
        let manifest = manifest::read(&arguments.path, &arguments.sets)?;
        output::diagnostics(&manifest.warnings, &manifest.sources);
        let graph = StageGraph::new(&manifest);
        Ok(Self { manifest, graph })
    }

    /// The indices of `names`, or of all stages when there are none.
    pub fn targets(&self, names: &[String]) -> Result<Vec<usize>> {
        if names.is_empty() {
            return Ok((0..self.manifest.stages.len()).collect());
        }
        names.iter().map(|name| self.stage(name)).collect()
    }

    /// The index of one stage.
    pub fn stage(&self, name: &str) -> Result<usize> {
        self.manifest.stages.get_index_of(name).ok_or_else(|| {
            let error = Error::new(Kind::Usage, format!("the manifest has no stage `{name}`"));
            match manifest::nearest::hint(name, self.manifest.stages.keys().map(String::as_str)) {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
    }
}

/// Opens the store that the command line, else the environment, else the current folder says.
pub fn store(global: &Global) -> Result<OpenStore> {
    let from_environment = std::env::var_os("PLEACH_CACHE").filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = global.cache.clone().or(from_environment).unwrap_or_else(|| PathBuf::from("cache"));
    #[cfg(feature = "fault-injection")]
    if let Ok(fault) = std::env::var("PLEACH_FAULT") {
        crate::store::fault::arm(crate::store::fault::parse(&fault)?);
    }
    let options = Options {
        require_write: global.require_cache_write,
        allow_foreign_owner: global.trust_cache,
        overlay: std::env::temp_dir(),
    };
    let store = OpenStore(Store::open(&root, &options)?);
    store.show_warnings();
    Ok(store)
}

/// A store whose warnings are shown at the latest when the command is done with it.
pub struct OpenStore(Store);

impl OpenStore {
    fn show_warnings(&self) {
        for warning in self.0.take_warnings() {
            output::warning(&warning);
        }
    }
}

impl std::ops::Deref for OpenStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}

impl Drop for OpenStore {
    fn drop(&mut self) {
        self.show_warnings();
    }
}
