//! Opening a store: refuse what is newer or not ours, find out whether it can be written, sweep what dead runs left.

use super::owner::{self, Shared};
use super::publish::failed;
use super::tree::Tree;
use super::{Store, files, temps};
use crate::error::{Error, Kind, Result};
use rustix::process::geteuid;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The version of the layout that this code reads and writes.
const VERSION: u64 = 1;

/// How the names of the private folders begin that stand in front of read-only stores.
const OVERLAY: &str = "pleach-";

/// From the Cache Directory Tagging Specification, <https://bford.info/cachedir/>.
const CACHE_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
    # This folder holds results that pleach can compute again. See https://bford.info/cachedir/\n";

/// How to open a store.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What is going to be done with it.
    pub access: Access,
    /// Accept a store whose folders belong to another user or can be written by everybody. Whoever can write the store
    /// decides what results are.
    pub allow_foreign_owner: bool,
}

/// What is going to be done with a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Access {
    /// It is made if it is not there, and opening fails when it cannot be written.
    #[default]
    Write,
    /// Only looked at: nothing is made, and nothing is asked of it but to be readable. What is found corrupt is put aside
    /// where that is possible.
    Read,
    /// Never written. A private folder for what is put and committed is made in this folder, and removed when the store is
    /// dropped.
    InFront(PathBuf),
}

impl Store {
    /// Opens the store at `root`. Errors: [`Kind::StoreTooNew`] when a newer pleach wrote there; [`Kind::Store`] when the
    /// folder belongs to another user or all may write it, when it cannot be read, or cannot be written and is to be.
    pub fn open(root: &Path, options: &Options) -> Result<Store> {
        refuse_newer(root)?;
        let mut store = Store {
            root: root.to_owned(),
            tree: Tree::new(root.join(format!("v{VERSION}"))),
            beneath: None,
            only_read: options.access == Access::Read,
            allow_foreign_owner: options.allow_foreign_owner,
            shared: None,
            warnings: Default::default(),
            corrupted: Default::default(),
            forgotten: Default::default(),
            durable: Default::default(),
        };
        for folder in [root, &store.tree.base, &store.tree.objects(), &store.tree.actions()] {
            match files::stat_followed(folder) {
                Ok(found) => {
                    if folder == root {
                        store.shared = Shared::of(&found);
                    }
                    store.refuse_foreign(&found, folder)?;
                }
                Err(error) if files::absent(&error) => {}
                Err(error) => return Err(failed(&error, "look at the store", folder)),
            }
        }
        match &options.access {
            Access::Write => {
                store.prepare()?;
                // The folder may have been made just now, in one of a group.
                store.shared = files::stat_followed(root).ok().as_ref().and_then(Shared::of);
                temps::sweep(&store.tree.temps(), false);
            }
            Access::Read => {}
            Access::InFront(folder) => store.stand_in_front(folder)?,
        }
        Ok(store)
    }

    /// Makes the layout where it is missing, and tries whether a file can be made.
    fn prepare(&self) -> Result<()> {
        let new = files::stat(&self.tree.base).is_err();
        let [probe, tag] = [self.tree.temps().join(temps::name()), self.root.join("CACHEDIR.TAG")];
        let attempt = |path: &Path, result: io::Result<()>| match result {
            // What is there can still be read, and space be freed; the first write says how much is needed.
            Err(error) if files::full(&error) => Ok(()),
            result => result.map_err(|error| self.unwritable(&error, path)),
        };
        for folder in self.tree.directories() {
            attempt(&folder, files::make_directory(&folder))?;
        }
        attempt(&self.tree.temps(), files::create(&probe).and_then(|_| files::remove(&probe)))?;
        if files::stat(&tag).is_err() {
            attempt(&tag, self.publish(&tag, CACHE_TAG, false))?;
        }
        if new {
            for folder in [&self.tree.base, &self.root] {
                attempt(folder, files::sync_directory(folder))?;
            }
            if let Some(above) = self.root.parent() {
                // That of a user who may write into the store's folder alone cannot always be read.
                let _ = files::sync_directory(if above.as_os_str().is_empty() { Path::new(".") } else { above });
            }
        }
        Ok(())
    }

