//! Opening a store: refuse what is newer or not ours, find out whether it can be written, sweep what dead runs left.

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
    /// Fail when the store cannot be written, instead of keeping this run's results in a temporary folder.
    pub require_write: bool,
    /// Accept a store whose folders belong to another user or can be written by everybody. Whoever can write the store
    /// decides what results are.
    pub allow_foreign_owner: bool,
    /// The system's folder for temporary files. When the store cannot be written, a private folder is made in it for
    /// the results of this run and removed when the store is dropped. Empty: none is made and opening fails.
    pub overlay: PathBuf,
}

impl Store {
    /// Opens the store at `root`, making it if it is not there.
    ///
    /// A store that cannot be written still serves what it has; see [`Options::overlay`]. Errors:
    /// [`Kind::StoreTooNew`] when a newer pleach wrote there; [`Kind::Store`] when the folder belongs to another user
    /// or all may write it, or when the disk fails.
    pub fn open(root: &Path, options: &Options) -> Result<Store> {
        refuse_newer(root)?;
        let tree = Tree::new(root.join(format!("v{VERSION}")));
        for folder in [root, &tree.base, &tree.objects(), &tree.actions()] {
            match files::stat_followed(folder) {
                Ok(found) if !options.allow_foreign_owner => refuse_foreign(&found, folder)?,
                Ok(_) => {}
                Err(error) if files::absent(&error) || files::read_only(&error) => {}
                Err(error) => return Err(failed(&error, "look at the store", folder)),
            }
        }
        let mut store = Store {
            root: root.to_owned(),
            tree,
            beneath: None,
            allow_foreign_owner: options.allow_foreign_owner,
            warnings: Default::default(),
            corrupted: Default::default(),
            forgotten: Default::default(),
            durable: Default::default(),
        };
        match store.prepare() {
            Ok(()) => {}
            // What is there can still be read, and space be freed; the first write says how much is needed.
            Err(error) if files::full(&error) => {}
            Err(error) if files::read_only(&error) => store.overlay(options, &error)?,
            Err(error) => return Err(failed(&error, "prepare the store", root)),
        }
        temps::sweep(&store.tree.temps(), false);
        Ok(store)
    }

    /// Makes the layout where it is missing, and tries whether a file can be made.
    fn prepare(&self) -> io::Result<()> {
        let new = files::stat(&self.tree.base).is_err();
        for folder in self.tree.directories() {
            files::make_directory(&folder)?;
        }
        let probe = self.tree.temps().join(temps::name());
        files::create(&probe)?;
        files::remove(&probe)?;
        let tag = self.root.join("CACHEDIR.TAG");
        if files::stat(&tag).is_err() {
            self.publish(&tag, CACHE_TAG, false)?;
        }
        if new {
            files::sync_directory(&self.tree.base)?;
            files::sync_directory(&self.root)?;
        }
        Ok(())
    }

    /// Puts a private folder in front of a store that cannot be written.
    fn overlay(&mut self, options: &Options, why: &io::Error) -> Result<()> {
        if options.require_write || options.overlay.as_os_str().is_empty() {
            return Err(Error::new(Kind::Store, format!("the store cannot be written: {why}"))
                .at(&self.root)
                .hint("make the folder writable, or name another with --cache"));
        }
        sweep_overlays(&options.overlay);
        let folder = options.overlay.join(format!("{OVERLAY}{}", temps::name()));
        files::make_private_directory(&folder).map_err(|error| failed(&error, "make a temporary folder", &folder))?;
        self.warn(format!(
            "the store at {} is read-only ({why}); results of this run are kept in {} only, until it ends",
            self.root.display(),
            folder.display()
        ));
        self.beneath = Some(std::mem::replace(&mut self.tree, Tree::new(folder)));
        for folder in self.tree.directories() {
            files::make_directory(&folder).map_err(|error| failed(&error, "make a temporary folder", &folder))?;
        }
        Ok(())
    }

    /// Refuses a file that another user, or everybody, can have written.
    pub(super) fn refuse_foreign(&self, found: &Metadata, path: &Path) -> Result<()> {
        if self.allow_foreign_owner { Ok(()) } else { refuse_foreign(found, path) }
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

/// Root may do anything anyway, so what belongs to root is trusted like one's own.
fn refuse_foreign(found: &Metadata, path: &Path) -> Result<()> {
    let user = geteuid().as_raw();
    let why = if found.uid() != user && found.uid() != 0 {
        format!("belongs to user {}, not to user {user} who runs pleach", found.uid())
    } else if found.mode() & 0o002 != 0 {
        format!("can be written by every user (mode {:o})", found.mode() & 0o7777)
    } else {
        return Ok(());
    };
    Err(Error::new(Kind::Store, format!("the store is not trusted because this {why}"))
        .at(path)
        .hint("whoever can write the store decides what results are")
        .hint("change owner or mode, name another folder with --cache, or allow it on purpose"))
}

fn refuse_newer(root: &Path) -> Result<()> {
    let names = match files::list(root) {
        Err(error) if files::read_only(&error) => return Ok(()),
        names => names.map_err(|error| failed(&error, "read the store", root))?,
    };
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
