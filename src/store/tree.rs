//! One folder of the store's layout: where each thing lies.

use super::Digest;
use super::files;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// The layout below one folder: the real `root/v1`, or the private folder that stands in front of a read-only one.
#[derive(Debug)]
pub(super) struct Tree {
    pub base: PathBuf,
}

impl Tree {
    pub fn new(base: PathBuf) -> Self {
        Self { base }
    }

    pub fn objects(&self) -> PathBuf {
        self.base.join("objects")
    }

    pub fn actions(&self) -> PathBuf {
        self.base.join("actions")
    }

    pub fn temps(&self) -> PathBuf {
        self.base.join("tmp")
    }

    pub fn locks(&self) -> PathBuf {
        self.base.join("locks")
    }

    pub fn quarantine(&self) -> PathBuf {
        self.base.join("quarantine")
    }

    pub fn runs(&self) -> PathBuf {
        self.base.join("runs")
    }

    /// Every folder that a whole layout has.
    pub fn directories(&self) -> [PathBuf; 6] {
        [self.objects(), self.actions(), self.temps(), self.locks(), self.quarantine(), self.runs()]
    }

    pub fn object(&self, digest: &Digest) -> PathBuf {
        self.sharded("objects/", digest)
    }

    pub fn action(&self, key: &Digest) -> PathBuf {
        self.sharded("actions/", key)
    }

    pub fn lock(&self, key: &Digest) -> PathBuf {
        self.locks().join(key.hex())
    }

    /// The lock that runs share and that collecting garbage takes alone.
    pub fn use_lock(&self) -> PathBuf {
        self.locks().join("use")
    }

    fn sharded(&self, folder: &str, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let mut path = String::with_capacity(folder.len() + 3 + hex.len());
        path.push_str(folder);
        path.push_str(&hex[..2]);
        path.push('/');
        path.push_str(&hex);
        self.base.join(path)
    }
}

/// The shards (folders of two hexadecimal digits) of `objects` or `actions`, in order.
pub(super) fn shards(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let shard = |name: &OsStr| name.len() == 2 && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit);
    let names = files::list(folder)?;
    Ok(names.iter().filter(|name| shard(name)).map(|name| folder.join(name)).collect())
}

/// The digest that a file's name is, if it is one and the file lies in the right shard.
pub(super) fn named(path: &Path) -> Option<Digest> {
    let name = path.file_name()?.to_str()?;
    let shard = path.parent()?.file_name()?.to_str()?;
    name.parse().ok().filter(|_| name.starts_with(shard))
}
