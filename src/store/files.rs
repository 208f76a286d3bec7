//! The only file of the store that touches the file system: one function an operation, each a fault point.

#![allow(clippy::disallowed_methods, reason = "this is the place that the banned calls are banned in favour of")]

use super::fault::{self, Operation};
use super::owner::is_for_group;
use rustix::fs::{AtFlags, CWD, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::SystemTime;

/// Bytes handed to the kernel at a time, in both directions.
pub(super) const CHUNK: usize = 1 << 20;

/// Opens a file for reading. Neither follows a symbolic link nor waits for the other end of a pipe.
pub(super) fn open(path: &Path) -> io::Result<File> {
    fault::point(Operation::Open, path, None)?;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)
}

/// Makes a file that must not exist yet; only its owner can open it (mode 0600).
pub(super) fn create(path: &Path) -> io::Result<File> {
    fault::point(Operation::Create, path, None)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Opens a file for reading and writing, making it if it is not there.
pub(super) fn open_or_create(path: &Path) -> io::Result<File> {
    fault::point(Operation::Create, path, None)?;
    let flags = OFlags::NOFOLLOW.bits() as i32;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o664).custom_flags(flags).open(path)
}

/// Writes all of `bytes` from `offset` on.
pub(super) fn write_at(file: &File, path: &Path, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        fault::point(Operation::Write, path, None)?;
        let length = fault::write_length(bytes.len().min(CHUNK));
        let written = match file.write_at(&bytes[..length], offset) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}

/// Cuts or extends a file to `length` bytes.
pub(super) fn set_length(file: &File, path: &Path, length: u64) -> io::Result<()> {
    fault::point(Operation::Write, path, None)?;
    file.set_len(length)
}

/// Reads up to `buffer.len()` bytes; 0 only at the end of the file.
pub(super) fn read(mut file: &File, path: &Path, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        fault::point(Operation::Read, path, None)?;
        match file.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Reads a whole file that had `size` bytes when asked. What was appended since comes along up to one byte, so that a
/// longer file is noticed without being read.
pub(super) fn read_all(file: &File, path: &Path, size: u64) -> io::Result<Vec<u8>> {
    let capacity = usize::try_from(size).ok().and_then(|size| size.checked_add(1)).ok_or(ErrorKind::OutOfMemory)?;
    twice(file, || {
        fault::point(Operation::Read, path, None)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(capacity).map_err(|_| ErrorKind::OutOfMemory)?;
        file.take(capacity as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    })
}

/// Reads a file a second time, from its beginning, when the device failed: a fault that passes must not cost what was
/// finished, as being taken for corrupt does.
fn twice<T>(mut file: &File, read: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match read() {
        Err(error) if broken(&error) => {
            file.rewind()?;
            read()
        }
        result => result,
    }
}

/// Makes a file read-only for everybody (0444), whatever the umask. A file system that lets nobody change modes, such as
/// a mounted object store, is taken as it is.
pub(super) fn seal(file: &File, path: &Path) -> io::Result<()> {
    let result = fault::point(Operation::Mark, path, None);
    match result.and_then(|()| file.set_permissions(Permissions::from_mode(0o444))) {
        Err(error) if is_without_modes(&error) => Ok(()),
        result => result,
    }
}

/// Sets a file's modification time to now.
pub(super) fn touch(file: &File, path: &Path) -> io::Result<()> {
    fault::point(Operation::Mark, path, None)?;
    file.set_modified(SystemTime::now())
}

/// Makes a file's bytes durable. A file system that has no such thing (ENOTSUP, EINVAL) is taken as it is.
pub(super) fn sync(file: &File, path: &Path) -> io::Result<()> {
    let result = fault::point(Operation::Sync, path, None).and_then(|()| file.sync_all());
    match result {
        Err(error) if is(&error, &[Errno::OPNOTSUPP, Errno::INVAL]) => Ok(()),
        result => result,
    }
}

/// Makes the names in a folder durable, as [`sync`] does for bytes.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    fault::point(Operation::Open, path, None)?;
    sync(&File::open(path)?, path)
}

/// Gives a file another name, replacing what had it.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fault::point(Operation::Rename, from, Some(to))?;
    fs::rename(from, to)
}

/// Gives a file another name unless that is taken ([`ErrorKind::AlreadyExists`]). On a file system without the means
/// it replaces, which the key lock that committers hold makes harmless.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    fault::point(Operation::Rename, from, Some(to))?;
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::rename(from, to),
        result => Ok(result?),
    }
}

/// Removes a file.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    fault::point(Operation::Unlink, path, None)?;
    fs::remove_file(path)
}

/// Removes a folder with all that is in it.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    fault::point(Operation::Unlink, path, None)?;
    fs::remove_dir_all(path)
}

/// Makes a folder and those above it where they are missing; never writable for others, whatever the umask. In a folder
/// that was made for a group it is for the group too.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    fault::point(Operation::MakeDirectory, path, None)?;
    make_directories(path)
}

