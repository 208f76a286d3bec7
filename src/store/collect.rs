//! Garbage collection: records first, then the objects that no record names any more.
//!
//! It needs no free byte on the disk. It runs alone: not while a run uses the store. If something is removed that
//! somebody was about to use all the same, that somebody finds a miss, never an error.

use super::actions::State;
use super::check::{entries, shards};
use super::publish::failed;
use super::{Digest, Record, Store, files, temps, tree};
use crate::error::{Error, Kind, Result};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What to remove.
#[derive(Debug, Clone)]
pub struct GcPolicy {
    /// Wait for runs that use the store to end, instead of failing with [`Kind::LockTimeout`].
    pub wait: bool,
    /// Keep the checkpoints of finished stages too.
    pub keep_epochs: bool,
    /// Remove records of any kind that were committed longer ago than this.
    pub older_than: Option<Duration>,
    /// Keep objects that no record names (yet), and what is in quarantine, for this long.
    pub grace: Duration,
    /// Only count what would be removed. Takes no lock.
    pub dry_run: bool,
}

impl Default for GcPolicy {
    /// Checkpoints of finished stages, and objects without a record after an hour; does not wait.
    fn default() -> Self {
        Self { wait: false, keep_epochs: false, older_than: None, grace: Duration::from_secs(3600), dry_run: false }
    }
}

/// What was removed, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Records of checkpoints of finished stages.
    pub epochs: u64,
    /// Other records: too old, corrupt, or naming a missing object.
    pub records: u64,
    /// Objects.
    pub objects: u64,
    /// The objects' bytes.
    pub bytes: u64,
    /// Files from quarantine.
    pub quarantined: u64,
    /// Files that dead writers left.
    pub temps: u64,
    /// Lock files that nobody held.
    pub locks: u64,
}

