//! How a file comes into the store, all at once or not at all, and how a corrupt one leaves it.

use super::tree::Tree;
use super::{Digest, Store, files, held, owner, temps};
use crate::error::{Error, Kind};
use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Folders may be removed under us by cleaners at any time; more often than this in one write is no accident.
const ATTEMPTS: u32 = 3;

impl Store {
    /// Writes a temp, syncs it and renames it to `target`, making folders that are missing. The file is durable
    /// afterwards, its name not yet. With `new`, a target that exists fails with [`ErrorKind::AlreadyExists`].
    pub(super) fn publish(&self, target: &Path, bytes: &[u8], new: bool) -> io::Result<()> {
        let mut attempt = 1;
        loop {
            let temp = self.tree.temps().join(temps::name());
            let result = self.try_publish(&temp, target, bytes, new);
            if result.is_err() {
                // Nothing to do if this fails too: the sweep at the next opening removes it.
                let _ = files::remove(&temp);
            }
            match result {
                Err(error) if error.kind() == ErrorKind::NotFound && attempt < ATTEMPTS => attempt += 1,
                result => return result,
            }
            for folder in [temp.parent(), target.parent()].into_iter().flatten() {
                self.make_shard(folder)?;
            }
        }
    }

    fn try_publish(&self, temp: &Path, target: &Path, bytes: &[u8], new: bool) -> io::Result<()> {
        let file = files::create(temp)?;
        files::write_at(&file, temp, bytes, 0)?;
        // By the clock of this machine, which asks for its age, and not that of a file server.
        let _ = files::touch(&file, temp);
        files::seal(&file, temp)?;
        files::sync(&file, temp)?;
        let rename = || if new { files::rename_new(temp, target) } else { files::rename(temp, target) };
        match (rename(), target.parent()) {
            // The first file of a shard; the temp is good and need not be written and synced again.
            (Err(error), Some(folder)) if error.kind() == ErrorKind::NotFound => {
                self.make_shard(folder)?;
                rename()
            }
            (result, _) => result,
        }
    }

    /// Makes a folder, whose name is then not durable yet, whatever was known of one that was there before.
    fn make_shard(&self, folder: &Path) -> io::Result<()> {
        held(&self.durable).remove(folder);
        files::make_directory(folder)
    }

    /// Makes the names in `shards` durable, and the shards' own where they are not known to be.
    pub(super) fn sync_names(&self, shards: &BTreeSet<PathBuf>) -> Result<(), Error> {
        let sync = |folder: &Path| {
            let failed = |error| write_failed(&error, "make a folder durable", folder, 0);
            files::sync_directory(folder).map_err(failed)
        };
        shards.iter().try_for_each(|shard| sync(shard))?;
        let known = held(&self.durable);
        let new: Vec<&PathBuf> = shards.iter().filter(|shard| !known.contains(*shard)).collect();
        drop(known);
        let above: BTreeSet<&Path> = new.iter().filter_map(|shard| shard.parent()).collect();
        above.into_iter().try_for_each(sync)?;
        held(&self.durable).extend(new.into_iter().cloned());
        Ok(())
    }

    /// Moves a corrupt object away and says so. `seen` is what was found corrupt: if it is gone meanwhile, or another
    /// file has taken its name, then another reader found the same, moved it and said so.
    pub(super) fn quarantine_object(&self, tree: &Tree, digest: &Digest, seen: Option<&Metadata>, why: &str) {
        let path = tree.object(digest);
        let mut corrupted = held(&self.corrupted);
        if self.is_written(tree) {
            let gone = match files::stat(&path) {
                Ok(found) => seen.is_some_and(|seen| !files::same(seen, &found)),
                Err(error) => files::absent(&error),
            };
            if gone {
                return;
            }
            *corrupted.entry(*digest).or_default() += 1;
        }
        let moved = self.quarantine(tree, &path, &format!("object-{digest}"), seen);
        drop(corrupted);
        self.warn(format!("object {} is corrupt ({why}) and counts as missing; {moved}", digest.short()));
    }

    /// Moves a file to `quarantine/`, and tells how that went.
    pub(super) fn quarantine(&self, tree: &Tree, path: &Path, name: &str, seen: Option<&Metadata>) -> String {
        if !self.is_written(tree) {
            return format!("it stays at {} as the store is only read", path.display());
        }
        let other = |seen| files::stat(path).is_ok_and(|found| !files::same(seen, &found));
        if seen.is_some_and(other) {
            return "it was replaced meanwhile".into();
        }
        let target = tree.quarantine().join(format!("{name}-{}", temps::name()));
        let moved = files::rename(path, &target).or_else(|error| match error.kind() {
            ErrorKind::NotFound => {
                files::make_directory(&tree.quarantine()).and_then(|()| files::rename(path, &target))
            }
            _ => Err(error),
        });
        match moved {
            Ok(()) => format!("it was moved to {}", target.display()),
            Err(error) => format!("it could not be moved to {}: {error}", target.display()),
        }
    }
}

/// What to do about a file that may not grow.
pub const FILE_LIMIT: &str = "a file may not grow as large here: see `ulimit -f`, or the limits of the queue";

/// "cannot `doing`: …", with the path, and whose it is where that is what is wrong.
pub(super) fn failed(error: &io::Error, doing: &str, path: &Path) -> Error {
    let failed = Error::new(Kind::Store, format!("cannot {doing}: {error}")).at(path);
    if files::denied(error) { failed.hint(owner::describe(path)) } else { failed }
}

/// As [`failed`], for a write of `needed` bytes: with what is free, and what to do on a full or failing disk.
pub(super) fn write_failed(error: &io::Error, doing: &str, path: &Path, needed: u64) -> Error {
    if error.kind() == ErrorKind::FileTooLarge {
        return failed(error, doing, path).hint(FILE_LIMIT);
    }
    if !files::full(error) && !files::broken(error) {
        return failed(error, doing, path);
    }
    let free = files::free_bytes(path).map_or("an unknown number of".to_owned(), |free| free.to_string());
    let message = format!("cannot {doing}: {error} (needed {needed} bytes; {free} bytes are free)");
    let error = match files::broken(error) {
        true => Error::new(Kind::Store, message).hint("check the disk; `pleach cache verify` checks what is stored"),
        false => Error::new(Kind::Store, message),
    };
    error.at(path).hint("`pleach cache gc` frees space")
}
