//! What a run that is going on needs: the keys of its plan, in `runs/<run>/pins`, beside a file `live` that the run keeps
//! locked. A collection keeps what live runs pin, and so need not wait for them.
//!
//! A run pins while it shares the lock that a collection takes alone: so a key that is pinned before it is looked up is
//! either in the store until the run ends, or was not there. A run that cannot write its pins, because the store is
//! read-only or the disk full, shares that lock to its end instead.

use super::locks::{Held, Taken, use_read_only};
use super::publish::failed;
use super::{Digest, Store, files, temps};
use crate::error::Result;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the pins of a run count where a file system has no locks to ask whether it lives.
const WITHOUT_LOCKS: Duration = Duration::from_secs(7 * 86_400);

/// The pins of a run that is going on, gone when dropped.
#[derive(Debug)]
pub struct Pins<'a> {
    store: &'a Store,
    /// The lock that collections take alone: while pins are written, or to the end if they cannot be.
    shared: Option<Held>,
    own: Option<Own>,
    pinned: HashSet<Digest>,
}

#[derive(Debug)]
struct Own {
    folder: PathBuf,
    file: File,
    length: u64,
    _live: Held,
}

/// What is pinned, and by whom.
#[derive(Debug, Default)]
pub(super) struct Pinned {
    /// The keys.
    pub keys: HashSet<Digest>,
    /// Whether there is a live run.
    pub live: bool,
}

impl Store {
    /// Begins the pins of `run`. Until [`Pins::settle`] no collection begins. While one is under way, calls `waiting` as
    /// [`Store::lock`] does; `None` when that says [`ControlFlow::Break`].
    pub fn pins(&self, run: &str, waiting: &mut dyn FnMut(Option<u32>) -> ControlFlow<()>) -> Result<Option<Pins<'_>>> {
        let pinned = HashSet::new();
        if let Some(tree) = self.beneath.as_ref().or(self.only_read.then_some(&self.tree)) {
            return Ok(Some(Pins { store: self, shared: use_read_only(tree), own: None, pinned }));
        }
        let Some(shared) = self.wait_for(&self.tree.use_lock(), true, waiting)? else { return Ok(None) };
        // A run without pins keeps the lock.
        let own = self.own(run).ok();
        Ok(Some(Pins { store: self, shared: Some(shared), own, pinned }))
    }

    fn own(&self, run: &str) -> Result<Own> {
        let folder = self.run_directory(run)?;
        let live = folder.join("live");
        let pins = folder.join("pins");
        let failed = |error| failed(&error, "pin what a run needs", &pins);
        let file = files::open_or_create(&pins).map_err(failed)?;
        match self.attempt(&live, false)? {
            Some(live) => Ok(Own { folder, file, length: 0, _live: live }),
            None => Err(failed(io::ErrorKind::WouldBlock.into())),
        }
    }

    /// What live runs pin.
    pub(super) fn pinned(&self) -> Result<Pinned> {
        let mut pinned = Pinned::default();
        for folder in self.run_folders()? {
            if !self.is_live(&folder)? {
                continue;
            }
            pinned.live = true;
            let path = folder.join("pins");
            let unreadable = |error: io::Error| failed(&error, "read the pins of a run", &path);
            let file = match files::open(&path) {
                Err(error) if files::absent(&error) => continue,
                file => file.map_err(unreadable)?,
            };
            let size = files::stat_file(&file, &path).map_err(unreadable)?.len();
            let bytes = files::read_all(&file, &path, size).map_err(unreadable)?;
            pinned.keys.extend(String::from_utf8_lossy(&bytes).lines().filter_map(|line| line.parse::<Digest>().ok()));
        }
        Ok(pinned)
    }

    /// The folders of runs, of those that ended too.
    pub(super) fn run_folders(&self) -> Result<Vec<PathBuf>> {
        super::check::entries(&self.tree.runs())
    }

    /// Whether the run of a folder is going on. Where there are no locks, one that left its pins is taken for live for a
    /// week.
    pub(super) fn is_live(&self, folder: &Path) -> Result<bool> {
        let path = folder.join("live");
        let file = match files::open(&path) {
            Err(error) if files::absent(&error) => return Ok(false),
            file => file.map_err(|error| failed(&error, "open a lock", &path))?,
        };
        Ok(match self.take(file, &path, false)? {
            Taken::Busy => true,
            Taken::Gone => false,
            Taken::Held(held) => {
                held.is_nothing()
                    && files::stat(&path)
                        .is_ok_and(|found| found.modified().is_ok_and(|time| temps::age(time) < WITHOUT_LOCKS))
            }
        })
    }
}

impl Pins<'_> {
    /// Pins keys, those that are new to it. While a collection is under way, calls `waiting` as [`Store::lock`] does; false
    /// when that says [`ControlFlow::Break`], and nothing is pinned.
    pub fn add(
        &mut self,
        keys: impl IntoIterator<Item = Digest>,
        waiting: &mut dyn FnMut(Option<u32>) -> ControlFlow<()>,
    ) -> Result<bool> {
        let new: Vec<Digest> = keys.into_iter().filter(|key| !self.pinned.contains(key)).collect();
        let Some(own) = self.own.as_mut().filter(|_| !new.is_empty()) else { return Ok(true) };
        let path = self.store.tree.use_lock();
        let _shared = match &self.shared {
            Some(_) => None,
            None => match self.store.wait_for(&path, true, waiting)? {
                Some(shared) => Some(shared),
                None => return Ok(false),
            },
        };
        let lines: String = new.iter().map(|key| format!("{key}\n")).collect();
        let pins = own.folder.join("pins");
        match files::write_at(&own.file, &pins, lines.as_bytes(), own.length) {
            Ok(()) => own.length += lines.len() as u64,
            Err(_) => {
                // From here on the run is one without pins.
                self.own = None;
                self.shared = self.shared.take().or(_shared);
            }
        }
        self.pinned.extend(new);
        Ok(true)
    }

    /// Lets collections begin again: what is needed so far is pinned.
    pub fn settle(&mut self) {
        if self.own.is_some() {
            self.shared = None;
        }
    }
}

impl Drop for Pins<'_> {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            // What stays behind pins nothing: nobody holds its lock.
            let _ = files::remove(&own.folder.join("pins"));
            let _ = files::remove(&own.folder.join("live"));
        }
    }
}
