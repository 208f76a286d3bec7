//! Action records: looking them up, committing them (first commit wins), forgetting them.

use super::objects::{Found, Verdict};
use super::publish::{failed, write_failed};
use super::tree::{self, Tree};
use super::{Digest, Output, Record, Store, files, held, record};
use crate::error::{Error, Kind, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How exactly it is noted when a record was used.
const A_DAY: Duration = Duration::from_secs(86_400);

/// How often the objects of a commit are kept before their vanishing is no accident.
const ATTEMPTS: u32 = 3;

/// How a commit went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "made once a stage and looked at at once")]
pub enum Commit {
    /// The record is in the store.
    Stored,
    /// An earlier record of the same key has the same outputs; it stays.
    Same,
    /// An earlier record of the same key has other outputs; it stays, and here it is.
    Kept(Record),
}

/// What lies where a record should.
pub(super) enum State {
    Absent,
    Corrupt(Option<Metadata>, String),
    /// A good record; the named output is missing or has another size.
    Stale(Record, String),
    Valid(Record),
}

/// What is wrong with the objects of a good record: one is missing, or it is another than the record says.
enum Defect {
    Missing(String),
    Lie(String),
}

impl Store {
    /// The record of `key`, if it is whole and every object that it names is there with the recorded size. The objects'
    /// bytes are not read; [`Store::get`] verifies them. A corrupt or stale record is removed, unless somebody holds
    /// the key's lock: then that somebody will replace it.
    pub fn lookup(&self, key: &Digest) -> Result<Option<Record>> {
        for tree in self.trees() {
            match self.state(tree, key)? {
                State::Valid(record) => return Ok(Some(record)),
                State::Absent => {}
                State::Corrupt(..) | State::Stale(..) => self.clear(tree, key)?,
            }
        }
        Ok(None)
    }

    /// As [`Store::lookup`], for use: that the record was used is noted.
    pub fn recall(&self, key: &Digest) -> Result<Option<Record>> {
        let record = self.lookup(key)?;
        if record.is_some() {
            self.mark_used(key);
        }
        Ok(record)
    }

    /// Notes that a record was used, for collections that remove what was not: its file's time is that of its last use.
    /// Once a day is enough; in a store that cannot be written nothing is noted.
    pub fn mark_used(&self, key: &Digest) {
        let path = self.tree.action(key);
        let Ok(found) = files::stat(&path) else { return };
        let is_fresh = found.modified().is_ok_and(|time| match SystemTime::now().duration_since(time) {
            Ok(age) => age < A_DAY,
            // Of a clock that was ahead: it would not grow old for as long.
            Err(ahead) => ahead.duration() < A_DAY,
        });
        if is_fresh {
            return;
        }
        let touched = files::open(&path).and_then(|file| files::touch(&file, &path));
        if touched.is_err()
            && let Ok(State::Valid(record)) = self.read(&self.tree, key)
            && let Ok(bytes) = record.encode()
        {
            // In a store that a group shares, the file of another can be replaced but not touched.
            let _ = self.publish(&path, &bytes, false);
        }
    }

    /// When a record was used last; of one that never was, when it was made.
    pub(super) fn used(&self, key: &Digest) -> SystemTime {
        files::stat(&self.tree.action(key)).and_then(|found| found.modified()).unwrap_or_else(|_| SystemTime::now())
    }

    /// Commits a finished action: after this its objects are found under its key, also after a power cut.
    ///
    /// The first commit of a key wins; a later one with other outputs changes nothing and gives back the first. With
    /// `replace` the new one wins. [`Kind::Internal`] when the record names an object that is not in the store.
    pub fn commit(&self, record: Record, replace: bool) -> Result<Commit> {
        let bytes = record.encode()?;
        let mut shards = BTreeSet::new();
        for (name, output) in &record.outputs {
            match self.locate(&output.digest)? {
                Some((tree, size)) if size == output.size => {
                    if self.is_written(tree) {
                        shards.extend(tree.object(&output.digest).parent().map(Path::to_owned));
                    }
                }
                found => {
                    let found =
                        found.map_or("is not in the store".into(), |(_, size)| format!("has {size} bytes there"));
                    let digest = output.digest.short();
                    return Err(Error::new(
                        Kind::Internal,
                        format!(
                            "the record of `{}` names object {digest} of {} bytes as `{name}`, which {found}",
                            record.name(),
                            output.size
                        ),
                    )
                    .at(&self.root)
                    .hint("if something else removes files from the store, stop it and run again"));
                }
            }
        }
        let path = self.tree.action(&record.key);
        self.sync_names(&shards)?;
        loop {
            let occupied = if replace {
                true
            } else {
                match self.earlier(&record.key)? {
                    Some(State::Valid(earlier)) if earlier.outputs == record.outputs => return Ok(Commit::Same),
                    Some(State::Valid(earlier)) => return Ok(Commit::Kept(earlier)),
                    other => other.is_some(),
                }
            };
            match self.publish(&path, &bytes, !occupied) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::AlreadyExists && !occupied => {} // somebody was faster
                Err(error) => return Err(write_failed(&error, "write a record", &path, bytes.len() as u64)),
            }
        }
        self.sync_names(&path.parent().map(Path::to_owned).into_iter().collect())?;
        Ok(Commit::Stored)
    }

    /// Keeps `files` as objects and commits `record` with them as its outputs; gives back the whole record too. Objects
    /// that something removes in between, such as a cleaner of temporary files, are kept once more.
    pub fn put_and_commit(
        &self,
        mut record: Record,
        files: &BTreeMap<String, Vec<u8>>,
        replace: bool,
    ) -> Result<(Record, Commit)> {
        let mut attempt = 1;
        loop {
            record.outputs.clear();
            for (name, bytes) in files {
                let output = Output { digest: self.put(bytes)?, size: bytes.len() as u64 };
                record.outputs.insert(name.clone(), output);
            }
            match self.commit(record.clone(), replace) {
                Err(_) if attempt < ATTEMPTS && self.defect(&record)?.is_some() => attempt += 1,
                result => return result.map(|commit| (record, commit)),
            }
        }
    }

    /// Removes the record of `key`, if there is one. Its objects stay until they are collected.
    pub fn forget(&self, key: &Digest) -> Result<()> {
        if self.beneath.is_some() {
            held(&self.forgotten).insert(*key);
        }
        let path = self.tree.action(key);
        match files::remove(&path) {
            Err(error) if !files::absent(&error) => Err(failed(&error, "remove a record", &path)),
            _ => Ok(()),
        }
    }

    /// Removes the record of `key`, if there is one and it is meant, and the objects that it names, which no other record may
    /// name. Neither
    /// removal is made durable: one that is lost in a power cut leaves a record too many, or one that names nothing and is
    /// a miss. A record in a store that cannot be written stays.
    pub fn discard(&self, key: &Digest, is_meant: impl FnOnce(&Record) -> bool) -> Result<()> {
        let path = self.tree.action(key);
        let record = match self.read(&self.tree, key)? {
            State::Valid(record) if is_meant(&record) => record,
            _ => return Ok(()),
        };
        let objects = record.outputs.values().map(|output| self.tree.object(&output.digest));
        for path in std::iter::once(path).chain(objects) {
            match files::remove(&path) {
                Err(error) if !files::absent(&error) => {
                    return Err(failed(&error, "remove a file of the store", &path));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Every whole record, in the order of keys, read from the disk as the iterator goes. Whether its objects are there
    /// is not looked at; what cannot be read is passed over, with a warning.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        self.trees().flat_map(|tree| self.keys(tree).map(move |key| (tree, key))).filter_map(|(tree, key)| {
            if !self.is_written(tree) && files::stat(&self.tree.action(&key)).is_ok() {
                return None; // the private folder in front has a newer one
            }
            match self.read(tree, &key) {
                Ok(State::Valid(record)) => Some(record),
                Ok(State::Corrupt(_, why)) => {
                    self.warn(format!("the record {} is passed over: {why}", key.short()));
                    None
                }
                Ok(_) => None,
                Err(error) => {
                    self.warn(format!("a record is passed over: {error}"));
                    None
                }
            }
        })
    }

    /// The keys of the records of one layout, in order, one shard in memory at a time.
    fn keys<'a>(&'a self, tree: &'a Tree) -> impl Iterator<Item = Digest> + use<'a> {
        let listed = |result: std::io::Result<Vec<_>>| {
            result.unwrap_or_else(|error| {
                self.warn(format!("records are passed over: {}", failed(&error, "read a folder", &tree.actions())));
                Vec::new()
            })
        };
        listed(tree::shards(&tree.actions())).into_iter().flat_map(move |shard| {
            let names = listed(files::list(&shard).map(|names| names.iter().map(|name| shard.join(name)).collect()));
            names.into_iter().filter_map(|path| tree::named(&path))
        })
    }

    /// What is under `key` in the first layout that has anything.
    fn earlier(&self, key: &Digest) -> Result<Option<State>> {
        for tree in self.trees() {
            match self.state(tree, key)? {
                State::Absent => {}
                // A bad one beneath can neither be replaced nor stand in the way.
                State::Corrupt(..) | State::Stale(..) if !self.is_written(tree) => {}
                state => return Ok(Some(state)),
            }
        }
        Ok(None)
    }

    /// A record as it is, without a look at its objects: never `Stale`.
    pub(super) fn read(&self, tree: &Tree, key: &Digest) -> Result<State> {
        let path = tree.action(key);
        if !self.is_written(tree) && held(&self.forgotten).contains(key) {
            return Ok(State::Absent);
        }
        let (file, seen) = match self.find(&path)? {
            Found::Nothing => return Ok(State::Absent),
            Found::Odd => return Ok(State::Corrupt(None, "it is not a plain file".into())),
            Found::File(file, seen) => (file, seen),
        };
        if seen.len() > record::LARGEST {
            return Ok(State::Corrupt(Some(seen), "it is too large".into()));
        }
        let bytes = match files::read_all(&file, &path, seen.len()) {
            Err(error) if files::broken(&error) => {
                return Ok(State::Corrupt(Some(seen), format!("it cannot be read: {error}")));
            }
            bytes => bytes.map_err(|error| failed(&error, "read a record", &path))?,
        };
        Ok(match Record::decode(&bytes) {
            Ok(record) if record.key == *key => State::Valid(record),
            Ok(_) => State::Corrupt(Some(seen), "it is the record of another key".into()),
            Err(why) => State::Corrupt(Some(seen), why),
        })
    }

    /// A record, with a look at its objects.
    pub(super) fn state(&self, tree: &Tree, key: &Digest) -> Result<State> {
        let record = match self.read(tree, key)? {
            State::Valid(record) => record,
            other => return Ok(other),
        };
        Ok(match self.defect(&record)? {
            None => State::Valid(record),
            Some(Defect::Missing(why)) => State::Stale(record, why),
            Some(Defect::Lie(why)) => State::Corrupt(None, why),
        })
    }

    /// What is wrong with the objects that a good record names.
    fn defect(&self, record: &Record) -> Result<Option<Defect>> {
        for (name, output) in &record.outputs {
            let missing =
                || Some(Defect::Missing(format!("its `{name}`, object {}, is missing", output.digest.short())));
            let Some((tree, size)) = self.locate(&output.digest)? else { return Ok(missing()) };
            if size == output.size {
                continue;
            }
            return Ok(match self.rehash(tree, &output.digest)? {
                Verdict::Good(_) => Some(Defect::Lie(format!("it gives a wrong size for its `{name}`"))),
                Verdict::Missing => missing(),
                Verdict::Corrupt(seen, why) => {
                    self.quarantine_object(tree, &output.digest, seen.as_ref(), &why);
                    missing()
                }
            });
        }
        Ok(None)
    }

    /// Removes a bad record, where that is possible, under its lock, after a second look: the holder of the lock may have replaced it.
    pub(super) fn clear(&self, tree: &Tree, key: &Digest) -> Result<()> {
        // Where nothing can be locked it stays, and is passed over whenever it is met.
        let lock = if self.is_written(tree) { self.try_lock(key).ok().flatten() } else { None };
        let path = tree.action(key);
        match self.state(tree, key)? {
            State::Absent | State::Valid(_) => {}
            State::Corrupt(seen, why) => {
                let fate = match lock {
                    Some(_) => self.quarantine(tree, &path, &format!("record-{key}"), seen.as_ref()),
                    None => "it stays for now".into(),
                };
                self.warn(format!("the record {} is corrupt ({why}) and counts as missing; {fate}", key.short()));
            }
            State::Stale(record, why) => {
                // An object found corrupt was warned of already, and its loss is what this is.
                let told = record.outputs.values().any(|output| held(&self.corrupted).contains_key(&output.digest));
                if !told {
                    self.warn(format!("the record {} of `{}` counts as missing: {why}", key.short(), record.name()));
                }
                if lock.is_some() {
                    // If it cannot be removed it names what is missing next time too.
                    let _ = files::remove(&path);
                }
            }
        }
        Ok(())
    }
}
