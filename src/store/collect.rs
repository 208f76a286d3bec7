//! Garbage collection: records first, then the objects that no record names any more.
//!
//! It needs no free byte on the disk, and runs beside runs: it keeps what they pin (`pins`) and what is young. If something
//! is removed that somebody was about to use all the same, that somebody finds a miss, never an error.
//!
//! - `choice`: which records go

mod choice;

use super::actions::State;
use super::check::{entries, shards};
use super::pins::Pinned;
use super::publish::failed;
use super::{Digest, Record, Store, files, temps, tree};
use crate::error::{Error, Kind, Result};
pub use choice::Why;
use choice::{Entry, choose};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long journals of runs that ended are kept, at most.
const JOURNALS: Duration = Duration::from_secs(7 * 86_400);

/// The grace while a run is going on, at least: it may have kept an object that its record does not name yet.
const BESIDE_A_RUN: Duration = Duration::from_secs(600);

/// What to remove.
#[derive(Debug, Clone)]
pub struct GcPolicy {
    /// Wait for other collections, and for runs that cannot pin what they need, to end, instead of failing with
    /// [`Kind::LockTimeout`].
    pub wait: bool,
    /// Keep all checkpoints of finished stages, and not only the last of each.
    pub keep_epochs: bool,
    /// Remove records of any kind that were not used for longer than this, and from which nothing was made that was.
    pub older_than: Option<Duration>,
    /// Remove records, those first that were not used for longest, until the objects take no more bytes than this.
    pub max_size: Option<u64>,
    /// What to choose from: records under these keys, and what belongs to stages with these keys. Without `older_than` and
    /// `max_size` all of it goes. Garbage goes in any case.
    pub chosen: Option<HashSet<Digest>>,
    /// The objects that a result was made from, which the store itself does not know.
    pub inputs: fn(&Record) -> Vec<Digest>,
    /// Keep objects that no record names (yet), and what is in quarantine, for this long; and beside a live run records.
    pub grace: Duration,
    /// Only say what would be removed. Takes no lock.
    pub dry_run: bool,
}

impl Default for GcPolicy {
    /// Checkpoints of finished stages but the last of each, and objects without a record after an hour; does not wait.
    fn default() -> Self {
        Self {
            wait: false,
            keep_epochs: false,
            older_than: None,
            max_size: None,
            chosen: None,
            inputs: |_| Vec::new(),
            grace: Duration::from_secs(3600),
            dry_run: false,
        }
    }
}

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Records that were chosen, in the order of keys. Corrupt ones, and those that name a missing object, are not here.
    pub gone: Vec<Gone>,
    /// Corrupt records, and those that name a missing object.
    pub corrupt: u64,
    /// Objects.
    pub objects: u64,
    /// The objects' bytes.
    pub bytes: u64,
    /// Bytes of the objects that are left.
    pub left: u64,
    /// Files from quarantine.
    pub quarantined: u64,
    /// Files that dead writers left.
    pub temps: u64,
    /// Lock files that nobody held.
    pub locks: u64,
    /// Folders of runs that ended.
    pub runs: u64,
    /// Whether a run was going on, whose results were kept.
    pub beside_a_run: bool,
}

/// A record that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Its kind.
    pub kind: String,
    /// What made it, if the record says.
    pub label: String,
    /// Of a checkpoint: its epoch.
    pub epoch: u64,
    /// Bytes of its objects; others may name these too.
    pub bytes: u64,
    /// When it, or what was made from it, was used last.
    pub used: SystemTime,
    /// Why it went.
    pub why: Why,
}

impl Collected {
    /// How many of the records that went are checkpoints.
    pub fn epochs(&self) -> u64 {
        self.gone.iter().filter(|gone| gone.kind == "epoch").count() as u64
    }
}

