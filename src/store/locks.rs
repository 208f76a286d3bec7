//! Kernel locks: one process at a time works on a key, and no collection runs while a run pins what it needs.
//!
//! Only the kernel's lock on the file means anything, never that the file exists or what is in it: the lock of a killed
//! process is free at once. The holder writes its process number into the file, for messages alone.

use super::publish::failed;
use super::tree::Tree;
use super::{Digest, Store, files};
use crate::error::{Error, Kind, Result};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Waiting time between two attempts, which grows from the first to the second.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(100);

/// How often a lock's file may vanish between opening and locking before that is no accident.
const ATTEMPTS: u32 = 100;

/// The right to work on one key, released when dropped.
#[derive(Debug)]
pub struct KeyLock {
    _held: Held,
}

/// A locked file, or nothing where the file system has no locks.
#[derive(Debug)]
pub(super) struct Held {
    file: Option<File>,
}

/// How taking a lock went.
#[derive(Debug)]
pub(super) enum Taken {
    Held(Held),
    Busy,
    /// A collection, or the user, removed the file between opening and locking: the lock would be on a file that nobody
    /// else will find.
    Gone,
}

impl Held {
    /// Whether there is no lock, because the file system has none.
    pub(super) fn is_nothing(&self) -> bool {
        self.file.is_none()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Closing releases too, but not while a child process that was just forked still has the file open.
            let _ = file.unlock();
        }
    }
}

impl Store {
    /// Takes the lock of `key`. While another holds it, calls `waiting` with the holder's process number (for a
    /// message; it may be unknown or stale) every 20 to 100 ms, at once for the first time. `None` when `waiting` says
    /// [`ControlFlow::Break`]. Hold one at a time; a thread that takes the same key twice waits for itself.
    pub fn lock(
        &self,
        key: &Digest,
        waiting: &mut dyn FnMut(Option<u32>) -> ControlFlow<()>,
    ) -> Result<Option<KeyLock>> {
        let held = self.wait_for(&self.tree.lock(key), false, waiting)?;
        Ok(held.map(|held| KeyLock { _held: held }))
    }

    /// The lock of `key` if nobody has it.
    pub(super) fn try_lock(&self, key: &Digest) -> Result<Option<KeyLock>> {
        let held = self.attempt(&self.tree.lock(key), false)?;
        Ok(held.map(|held| KeyLock { _held: held }))
    }

    /// Takes a lock, waiting as [`Store::lock`] does.
    pub(super) fn wait_for(
        &self,
        path: &Path,
        shared: bool,
        waiting: &mut dyn FnMut(Option<u32>) -> ControlFlow<()>,
    ) -> Result<Option<Held>> {
        let mut pause = SHORTEST;
        loop {
            if let Some(held) = self.attempt(path, shared)? {
                return Ok(Some(held));
            }
            if waiting(holder(path)).is_break() {
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Takes a lock if nobody is in the way. On a file system without locks it says so once, and goes on as if it had.
    pub(super) fn attempt(&self, path: &Path, shared: bool) -> Result<Option<Held>> {
        for _ in 0..ATTEMPTS {
            let file = self.lock_file(path).map_err(|error| failed(&error, "open a lock", path))?;
            match self.take(file, path, shared)? {
                Taken::Held(held) => return Ok(Some(held)),
                Taken::Busy => return Ok(None),
                Taken::Gone => {}
            }
        }
        Err(Error::new(Kind::Store, "the lock's file is removed again and again by something else").at(path))
    }

    pub(super) fn take(&self, file: File, path: &Path, shared: bool) -> Result<Taken> {
        match files::try_lock(&file, path, shared) {
            Ok(true) => {}
            Ok(false) => return Ok(Taken::Busy),
            Err(error) if files::lockless(&error) => {
                self.warn(format!(
                    "the file system of {} has no locks ({error}); runs that share the store may do work twice",
                    self.root.display()
                ));
                return Ok(Taken::Held(Held { file: None }));
            }
            Err(error) => return Err(failed(&error, "lock", path)),
        }
        let known = files::stat_file(&file, path).map_err(|error| failed(&error, "look at a lock", path))?;
        match files::stat(path) {
            Ok(found) if files::same(&known, &found) => {}
            Err(error) if !files::absent(&error) => return Err(failed(&error, "look at a lock", path)),
            _ => return Ok(Taken::Gone),
        }
        // For messages only, so a full disk is no reason to fail.
        let number = format!("{:<10}\n", std::process::id());
        let _ = files::write_at(&file, path, number.as_bytes(), 0);
        Ok(Taken::Held(Held { file: Some(file) }))
    }

    fn lock_file(&self, path: &Path) -> io::Result<File> {
        files::open_or_create(path).or_else(|error| match &error {
            _ if files::absent(&error) => {
                files::make_directory(&self.tree.locks()).and_then(|()| files::open_or_create(path))
            }
            // Another member of a group made it; what can be read can be locked.
            _ if files::denied(&error) && self.shared.is_some() => files::open(path).map_err(|_| error),
            _ => Err(error),
        })
    }

    /// Removes the lock files of keys that nobody holds, and says how many.
    pub(super) fn sweep_locks(&self, dry_run: bool) -> Result<u64> {
        let folder = self.tree.locks();
        let names = files::list(&folder).map_err(|error| failed(&error, "read a folder", &folder))?;
        let mut swept = 0;
        for name in names {
            let Some(key) = name.to_str().and_then(|name| name.parse::<Digest>().ok()) else { continue };
            if dry_run {
                swept += 1;
            } else if let Some(_lock) = self.try_lock(&key)? {
                swept += u64::from(files::remove(&self.tree.lock(&key)).is_ok());
            }
        }
        Ok(swept)
    }
}

/// Best effort on a store that this user may not write but its owner may collect.
pub(super) fn use_read_only(tree: &Tree) -> Option<Held> {
    let path: PathBuf = tree.use_lock();
    let file = files::open(&path).ok()?;
    files::try_lock(&file, &path, true).ok().filter(|locked| *locked).map(|_| Held { file: Some(file) })
}

/// The process that holds a lock, as far as it can be known: what the kernel says, else the number in the lock's file, which may be
/// that of an earlier holder. A number that no process has is nobody's.
pub(super) fn holder(path: &Path) -> Option<u32> {
    let file = files::open(path).ok()?;
    if let Some(pid) = files::stat_file(&file, path).ok().and_then(|found| holder_by_kernel(&found)) {
        return Some(pid);
    }
    let bytes = files::read_all(&file, path, 16).ok()?;
    let pid: u32 = std::str::from_utf8(&bytes).ok()?.trim().parse().ok()?;
    let number = rustix::process::Pid::from_raw(pid.try_into().ok()?)?;
    // That it is another user's is as good an answer.
    let is_there = !matches!(rustix::process::test_kill_process(number), Err(rustix::io::Errno::SRCH));
    is_there.then_some(pid)
}

/// The process that Linux says holds a lock on a file. `None` where it says nothing, or where the file system counts its files
/// otherwise than `stat` does.
fn holder_by_kernel(file: &std::fs::Metadata) -> Option<u32> {
    let device = file.dev();
    let place = format!("{:02x}:{:02x}:{}", rustix::fs::major(device), rustix::fs::minor(device), file.ino());
    let all = std::fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF`; one who waits has an arrow behind the number.
    let held =
        all.lines().map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>()).find_map(
            |fields| match fields[..] {
                ["FLOCK", _, _, pid, other, ..] if other == place => pid.parse().ok(),
                _ => None,
            },
        );
    held.filter(|pid| *pid > 0)
}
