//! What a stage hands over to be committed.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::network::{Model, Signature};

/// Named bytes, the same for the same key on the CPU, and measurements, which are not.
#[derive(Debug, Default)]
pub struct Outputs {
    /// What is stored by content: `network`, `weights`, `signature`, `history`, `report`, `metrics`.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What was measured rather than computed (latency): kept beside the result as provenance.
    pub measured: serde_json::Value,
}

impl Outputs {
    /// The outputs that make up a network. Refuses weights that are not finite.
    pub fn network(model: &Model) -> Result<Self> {
        model.check_finite()?;
        let mut files = BTreeMap::new();
        files.insert("network".to_owned(), model.description()?);
        files.insert("weights".to_owned(), model.weights()?);
        Ok(Self { files, measured: serde_json::Value::Null })
    }

    /// Adds what the network was trained for, if that is known.
    pub fn signature(self, signature: Option<&Signature>) -> Self {
        match signature {
            Some(signature) => self.json("signature", signature),
            None => self,
        }
    }

    /// Adds a JSON document.
    pub fn json(mut self, name: &str, value: &impl serde::Serialize) -> Self {
        let bytes = serde_json::to_vec_pretty(value).expect("outputs are plain data");
        self.files.insert(name.to_owned(), bytes);
        self
    }
}
