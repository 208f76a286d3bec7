//! Noticing that a data set's files changed after they were read.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::files;
use crate::error::{Error, Kind, Result};

/// How old a file's last change must be before equal stamps prove equal bytes. File systems keep times in steps (a
/// few milliseconds on ext4, 2 s on FAT), and a second change within one step leaves the stamp as it was.
const TIMESTAMP_STEP: Duration = Duration::from_secs(2);

/// What the files of a data set looked like when they were read, and the hashes of what they held.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    files: Vec<Watched>,
}

impl Witness {
    /// Adds a file that was read.
    pub(super) fn watch(&mut self, file: Watched) {
        self.files.push(file);
    }

    /// Whether the files still hold what was read. A file that looks different (device, inode, size, time of
    /// modification or of change) is read again, so one that was merely touched, copied or compressed anew passes.
    ///
    /// # Errors
    /// Kind `Input` for the first file that holds something else, or cannot be read any more.
    pub fn unchanged(&self) -> Result<()> {
        self.files.iter().try_for_each(Watched::unchanged)
    }
}

/// One file that was read.
#[derive(Debug, Clone)]
pub struct Watched {
    path: PathBuf,
    stamp: Stamp,
    /// Of the content, decompressed.
    pub hash: blake3::Hash,
}

impl Watched {
    /// The file at `path` that looked like `stamp` before it was read, and whose content has `hash`.
    pub fn new(path: &Path, stamp: Stamp, hash: blake3::Hash) -> Self {
        Self { path: path.to_owned(), stamp, hash }
    }

    fn unchanged(&self) -> Result<()> {
        if self.stamp.settled && fs::metadata(&self.path).is_ok_and(|now| self.stamp.looks_like(&Stamp::of(&now))) {
            return Ok(());
        }
        let name = self.path.file_name().unwrap_or_default().display();
        let changed = Error::new(Kind::Input, format!("input `{name}` changed while it was in use")).at(&self.path);
        match files::hash(&self.path) {
            Ok(hash) if hash == self.hash => Ok(()),
            Ok(_) => Err(changed.hint("leave the files of a data set alone during a run, and run again")),
            Err(error) => Err(changed.hint(format!("now: {}", error.message))),
        }
    }
}

/// What tells a file's state without reading it.
#[derive(Debug, Clone)]
pub struct Stamp {
    device: u64,
    inode: u64,
    /// In bytes, as stored.
    pub size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// Seconds and nanoseconds.
    changed: (i64, i64),
    /// Whether the last change was long enough ago for an equal stamp to mean an equal file.
    settled: bool,
}

impl Stamp {
    /// The looks of the file that `metadata` describes, now.
    pub fn of(metadata: &Metadata) -> Self {
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        // A clock before 1970, or a file changed in the future, is not settled: it costs a second reading, no more.
        let settled = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .zip(u64::try_from(changed.0).ok())
            .and_then(|(now, seconds)| now.checked_sub(Duration::from_secs(seconds)))
            .is_some_and(|age| age > TIMESTAMP_STEP);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed,
            settled,
        }
    }

    fn looks_like(&self, other: &Stamp) -> bool {
        let looks = |stamp: &Stamp| (stamp.device, stamp.inode, stamp.size, stamp.modified, stamp.changed);
        looks(self) == looks(other)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tempfile::tempdir;

    use super::*;
    use crate::data::tests::{gzip, message};

    /// A folder with a compressed file in it, and its witness.
    fn watched() -> (tempfile::TempDir, PathBuf, Witness) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("labels.gz");
        fs::write(&path, gzip(b"content")).unwrap();
        let mut witness = Witness::default();
        witness.watch(files::read(&path).unwrap().watched);
        (folder, path, witness)
    }

    #[test]
    fn the_same_bytes_pass_however_the_file_looks() {
        let (_folder, path, witness) = watched();
        witness.unchanged().unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        witness.unchanged().unwrap();
        let copy = path.with_extension("copy");
        fs::copy(&path, &copy).unwrap();
        fs::rename(&copy, &path).unwrap();
        witness.unchanged().unwrap();
        fs::write(&path, [gzip(b"con"), gzip(b"tent")].concat()).unwrap();
        witness.unchanged().unwrap();
    }

    #[test]
    fn other_bytes_are_an_error_naming_the_file() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 6] = [
            ("edited, same size", |path| fs::write(path, gzip(b"CONTENT")).unwrap()),
            ("replaced", |path| {
                fs::write(path.with_extension("new"), gzip(b"new")).unwrap();
                fs::rename(path.with_extension("new"), path).unwrap();
            }),
            ("cut", |path| File::options().write(true).open(path).unwrap().set_len(10).unwrap()),
            ("emptied", |path| fs::write(path, "").unwrap()),
            ("deleted", |path| fs::remove_file(path).unwrap()),
            ("a folder now", |path| {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            }),
        ];
        let mut lines = String::new();
        for (name, change) in changes {
            let (folder, path, witness) = watched();
            change(&path);
            lines += &format!("{name}: {}\n", message(&witness.unchanged().unwrap_err(), folder.path()));
        }
        insta::assert_snapshot!(lines, @r#"
        edited, same size: input `labels.gz` changed while it was in use: labels.gz
          hint: leave the files of a data set alone during a run, and run again
        replaced: input `labels.gz` changed while it was in use: labels.gz
          hint: leave the files of a data set alone during a run, and run again
        cut: input `labels.gz` changed while it was in use: labels.gz
          hint: now: expected a whole gzip stream, found its beginning only
        emptied: input `labels.gz` changed while it was in use: labels.gz
          hint: now: expected a gzip stream: it does not begin with the bytes 1f 8b
        deleted: input `labels.gz` changed while it was in use: labels.gz
          hint: now: cannot read the file: No such file or directory (os error 2)
        a folder now: input `labels.gz` changed while it was in use: labels.gz
          hint: now: expected a regular file, found a folder
        "#);
    }

    #[test]
    fn a_settled_file_that_looks_the_same_is_not_read_again() {
        let (_folder, path, mut witness) = watched();
        // With a hash that no reading could give, only the looks can let the file pass.
        witness.files[0].hash = blake3::hash(b"something else");
        witness.files[0].stamp.settled = true;
        witness.unchanged().unwrap();
        witness.files[0].stamp.settled = false;
        witness.unchanged().unwrap_err();
        witness.files[0].stamp.settled = true;
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        witness.unchanged().unwrap_err();
    }
}
