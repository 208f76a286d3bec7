//! Objects: bytes, named by their hash, verified whenever they are read.

use super::publish::{failed, write_failed};
use super::tree::Tree;
use super::{Digest, Store, files, held};
use crate::error::{Error, Kind, Result};
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

/// What lies where an object should.
pub(super) enum Found {
    Nothing,
    /// Something that is not a plain file.
    Odd,
    File(File, Metadata),
}

/// What a look at an object found out.
pub(super) enum Verdict<T> {
    Missing,
    Corrupt(Option<Metadata>, String),
    Good(T),
}

impl Store {
    /// Keeps `bytes`, and gives their digest. When they are there already, they are compared; a stored object that
    /// differs is quarantined and written anew, once: if it is corrupt again afterwards, the disk or the memory is
    /// failing, and that is an error.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        for tree in self.trees() {
            match self.examine(tree, &digest, |file, path| compare(file, path, bytes))? {
                Verdict::Good(()) => return Ok(digest),
                Verdict::Missing => {}
                Verdict::Corrupt(seen, why) => self.quarantine_object(tree, &digest, seen.as_ref(), &why),
            }
        }
        let path = self.tree.object(&digest);
        if held(&self.corrupted).get(&digest).is_some_and(|times| *times > 1) {
            return Err(Error::new(
                Kind::Store,
                format!("object {} was corrupt again after it was replaced", digest.short()),
            )
            .at(path)
            .hint("the disk or the memory may be failing; check them, or name another folder with --cache"));
        }
        match self.publish(&path, bytes, false) {
            Ok(()) => Ok(digest),
            Err(error) => Err(self.without_room(write_failed(&error, "write an object", &path, bytes.len() as u64))),
        }
    }

    /// A failed write, with what helps where it was not the store's own folder that was written.
    fn without_room(&self, error: Error) -> Error {
        match self.keeps_nothing() {
            true => Error { hints: Vec::new(), ..error }.hint("name a larger place for temporary files with `TMPDIR`"),
            false => error,
        }
    }

    /// The bytes of an object, verified. `None` when it is missing; also when it is corrupt, after it was quarantined
    /// and a warning was left.
    pub fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        for tree in self.trees() {
            let verdict = self.examine(tree, digest, |file, path| {
                let size = file.metadata()?.len();
                let bytes = files::read_all(file, path, size)?;
                let same = Digest::of(&bytes) == *digest;
                Ok(if same { Ok(bytes) } else { Err("its bytes do not have its hash".into()) })
            })?;
            match verdict {
                Verdict::Good(bytes) => return Ok(Some(bytes)),
                Verdict::Missing => {}
                Verdict::Corrupt(seen, why) => self.quarantine_object(tree, digest, seen.as_ref(), &why),
            }
        }
        Ok(None)
    }

    /// Hashes an object without holding it in memory, and gives its size.
    pub(super) fn rehash(&self, tree: &Tree, digest: &Digest) -> Result<Verdict<u64>> {
        self.examine(tree, digest, |file, path| {
            let (found, size) = match files::hash(file, path) {
                Err(error) if files::broken(&error) => return Ok(Err(format!("it cannot be read: {error}"))),
                result => result?,
            };
            Ok(if found == *digest { Ok(size) } else { Err("its bytes do not have its hash".into()) })
        })
    }

    /// The first layout that has an object, with the object's size. An odd file is not an object.
    pub(super) fn locate(&self, digest: &Digest) -> Result<Option<(&Tree, u64)>> {
        for tree in self.trees() {
            let path = tree.object(digest);
            match files::stat(&path) {
                Ok(found) if found.is_file() => {
                    self.refuse_foreign(&found, &path)?;
                    return Ok(Some((tree, found.len())));
                }
                Ok(_) => {}
                Err(error) if files::absent(&error) => {}
                Err(error) => return Err(failed(&error, "look at an object", &path)),
            }
        }
        Ok(None)
    }

    fn examine<T>(
        &self,
        tree: &Tree,
        digest: &Digest,
        look: impl FnOnce(&File, &Path) -> io::Result<Result<T, String>>,
    ) -> Result<Verdict<T>> {
        let path = tree.object(digest);
        let (file, seen) = match self.find(&path)? {
            Found::Nothing => return Ok(Verdict::Missing),
            Found::Odd => return Ok(Verdict::Corrupt(None, "it is not a plain file".into())),
            Found::File(file, seen) => (file, seen),
        };
        match look(&file, &path).map_err(|error| failed(&error, "read an object", &path))? {
            Ok(value) => Ok(Verdict::Good(value)),
            Err(why) => Ok(Verdict::Corrupt(Some(seen), why)),
        }
    }

    /// Opens a file of the store for reading.
    pub(super) fn find(&self, path: &Path) -> Result<Found> {
        let file = match files::open(path) {
            Ok(file) => file,
            Err(error) if files::absent(&error) => return Ok(Found::Nothing),
            Err(error) if files::odd(&error) => return Ok(Found::Odd),
            Err(error) => return Err(failed(&error, "open a file of the store", path)),
        };
        let found =
            files::stat_file(&file, path).map_err(|error| failed(&error, "look at a file of the store", path))?;
        if !found.is_file() {
            return Ok(Found::Odd);
        }
        self.refuse_foreign(&found, path)?;
        Ok(Found::File(file, found))
    }
}

/// Whether a file has exactly these bytes, holding one chunk of it at a time. If so, it is marked as just written, so
/// that a collection that runs before the coming commit takes it for young.
fn compare(file: &File, path: &Path, bytes: &[u8]) -> io::Result<Result<(), String>> {
    let mut rest = bytes;
    let mut buffer = vec![0; files::CHUNK.min(bytes.len() + 1)];
    loop {
        let length = files::read(file, path, &mut buffer)?;
        if length == 0 {
            break;
        }
        match rest.split_at_checked(length) {
            Some((start, more)) if start == &buffer[..length] => rest = more,
            _ => return Ok(Err("its bytes do not have its hash".into())),
        }
    }
    if !rest.is_empty() {
        return Ok(Err(format!("it ends {} bytes early", rest.len())));
    }
    // Refused on a read-only store and on files of others; then nothing collects there either.
    let _ = files::touch(file, path);
    Ok(Ok(()))
}
