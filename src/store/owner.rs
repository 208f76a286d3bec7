//! Whose a store is: folders that a group shares, and what to say when something may not be written.

use rustix::process::{getegid, geteuid, getgroups};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The bits of a folder that was made for a group on purpose: what is made in it belongs to its group (setgid), and the
/// group may write.
const FOR_GROUP: u32 = 0o2020;

/// The group that shares a store.
#[derive(Debug)]
pub(super) struct Shared(u32);

impl Shared {
    /// The group of a store's folder, if it was made for one that this process is in, and not for everybody.
    pub fn of(found: &Metadata) -> Option<Self> {
        let is_in = |group: u32| {
            let groups = getgroups().unwrap_or_default();
            getegid().as_raw() == group || groups.iter().any(|one| one.as_raw() == group)
        };
        (is_for_group(found) && found.mode() & 0o002 == 0 && is_in(found.gid())).then(|| Self(found.gid()))
    }

    /// Whether a file is the group's.
    pub fn has(&self, found: &Metadata) -> bool {
        found.gid() == self.0
    }
}

/// Whether a folder was made for a group to write in.
pub(super) fn is_for_group(found: &Metadata) -> bool {
    found.is_dir() && found.mode() & FOR_GROUP == FOR_GROUP
}

/// Whose the file or folder is, or the nearest folder above it that is there, and who asks.
pub(super) fn describe(path: &Path) -> String {
    let user = geteuid().as_raw();
    match nearest(path) {
        Some((path, found)) => format!(
            "`{}` belongs to user {}, group {}, and has mode {:o}; pleach runs as user {user}",
            path.display(),
            found.uid(),
            found.gid(),
            found.mode() & 0o7777
        ),
        None => format!("pleach runs as user {user}"),
    }
}

/// What makes the store at `root` writable where `path` is not, as the beginning of a sentence.
pub(super) fn remedy(path: &Path, root: &Path) -> String {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    match nearest(path) {
        Some((_, found)) if found.uid() == user => format!("make it writable with `chmod -R u+w {}`", root.display()),
        Some((_, found)) if found.uid() == 0 => format!(
            "take it over with `sudo chown -R {user}:{group} {}` (a container that shares a store with you should run with \
             `--user {user}:{group}`)",
            root.display()
        ),
        _ => format!("take it over with `chown -R {user}:{group} {}`", root.display()),
    }
}

fn nearest(path: &Path) -> Option<(&Path, Metadata)> {
    path.ancestors().find_map(|above| {
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        Some((above, super::files::stat_followed(above).ok()?))
    })
}