impl Store {
    /// Collects garbage. [`Kind::LockTimeout`] when a run uses the store and the policy is not to wait. Do not call it
    /// with a [`UseLock`](super::UseLock) in hand: it would wait for itself.
    pub fn gc(&self, policy: &GcPolicy) -> Result<Collected> {
        let mut holder = None;
        let collected = self.gc_waiting(policy, &mut |pid| {
            holder = pid;
            if policy.wait { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        collected.ok_or_else(|| {
            let who = holder.map_or(String::new(), |pid| format!(" (such as process {pid})"));
            Error::new(Kind::LockTimeout, format!("the store is in use by a run{who}, so nothing was collected"))
                .at(&self.root)
                .hint("wait for the run to end")
        })
    }

    /// As [`Store::gc`], but while runs use the store calls `waiting`, as [`Store::lock`] does, whatever
    /// [`GcPolicy::wait`] says. `None` when that says [`ControlFlow::Break`].
    pub fn gc_waiting(
        &self,
        policy: &GcPolicy,
        waiting: &mut dyn FnMut(Option<u32>) -> ControlFlow<()>,
    ) -> Result<Option<Collected>> {
        if self.beneath.is_some() {
            return Err(Error::new(Kind::Store, "the store is only read, so nothing can be collected").at(&self.root));
        }
        let _alone = if policy.dry_run {
            None
        } else {
            match self.wait_for(&self.tree.use_lock(), false, waiting)? {
                Some(held) => Some(held),
                None => return Ok(None),
            }
        };
        let mut collected = Collected::default();
        let (named, freed) = self.collect_records(policy, &mut collected)?;
        self.collect_objects(policy, &named, &freed, &mut collected)?;
        self.collect_quarantine(policy, &mut collected)?;
        collected.temps = temps::sweep(&self.tree.temps(), policy.dry_run);
        collected.locks = self.sweep_locks(policy.dry_run)?;
        Ok(Some(collected))
    }

    /// Removes records, and gives the objects that the rest name, and those that the removed ones named.
    fn collect_records(
        &self,
        policy: &GcPolicy,
        collected: &mut Collected,
    ) -> Result<(HashSet<Digest>, HashSet<Digest>)> {
        let mut finished = HashSet::new();
        if !policy.keep_epochs {
            self.for_each_key(|key| {
                match self.state(&self.tree, &key)? {
                    State::Valid(record) if record.kind == "stage" => finished.insert(record.key),
                    _ => false,
                };
                Ok(())
            })?;
        }
        let (mut named, mut freed) = (HashSet::new(), HashSet::new());
        let mut folders = HashSet::new();
        self.for_each_key(|key| {
            let path = self.tree.action(&key);
            let checkpoint = match self.state(&self.tree, &key)? {
                State::Absent => return Ok(()),
                State::Corrupt(..) | State::Stale(..) => {
                    collected.records += 1;
                    return if policy.dry_run { Ok(()) } else { self.clear(&self.tree, &key) };
                }
                State::Valid(record) => {
                    let checkpoint = record.kind == "epoch" && finished.contains(&record.family);
                    if !checkpoint && !policy.too_old(&record) {
                        named.extend(record.outputs.values().map(|output| output.digest));
                        return Ok(());
                    }
                    freed.extend(record.outputs.values().map(|output| output.digest));
                    checkpoint
                }
            };
            *(if checkpoint { &mut collected.epochs } else { &mut collected.records }) += 1;
            if !policy.dry_run {
                remove(&path)?;
                folders.extend(path.parent().map(Path::to_owned));
            }
            Ok(())
        })?;
        for folder in folders {
            // If a removal is lost in a power cut after all, its record comes back naming nothing: a miss.
            let _ = files::sync_directory(&folder);
        }
        Ok((named, freed))
    }

    /// Goes over all keys. Unlike [`Store::records`] it fails when a folder cannot be read: with a part of the records
    /// unseen, their objects would be taken for garbage.
    fn for_each_key(&self, mut act: impl FnMut(Digest) -> Result<()>) -> Result<()> {
        for shard in shards(&self.tree.actions())? {
            for key in entries(&shard)?.iter().filter_map(|path| tree::named(path)) {
                act(key)?;
            }
        }
        Ok(())
    }

    /// Removes objects that no record names: those past the grace, and those whose record went just now. The latter are
    /// no writer's, because nobody else uses the store meanwhile.
    fn collect_objects(
        &self,
        policy: &GcPolicy,
        named: &HashSet<Digest>,
        freed: &HashSet<Digest>,
        collected: &mut Collected,
    ) -> Result<()> {
        let none = GcPolicy { grace: Duration::ZERO, ..policy.clone() };
        for shard in shards(&self.tree.objects())? {
            for path in entries(&shard)? {
                // What is not named like an object is for `verify` to judge.
                let Some(digest) = tree::named(&path) else { continue };
                let due = if freed.contains(&digest) { &none } else { policy };
                let Some(size) = due.expired(&path)?.filter(|_| !named.contains(&digest)) else { continue };
                if !policy.dry_run {
                    remove(&path)?;
                }
                collected.objects += 1;
                collected.bytes += size;
            }
        }
        Ok(())
    }

    fn collect_quarantine(&self, policy: &GcPolicy, collected: &mut Collected) -> Result<()> {
        for path in entries(&self.tree.quarantine())? {
            if policy.expired(&path)?.is_some() {
                if !policy.dry_run {
                    remove(&path)?;
                }
                collected.quarantined += 1;
            }
        }
        Ok(())
    }
}

impl GcPolicy {
    /// The size of a file that is past the grace. Folders, which no store makes in these places, are left alone.
    fn expired(&self, path: &Path) -> Result<Option<u64>> {
        let found = match files::stat(path) {
            Err(error) if files::absent(&error) => return Ok(None),
            found => found.map_err(|error| failed(&error, "look at a file of the store", path))?,
        };
        let age = found.modified().map(temps::age).unwrap_or_default();
        Ok((!found.is_dir() && age >= self.grace).then_some(found.len()))
    }

    /// Whether a record was committed longer ago than allowed. One from the future was committed now.
    fn too_old(&self, record: &Record) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let age = Duration::from_secs(now.as_secs().saturating_sub(record.created));
        self.older_than.is_some_and(|limit| age > limit)
    }
}

/// Removes a file that may have gone meanwhile.
fn remove(path: &Path) -> Result<()> {
    match files::remove(path) {
        Err(error) if !files::absent(&error) => Err(failed(&error, "remove a file of the store", path)),
        _ => Ok(()),
    }
}
