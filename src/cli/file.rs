//! Files that a command writes: `-o`, and `pleach init`.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{Gid, OFlags, Uid, fchown};
use rustix::io::Errno;

use super::output;
use crate::error::{Error, Kind, Result};

/// As many links are followed as Linux does.
const MOST_LINKS: usize = 40;

/// Temporary files that are older were left behind by a process that was killed: writing takes seconds.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// How long a reader of a pipe is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where content went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// To a file, or to what else is at the path.
    There,
    /// To standard output, where nothing else may be said.
    Stdout,
}

/// Writes `content` to what is at `path`, as `>` of a shell would:
///
/// - a plain file is written whole or not at all: beside it first, then renamed over it. It keeps its mode and owner. One
///   with several names is written in place, so that it keeps them;
/// - a link is followed;
/// - a device or a pipe is opened and written to;
/// - `-`, and whatever else is the program's standard output, is standard output.
///
/// # Errors
/// [`Kind::Usage`] for a folder, or a file in a folder that is not there; [`Kind::Store`] when writing fails.
pub fn write(path: &Path, content: &[u8]) -> Result<Written> {
    if path.as_os_str() == "-" || is_stdout(path) {
        output::bytes(content);
        return Ok(Written::Stdout);
    }
    if path.is_dir() {
        return Err(Error::new(Kind::Usage, "this is a folder").at(path).hint("name a file"));
    }
    let (target, is_descriptor) = resolve(path).map_err(|error| failed(&error, path))?;
    let there = fs::metadata(&target);
    let written = match &there {
        Ok(found) if is_descriptor || !found.is_file() || found.nlink() > 1 => in_place(&target, content),
        Ok(found) => replace(&target, Some(found), content),
        Err(_) => {
            let folder = Some(folder_of(&target)).filter(|folder| !folder.is_dir());
            if let Some(folder) = folder {
                let error = Error::new(Kind::Usage, format!("there is no folder {}", folder.display())).at(path);
                return Err(error.hint("make it first, or name another file"));
            }
            replace(&target, None, content)
        }
    };
    written.map(|()| Written::There).map_err(|error| failed(&error, path))
}

fn failed(error: &io::Error, path: &Path) -> Error {
    let failed = Error::new(Kind::Store, format!("cannot write the file ({error})")).at(path);
    if error.kind() == io::ErrorKind::FileTooLarge { failed.hint(crate::store::FILE_LIMIT) } else { failed }
}

/// The folder that a path lies in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a path is what standard output goes to: `/dev/stdout`, or the file that it was redirected to.
fn is_stdout(path: &Path) -> bool {
    let (Ok(path), Ok(stdout)) = (rustix::fs::stat(path), rustix::fs::fstat(io::stdout())) else { return false };
    (path.st_dev, path.st_ino) == (stdout.st_dev, stdout.st_ino)
}

/// What a path means when its links are followed, and whether that is a descriptor of a process, such as `/dev/fd/3`. The
/// file at the end need not be there.
fn resolve(path: &Path) -> io::Result<(PathBuf, bool)> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            return Ok((path, false));
        }
        let folder = fs::canonicalize(folder_of(&path))?;
        if folder.starts_with("/proc") && folder.ends_with("fd") {
            // Such a link is no path to follow: it may be of a pipe, or of a file that was deleted.
            return Ok((path, true));
        }
        path = folder.join(fs::read_link(&path)?);
    }
    Err(io::Error::from(Errno::LOOP))
}

fn in_place(target: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = open(target)?;
    file.write_all(content)?;
    match file.sync_all() {
        // Pipes and most devices have nothing to sync.
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => Err(error),
        _ => Ok(()),
    }
}

/// Opens what is there. A pipe without a reader is waited for, but not for ever.
fn open(target: &Path) -> io::Result<File> {
    let begun = Instant::now();
    let file = loop {
        // Without `create`: should the pipe be gone by now, no file is to take its place.
        let flags = OFlags::NONBLOCK.bits() as i32;
        match OpenOptions::new().write(true).truncate(true).custom_flags(flags).open(target) {
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                if begun.elapsed() > PATIENCE {
                    return Err(io::Error::new(error.kind(), "nobody reads from the pipe"));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            other => break other?,
        }
    };
    let flags = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok(file)
}

/// Writes a file whole or not at all.
fn replace(target: &Path, before: Option<&Metadata>, content: &[u8]) -> io::Result<()> {
    if before.is_some() {
        // A file that may not be written is not replaced either, although its folder would allow it.
        OpenOptions::new().write(true).open(target)?;
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    remove_abandoned(folder_of(target), &name);
    let part = target.with_file_name(format!("{name}.{}.part", std::process::id()));
    let written = File::create(&part).and_then(|mut file| {
        if let Some(before) = before {
            // First the owner, which takes bits of the mode away. Who may not give a file away owns the new one.
            let _ = fchown(&file, Some(Uid::from_raw(before.uid())), Some(Gid::from_raw(before.gid())));
            file.set_permissions(Permissions::from_mode(before.mode() & 0o7777))?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&part, target)
    });
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

/// Removes what processes that were killed left of writing the file `name`.
fn remove_abandoned(folder: &Path, name: &str) {
    let is_part = |other: &str| {
        let number = other.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".part"));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = || SystemTime::now().duration_since(entry.metadata().ok()?.modified().ok()?).ok();
        if entry.file_name().to_str().is_some_and(is_part) && age().is_some_and(|age| age > ABANDONED_AFTER) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["r.csv.12.part", "r.csv.13.part", "r.csv.part", "r.csv.x.part", "other.csv.12.part", "r.csv"];
        for name in names {
            let file = File::create(folder.path().join(name)).unwrap();
            if name != "r.csv.13.part" {
                file.set_modified(SystemTime::now() - 2 * ABANDONED_AFTER).unwrap();
            }
        }
        assert_eq!(write(&folder.path().join("r.csv"), b"new").unwrap(), Written::There);
        let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["other.csv.12.part", "r.csv", "r.csv.13.part", "r.csv.part", "r.csv.x.part"]);
        assert_eq!(fs::read(folder.path().join("r.csv")).unwrap(), b"new");
    }

    #[test]
    fn links_are_followed_to_what_is_not_there_and_not_in_circles() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("deep")).unwrap();
        std::os::unix::fs::symlink("deep/second", at("first")).unwrap();
        std::os::unix::fs::symlink("../new", at("deep/second")).unwrap();
        write(&at("first"), b"content").unwrap();
        assert_eq!(fs::read(at("new")).unwrap(), b"content");
        assert!(fs::symlink_metadata(at("first")).unwrap().is_symlink());
        std::os::unix::fs::symlink("circle", at("circle")).unwrap();
        assert_eq!(write(&at("circle"), b"content").unwrap_err().kind, Kind::Store);
        let error = write(&at("nowhere/file"), b"content").unwrap_err();
        assert_eq!(error.kind, Kind::Usage, "{error}");
    }
}