    /// Why a store cannot be written that is to be: with who may, and the ways out.
    fn unwritable(&self, error: &io::Error, path: &Path) -> Error {
        let why = match files::in_the_way(error) {
            true => format!("there is something else where its folder should be ({error})"),
            false => error.to_string(),
        };
        let ways = "or name another store with `--cache DIR`";
        let mut refused = Error::new(Kind::Store, format!("the store cannot be written: {why}")).at(path);
        if files::denied(error) {
            refused = refused.hint(owner::describe(path)).hint(format!("{}, {ways}", owner::remedy(path, &self.root)));
        } else {
            refused = refused.hint(format!("mend that, {ways}"));
        }
        refused.hint("with `--read-only-cache` the run uses what the store has, and loses what it makes when it ends")
    }

    /// Puts a private folder in front of a store that is not to be written.
    fn stand_in_front(&mut self, place: &Path) -> Result<()> {
        sweep_overlays(place);
        let folder = place.join(format!("{OVERLAY}{}", temps::name()));
        let cannot = |error: io::Error, folder: &Path| {
            failed(&error, "make a temporary folder", folder).hint("name another place for it with `TMPDIR`")
        };
        files::make_private_directory(&folder).map_err(|error| cannot(error, &folder))?;
        self.warn(format!(
            "the store at {} is only read; what this run makes is kept in {} and lost when it ends",
            self.root.display(),
            folder.display()
        ));
        self.beneath = Some(std::mem::replace(&mut self.tree, Tree::new(folder)));
        for folder in self.tree.directories() {
            files::make_directory(&folder).map_err(|error| cannot(error, &folder))?;
        }
        Ok(())
    }

    /// Refuses a file that another user, or everybody, can have written. Root may do anything anyway, so what belongs to
    /// root is trusted like one's own; and so is what belongs to the group that shares the store.
    pub(super) fn refuse_foreign(&self, found: &Metadata, path: &Path) -> Result<()> {
        let user = geteuid().as_raw();
        let owner = found.uid();
        let is_ours = [user, 0].contains(&owner) || self.shared.as_ref().is_some_and(|shared| shared.has(found));
        let why = if self.allow_foreign_owner {
            return Ok(());
        } else if !is_ours {
            format!("belongs to user {owner}, not to user {user} who runs pleach")
        } else if found.mode() & 0o002 != 0 {
            format!("can be written by every user (mode {:o})", found.mode() & 0o7777)
        } else {
            return Ok(());
        };
        let mut error = Error::new(Kind::Store, format!("the store is not trusted because this {why}"))
            .at(path)
            .hint("whoever can write the store decides what results are");
        if user == 0 && !is_ours {
            error = error
                .hint(format!("run pleach as the user who owns it; in a container, `--user {owner}:{}`", found.gid()));
        }
        Err(error
            .hint("change owner or mode, name another folder with `--cache DIR`, or allow it with `--trust-cache`")
            .hint("to share a store, give its folder a group of its users and mode 2775 before anything is in it"))
    }
}

/// Removes the private folders of this user's runs that died before they could.
fn sweep_overlays(folder: &Path) {
    for name in files::list(folder).unwrap_or_default() {
        let owner = name.to_str().and_then(|name| name.strip_prefix(OVERLAY)).and_then(temps::owner);
        let path = folder.join(&name);
        let ours = || files::stat(&path).is_ok_and(|found| found.is_dir() && found.uid() == geteuid().as_raw());
        if owner.is_some_and(|pid| !temps::alive(pid)) && ours() {
            // It is in the place for temporary files; whatever cannot be removed now is swept there one day.
            let _ = files::remove_tree(&path);
        }
    }
}

fn refuse_newer(root: &Path) -> Result<()> {
    let names = files::list(root).map_err(|error| failed(&error, "read the store", root))?;
    let version = |name: &std::ffi::OsString| name.to_str()?.strip_prefix('v')?.parse::<u64>().ok();
    match names.iter().filter_map(version).max() {
        Some(newest) if newest > VERSION => Err(Error::new(
            Kind::StoreTooNew,
            format!("the store has format {newest}; this pleach knows formats up to {VERSION}"),
        )
        .at(root)
        .hint("update pleach, or name another folder with --cache")),
        _ => Ok(()),
    }
}
