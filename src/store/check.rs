//! Looking over the whole store: how much is in it, and whether it is sound.

use super::actions::State;
use super::objects::Verdict;
use super::publish::failed;
use super::{Store, files, tree};
use crate::error::Result;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How much is in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Objects.
    pub objects: u64,
    /// Their bytes in all.
    pub bytes: u64,
    /// Whole records, by kind.
    pub records: BTreeMap<String, u64>,
    /// Records that are corrupt.
    pub corrupt_records: u64,
    /// Files in quarantine.
    pub quarantined: u64,
    /// Files being written, or left by writers that died.
    pub temps: u64,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Objects read.
    pub objects: u64,
    /// Their bytes in all.
    pub bytes: u64,
    /// Records read.
    pub records: u64,
    /// What was wrong, objects first, each in the order of paths. Empty: the store is sound.
    pub findings: Vec<Finding>,
}

/// Something wrong in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The object or record.
    pub path: PathBuf,
    /// What is wrong with it, as a clause.
    pub what: String,
}

impl Store {
    /// Counts what is in the store.
    pub fn status(&self) -> Result<Status> {
        let mut status = Status::default();
        for tree in self.trees() {
            for shard in shards(&tree.objects())? {
                for path in entries(&shard)? {
                    match files::stat(&path) {
                        Ok(found) => {
                            status.objects += 1;
                            status.bytes += found.len();
                        }
                        Err(error) if files::absent(&error) => {}
                        Err(error) => return Err(failed(&error, "look at an object", &path)),
                    }
                }
            }
            for shard in shards(&tree.actions())? {
                for key in entries(&shard)?.iter().filter_map(|path| tree::named(path)) {
                    match self.read(tree, &key)? {
                        State::Valid(record) => *status.records.entry(record.kind).or_default() += 1,
                        State::Corrupt(..) => status.corrupt_records += 1,
                        State::Stale(..) | State::Absent => {}
                    }
                }
            }
            status.quarantined += entries(&tree.quarantine())?.len() as u64;
            status.temps += entries(&tree.temps())?.len() as u64;
        }
        Ok(status)
    }

    /// Reads every object and every record. Corrupt objects and foreign files are quarantined; corrupt records, and
    /// those that name a missing object, are removed. In a read-only store they are listed and stay.
    pub fn verify(&self) -> Result<Verification> {
        let mut result = Verification::default();
        for tree in self.trees() {
            for shard in shards(&tree.objects())? {
                for path in entries(&shard)? {
                    result.objects += 1;
                    let Some(digest) = tree::named(&path) else {
                        self.quarantine(tree, &path, "foreign", None);
                        result.findings.push(Finding { path, what: "its name is not a digest".into() });
                        continue;
                    };
                    match self.rehash(tree, &digest)? {
                        Verdict::Good(size) => result.bytes += size,
                        Verdict::Missing => {}
                        Verdict::Corrupt(seen, what) => {
                            self.quarantine_object(tree, &digest, seen.as_ref(), &what);
                            result.findings.push(Finding { path, what });
                        }
                    }
                }
            }
        }
        for tree in self.trees() {
            for shard in shards(&tree.actions())? {
                for path in entries(&shard)? {
                    result.records += 1;
                    let Some(key) = tree::named(&path) else {
                        self.quarantine(tree, &path, "foreign", None);
                        result.findings.push(Finding { path, what: "its name is not a key".into() });
                        continue;
                    };
                    if let State::Corrupt(_, what) | State::Stale(_, what) = self.state(tree, &key)? {
                        self.clear(tree, &key)?;
                        result.findings.push(Finding { path, what });
                    }
                }
            }
        }
        Ok(result)
    }
}

/// The folders of `objects` or `actions`.
pub(super) fn shards(folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    tree::shards(folder).map_err(|error| failed(&error, "read a folder", folder))
}

/// The paths in a folder, sorted; none if there is no such folder.
pub(super) fn entries(folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    let names = files::list(folder).map_err(|error| failed(&error, "read a folder", folder))?;
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}