fn make_directories(path: &Path) -> io::Result<()> {
    let make = || DirBuilder::new().mode(0o755).create(path);
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    let made = make().or_else(|error| match (error.kind(), above) {
        (ErrorKind::NotFound, Some(above)) => make_directories(above).and_then(|()| make()),
        _ => Err(error),
    });
    match made {
        Ok(()) => {}
        Err(_) if path.is_dir() => return Ok(()),
        Err(error) => return Err(error),
    }
    if above.is_some_and(|above| fs::metadata(above).is_ok_and(|found| is_for_group(&found))) {
        match fs::set_permissions(path, Permissions::from_mode(0o2775)) {
            Err(error) if is_without_modes(&error) => {}
            result => return result,
        }
    }
    Ok(())
}

/// Makes one folder that must not exist yet and that only its owner can enter.
pub(super) fn make_private_directory(path: &Path) -> io::Result<()> {
    fault::point(Operation::MakeDirectory, path, None)?;
    DirBuilder::new().mode(0o700).create(path)
}

/// The names in a folder, sorted; none when there is no such folder.
pub(super) fn list(path: &Path) -> io::Result<Vec<OsString>> {
    fault::point(Operation::List, path, None)?;
    let entries = match fs::read_dir(path) {
        Err(error) if absent(&error) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    names.sort_unstable();
    Ok(names)
}

/// What is known of a name; of a symbolic link itself, not of where it points.
pub(super) fn stat(path: &Path) -> io::Result<Metadata> {
    fault::point(Operation::Stat, path, None)?;
    fs::symlink_metadata(path)
}

/// What is known of the folder that a name leads to, through symbolic links.
pub(super) fn stat_followed(path: &Path) -> io::Result<Metadata> {
    fault::point(Operation::Stat, path, None)?;
    fs::metadata(path)
}

/// What is known of an open file.
pub(super) fn stat_file(file: &File, path: &Path) -> io::Result<Metadata> {
    fault::point(Operation::Stat, path, None)?;
    file.metadata()
}

/// Takes a kernel lock on a file if nobody is in the way: one for all readers (`shared`), or for one holder alone.
pub(super) fn try_lock(file: &File, path: &Path, shared: bool) -> io::Result<bool> {
    fault::point(Operation::Lock, path, None)?;
    match if shared { file.try_lock_shared() } else { file.try_lock() } {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The bytes that this user may still write on the file system of `path`, or of the nearest folder above that exists.
pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    let found = path.ancestors().find(|above| rustix::fs::statat(CWD, *above, AtFlags::empty()).is_ok());
    let status = rustix::fs::statvfs(found.unwrap_or(Path::new("."))).ok()?;
    Some(status.f_bavail.saturating_mul(status.f_frsize))
}

/// Whether two looks found one and the same file.
pub(super) fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether the error says that there is nothing of that name.
pub(super) fn absent(error: &io::Error) -> bool {
    is(error, &[Errno::NOENT, Errno::NOTDIR])
}

/// Whether the error says that the disk, or the user's share of it, is full.
pub(super) fn full(error: &io::Error) -> bool {
    is(error, &[Errno::NOSPC, Errno::DQUOT])
}

/// Whether the error says that a name leads to something that is not a plain file.
pub(super) fn odd(error: &io::Error) -> bool {
    is(error, &[Errno::LOOP, Errno::NXIO, Errno::MLINK])
}

/// Whether the error says that this user may not do it.
pub(super) fn denied(error: &io::Error) -> bool {
    is(error, &[Errno::ACCESS, Errno::PERM])
}

/// Whether the error says that something that is no folder is where one should be.
pub(super) fn in_the_way(error: &io::Error) -> bool {
    is(error, &[Errno::NOTDIR, Errno::EXIST, Errno::LOOP])
}

/// Whether the error says that the file system lets nobody change modes.
fn is_without_modes(error: &io::Error) -> bool {
    is(error, &[Errno::PERM, Errno::ACCESS, Errno::OPNOTSUPP, Errno::NOSYS])
}

/// Whether the error says that the file system knows no locks.
pub(super) fn lockless(error: &io::Error) -> bool {
    is(error, &[Errno::OPNOTSUPP, Errno::NOSYS, Errno::NOLCK]) || error.kind() == ErrorKind::Unsupported
}

/// Whether the error says that the device failed.
pub(super) fn broken(error: &io::Error) -> bool {
    is(error, &[Errno::IO])
}

fn is(error: &io::Error, codes: &[Errno]) -> bool {
    error.raw_os_error().is_some_and(|code| codes.iter().any(|one| one.raw_os_error() == code))
}

/// The digest and size of a file's bytes, holding one chunk of them at a time.
pub(super) fn hash(file: &File, path: &Path) -> io::Result<(super::Digest, u64)> {
    twice(file, || {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; CHUNK];
        let mut size = 0;
        loop {
            let length = read(file, path, &mut buffer)?;
            if length == 0 {
                return Ok((super::Digest::from_bytes(*hasher.finalize().as_bytes()), size));
            }
            hasher.update(&buffer[..length]);
            size += length as u64;
        }
    })
}
