//! A content-addressed store: objects named by the hash of their bytes, and records of the actions that made them. It
//! knows nothing of networks or manifests.
//!
//! - `digest`: the name of a content
//! - `record`: an action record and its self-checking form on disk
//! - `tree`: the layout below one folder
//! - `open`: opening: format version, owner, probe for writing, the private folder in front of a read-only store
//! - `owner`: whose a store is; groups that share one
//! - `publish`: temp, write, sync, rename; and moving away what is corrupt
//! - `objects`: put and get
//! - `actions`: lookup, commit, forget, records
//! - `locks`: one running action a key; runs against collection
//! - `pins`: what a run that is going on needs
//! - `journal`: what a run writes for itself
//! - `check`: status and verification
//! - `collect`: garbage collection
//! - `temps`: unfinished files and their sweep
//! - `files`: every call to the file system
//! - `fault`: faults on purpose, for tests
//!
//! # On disk
//!
//! ```text
//! root/CACHEDIR.TAG                tells backup programs to pass over
//! root/v1/objects/ab/abcd…         an object, named by the blake3 of its bytes, mode 0444, never modified
//! root/v1/actions/ab/abcd…         a record, named by its key; its file's time is that of its last use, to a day
//! root/v1/tmp/                     files being written
//! root/v1/locks/                   one empty file a key, and `use`; only the kernel's locks on them mean anything
//! root/v1/quarantine/              what was found corrupt
//! root/v1/runs/<run>/              journals, what failed runs leave for inspection, and while it goes on what a run pins
//! ```
//!
//! A folder `root/v2` or higher is a newer format: then nothing is read or written.
//!
//! # What holds at every instant, also after `kill -9` or a power cut
//!
//! A file under `objects/` is whole. A record names only objects that were durable before it: objects are written,
//! synced, renamed; their folders are synced; then the record is written, synced and renamed, and **that rename is the
//! commit point**. Removal goes the other way round. Nothing read is used unverified: what is corrupt is moved to
//! `quarantine/`, said once, and is then simply missing.

mod actions;
mod check;
mod collect;
mod digest;
pub mod fault;
mod files;
mod journal;
mod locks;
mod objects;
mod open;
mod owner;
mod pins;
mod publish;
mod record;
mod temps;
#[cfg(test)]
mod tests;
mod tree;

pub use actions::Commit;
pub use check::{Finding, Status, Verification};
pub use collect::{Collected, GcPolicy, Gone, Why};
pub use digest::Digest;
pub use journal::{Journal, read_journal};
pub use locks::KeyLock;
pub use open::{Access, Options};
pub use pins::Pins;
pub use publish::FILE_LIMIT;
pub use record::{Output, Record};

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tree::Tree;

/// Reads the bytes of a record, for [`readers`](crate::readers). The error is [`Kind::Store`](crate::error::Kind::Store).
pub(crate) fn read_record(bytes: &[u8]) -> crate::error::Result<Record> {
    Record::decode(bytes).map_err(|why| crate::error::Error::new(crate::error::Kind::Store, why))
}

/// Reads the bytes of a journal, for [`readers`](crate::readers).
pub(crate) fn read_journal_lines(bytes: &[u8]) -> (Vec<serde_json::Value>, bool) {
    journal::lines(bytes)
}

/// An open store. All of its functions can be called from many threads, and from many processes on one folder.
///
/// Every error is of [`Kind::Store`](crate::error::Kind::Store) unless a function says otherwise.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Where everything is written, and looked for first.
    tree: Tree,
    /// The real layout when it is not to be written; `tree` is then a private folder, removed with the store.
    beneath: Option<Tree>,
    /// Whether it was opened to be looked at.
    only_read: bool,
    allow_foreign_owner: bool,
    /// The group that shares the store, if it was made for one.
    shared: Option<owner::Shared>,
    warnings: Mutex<Warnings>,
    /// How often each object was found corrupt since the store was opened.
    corrupted: Mutex<HashMap<Digest, u32>>,
    /// Keys forgotten in a store that cannot be written.
    forgotten: Mutex<HashSet<Digest>>,
    /// Shards whose own names are known to be durable, so that a commit need not sync the folder above them.
    durable: Mutex<HashSet<PathBuf>>,
}

#[derive(Debug, Default)]
struct Warnings {
    said: HashSet<String>,
    pending: Vec<String>,
}

impl Store {
    /// The folder that the store was opened at.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether what is put and committed stays after the store is closed.
    pub fn is_writable(&self) -> bool {
        self.beneath.is_none() && !self.only_read
    }

    /// Whether what is put and committed is lost when the store is closed ([`Access::InFront`]).
    pub fn keeps_nothing(&self) -> bool {
        self.beneath.is_some()
    }

    /// The bytes that can still be written where results go, if the file system says.
    pub fn free_bytes(&self) -> Option<u64> {
        files::free_bytes(&self.tree.base)
    }

    /// What the user should be told since the last call: corrupt objects, a read-only store, no locks. Each is told once.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut held(&self.warnings).pending)
    }

    fn warn(&self, message: String) {
        let mut warnings = held(&self.warnings);
        if warnings.said.insert(message.clone()) {
            warnings.pending.push(message);
        }
    }

    /// The layouts to read from, in order.
    fn trees(&self) -> impl Iterator<Item = &Tree> {
        std::iter::once(&self.tree).chain(&self.beneath)
    }

    fn is_written(&self, tree: &Tree) -> bool {
        std::ptr::eq(tree, &self.tree)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.beneath.is_some() {
            // A folder that stays behind is in the place for temporary files; there is nobody to tell any more.
            let _ = files::remove_tree(&self.tree.base);
        }
    }
}

/// The lock's content. The store's own tables are whole after every statement, so a panic elsewhere spoils nothing.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
