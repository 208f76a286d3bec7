//! Everything that decides one result, resolved: no names, no defaults left to fill in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Parameters;
use crate::data::{Constants, Decoding, Origin, Source};
use crate::store::{Digest, Record};

/// A stage as a worker gets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Kind and parameters.
    #[serde(flatten)]
    pub parameters: Parameters,
    /// For initial weights, order of images, augmentation.
    pub seed: u64,
    /// The images, if it reads any.
    pub data: Option<DataInput>,
    /// The file with the weights, of a stage that imports them.
    pub import: Option<ImportInput>,
    /// Networks that other stages made, by role.
    pub inputs: BTreeMap<String, NetworkInput>,
}

/// A data set with the hash of its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DataInput {
    /// Which set.
    pub source: Source,
    /// Where its files are now; not part of the key.
    pub path: Option<PathBuf>,
    /// What image files are made into, for a user's own images.
    #[serde(flatten)]
    pub decoding: Option<Decoding>,
    /// Mean and deviation, if they are not measured on the training split.
    pub normalization: Option<Constants>,
    /// The share of the training set that is split off.
    pub validation: f64,
    /// Training images used before the split; all when absent.
    pub limit: Option<u64>,
    /// The seed of the split.
    pub seed: u64,
    /// The hash of the bytes as they were read.
    pub digest: Digest,
}

/// A file with weights, and what images its network takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImportInput {
    /// Where the file is now; not part of the key.
    pub path: PathBuf,
    /// Height, width and channels of an image.
    pub shape: [usize; 3],
    /// How many classes there are.
    pub classes: usize,
    /// The hash of the file's bytes.
    pub digest: Digest,
}

impl DataInput {
    /// What is read, from where.
    pub fn origin(&self) -> Origin {
        Origin { source: self.source, path: self.path.clone(), decoding: self.decoding }
    }
}

/// The objects that make up a network in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInput {
    /// The layer graph.
    pub network: Digest,
    /// The weights. Absent for a network that is only imitated (`like`).
    pub weights: Option<Digest>,
    /// The masks of weight pruning.
    pub masks: Option<Digest>,
    /// What it was trained for. Absent for a network that is only imitated, and in results of earlier versions.
    pub signature: Option<Digest>,
}

impl NetworkInput {
    /// What a stage's result offers to a stage that takes it as `role`; `None` when the result is no network.
    pub fn of(record: &Record, role: &str) -> Option<Self> {
        let output = |name: &str| record.outputs.get(name).map(|output| output.digest);
        let graph_only = role == "like";
        Some(Self {
            network: output("network")?,
            weights: output("weights").filter(|_| !graph_only),
            masks: output("masks").filter(|_| !graph_only),
            signature: output("signature").filter(|_| !graph_only),
        })
    }
}