impl Store {
    /// Collects garbage. [`Kind::LockTimeout`] when another collects, or a run uses the store that cannot pin what it needs,
    /// and the policy is not to wait.
    pub fn gc(&self, policy: &GcPolicy) -> Result<Collected> {
        let mut holder = None;
        let collected = self.gc_waiting(policy, &mut |pid| {
            holder = pid;
            if policy.wait { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        collected.ok_or_else(|| {
            let who = holder.map_or(String::new(), |pid| format!(" (such as process {pid})"));
            Error::new(Kind::LockTimeout, format!("the store is in use{who}, so nothing was collected"))
                .at(&self.root)
                .hint("wait for it to end")
        })
    }

    /// As [`Store::gc`], but while it cannot begin calls `waiting`, as [`Store::lock`] does, whatever
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
        let pinned = self.pinned()?;
        let mut collected = Collected { beside_a_run: pinned.live, ..Collected::default() };
        let grace = if pinned.live { policy.grace.max(BESIDE_A_RUN) } else { policy.grace };
        let policy = &GcPolicy { grace, ..policy.clone() };
        let (named, freed) = self.collect_records(policy, &pinned, &mut collected)?;
        self.collect_objects(policy, &named, &freed, &pinned, &mut collected)?;
        self.collect_quarantine(policy, &mut collected)?;
        collected.temps = temps::sweep(&self.tree.temps(), policy.dry_run);
        collected.locks = self.sweep_locks(policy.dry_run)?;
        self.collect_runs(policy, &mut collected)?;
        Ok(Some(collected))
    }

    /// Removes records, and gives the objects that the rest name, and those that the removed ones named.
    fn collect_records(
        &self,
        policy: &GcPolicy,
        pinned: &Pinned,
        collected: &mut Collected,
    ) -> Result<(HashSet<Digest>, HashSet<Digest>)> {
        let mut records = Vec::new();
        self.for_each_key(|key| {
            match self.state(&self.tree, &key)? {
                State::Absent => {}
                State::Corrupt(..) | State::Stale(..) => {
                    collected.corrupt += 1;
                    if !policy.dry_run {
                        self.clear(&self.tree, &key)?;
                    }
                }
                State::Valid(record) => records.push(Entry::new(record, self.used(&key), policy)),
            }
            Ok(())
        })?;
        let unnamed = match policy.max_size {
            Some(_) => self.unnamed_bytes(policy, &records)?,
            None => 0,
        };
        choose(&mut records, policy, pinned, unnamed);
        let (mut named, mut freed) = (HashSet::new(), HashSet::new());
        let mut folders = HashSet::new();
        for entry in &records {
            let Some(why) = entry.goes else {
                named.extend(entry.outputs());
                continue;
            };
            freed.extend(entry.outputs());
            if !policy.dry_run {
                let path = self.tree.action(&entry.key);
                remove(&path)?;
                folders.extend(path.parent().map(Path::to_owned));
            }
            collected.gone.push(entry.gone(why));
        }
        for folder in folders {
            // If a removal is lost in a power cut after all, its record comes back naming nothing: a miss.
            let _ = files::sync_directory(&folder);
        }
        Ok((named, freed))
    }

    /// The bytes of objects that no record names and that are too young to go.
    fn unnamed_bytes(&self, policy: &GcPolicy, records: &[Entry]) -> Result<u64> {
        let named: HashSet<Digest> = records.iter().flat_map(Entry::outputs).collect();
        let mut bytes = 0;
        for shard in shards(&self.tree.objects())? {
            for path in entries(&shard)? {
                if tree::named(&path).is_some_and(|digest| !named.contains(&digest))
                    && let Ok(found) = files::stat(&path)
                    && policy.expired(&path)?.is_none()
                {
                    bytes += found.len();
                }
            }
        }
        Ok(bytes)
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
    /// no writer's, unless a run is going on: then they have the grace too.
    fn collect_objects(
        &self,
        policy: &GcPolicy,
        named: &HashSet<Digest>,
        freed: &HashSet<Digest>,
        pinned: &Pinned,
        collected: &mut Collected,
    ) -> Result<()> {
        let of_freed = GcPolicy { grace: if pinned.live { BESIDE_A_RUN } else { Duration::ZERO }, ..policy.clone() };
        for shard in shards(&self.tree.objects())? {
            for path in entries(&shard)? {
                // What is not named like an object is for `verify` to judge.
                let Some(digest) = tree::named(&path) else { continue };
                let due = if freed.contains(&digest) { &of_freed } else { policy };
                let going = if named.contains(&digest) { None } else { due.expired(&path)? };
                match going {
                    Some(size) => {
                        if !policy.dry_run {
                            remove(&path)?;
                        }
                        collected.objects += 1;
                        collected.bytes += size;
                    }
                    None => collected.left += files::stat(&path).map_or(0, |found| found.len()),
                }
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

    /// Removes the folders of runs that ended a week ago, or as long ago as results may be without use.
    fn collect_runs(&self, policy: &GcPolicy, collected: &mut Collected) -> Result<()> {
        let limit = policy.older_than.map_or(JOURNALS, |limit| limit.min(JOURNALS)).max(policy.grace);
        for folder in self.run_folders()? {
            let written = |path: &Path| files::stat(path).and_then(|found| found.modified()).map(temps::age);
            let ages = entries(&folder)?.into_iter().map(|path| written(&path).unwrap_or_default());
            let age = ages.chain(written(&folder).ok()).min().unwrap_or_default();
            if age < limit || self.is_live(&folder)? {
                continue;
            }
            if !policy.dry_run {
                match files::remove_tree(&folder) {
                    Err(error) if !files::absent(&error) => {
                        return Err(failed(&error, "remove the folder of a run", &folder));
                    }
                    _ => {}
                }
            }
            collected.runs += 1;
        }
        Ok(())
    }
}

impl Entry {
    fn gone(&self, why: Why) -> Gone {
        Gone {
            kind: self.kind.clone(),
            label: self.label.clone(),
            epoch: self.epoch,
            bytes: self.bytes(),
            used: self.used,
            why,
        }
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
}

/// Removes a file that may have gone meanwhile.
fn remove(path: &Path) -> Result<()> {
    match files::remove(path) {
        Err(error) if !files::absent(&error) => Err(failed(&error, "remove a file of the store", path)),
        _ => Ok(()),
    }
}
