//! Reading one file of a data set: a regular file, read once, within a size limit, decompressed if it ends in `.gz`.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::formats::gzip;
use super::witness::{Stamp, Watched};
use crate::error::{Error, Kind, Result};

/// The most bytes that one file may hold, decompressed. The largest published one (CIFAR-100's `train.bin`) has
/// 154 MB; a decompression bomb costs no more than this.
const CONTENT_LIMIT: u64 = 256 << 20;

/// Bytes read and hashed at a time: enough for blake3's widest vectors, small enough for the cache.
const BUFFER_SIZE: usize = 128 << 10;

/// A file's content, and what the file looked like before it was read.
pub struct Content {
    /// The bytes, decompressed.
    pub bytes: Vec<u8>,
    /// The file's looks, and the hash of `bytes`.
    pub watched: Watched,
}

/// Reads the content of `path` into memory and hashes it.
///
/// # Errors
/// Kind `Input` if `path` is missing, not a regular file (a link to one is followed), larger than 256 MiB, unreadable,
/// or ends in `.gz` and is not a whole gzip stream.
pub fn read(path: &Path) -> Result<Content> {
    read_within(path, CONTENT_LIMIT)
}

/// As [`read`], for a file of at most `limit` bytes.
pub fn read_within(path: &Path, limit: u64) -> Result<Content> {
    let (file, stamp) = open(path, limit)?;
    let mut bytes = Vec::with_capacity(stamp.size as usize);
    stream(file, path, limit, |piece| bytes.extend_from_slice(piece))?;
    let hash = blake3::hash(&bytes);
    Ok(Content { bytes, watched: Watched::new(path, stamp, hash) })
}

/// The hash of the content of `path`, in constant memory.
///
/// # Errors
/// As for [`read`].
pub fn hash(path: &Path) -> Result<blake3::Hash> {
    hash_within(path, CONTENT_LIMIT)
}

/// As [`hash`], for a file of at most `limit` bytes.
pub fn hash_within(path: &Path, limit: u64) -> Result<blake3::Hash> {
    let (file, _) = open(path, limit)?;
    let mut hasher = blake3::Hasher::new();
    stream(file, path, limit, |piece| {
        hasher.update(piece);
    })?;
    Ok(hasher.finalize())
}

/// Opens a regular file of at most `limit` bytes to read the beginning of its content; with the size of the content in
/// bytes, which is not known where it is compressed.
///
/// # Errors
/// As for [`read`].
pub fn open_content(path: &Path, limit: u64) -> Result<(Box<dyn Read>, Option<u64>)> {
    let (file, stamp) = open(path, limit)?;
    let size = Some(stamp.size).filter(|_| !is_compressed(path));
    Ok((content(file, path)?, size))
}

/// Opens a regular file, and notes its looks before anything is read from it: a later change then always shows.
fn open(path: &Path, limit: u64) -> Result<(File, Stamp)> {
    let cannot = |error: io::Error| Error::new(Kind::Input, format!("cannot read the file: {error}")).at(path);
    // Looked at before opening, because opening a device can act on it.
    require_regular(fs::metadata(path).map_err(cannot)?.file_type(), path)?;
    // Not to hang should a fifo have taken the file's place in between.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    require_regular(metadata.file_type(), path)?;
    if metadata.len() > limit {
        return Err(too_large(path, limit));
    }
    Ok((file, Stamp::of(&metadata)))
}

fn require_regular(found: FileType, path: &Path) -> Result<()> {
    let name = match found {
        _ if found.is_file() => return Ok(()),
        _ if found.is_dir() => "a folder",
        _ if found.is_fifo() => "a named pipe",
        _ if found.is_socket() => "a socket",
        _ => "a device",
    };
    Err(Error::new(Kind::Input, format!("expected a regular file, found {name}")).at(path))
}

/// Gives the content of `file` to `sink`, piece by piece.
fn stream(file: File, path: &Path, limit: u64, mut sink: impl FnMut(&[u8])) -> Result<()> {
    let mut content = content(file, path)?;
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut total = 0;
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                total += count as u64;
                if total > limit {
                    return Err(too_large(path, limit));
                }
                sink(&buffer[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(cannot_read(&error, path)),
        }
    }
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "gz")
}

/// The content of `file`, decompressed.
fn content(file: File, path: &Path) -> Result<Box<dyn Read>> {
    if !is_compressed(path) {
        return Ok(Box::new(file));
    }
    let decoder = gzip::decoder(BufReader::with_capacity(BUFFER_SIZE, file));
    Ok(Box::new(decoder.map_err(|error| cannot_read(&error, path))?))
}

fn cannot_read(error: &io::Error, path: &Path) -> Error {
    let explanation = if is_compressed(path) { gzip::explain(error) } else { None };
    Error::new(Kind::Input, explanation.unwrap_or_else(|| format!("cannot read the file: {error}"))).at(path)
}

fn too_large(path: &Path, limit: u64) -> Error {
    Error::new(Kind::Input, format!("expected at most {limit} bytes of content, found more")).at(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use tempfile::tempdir;

    use super::*;
    use crate::data::tests::{gzip, message};

    #[test]
    fn plain_compressed_and_linked_files_have_one_content() {
        let folder = tempdir().unwrap();
        let content: Vec<u8> = (0..300_000_u32).map(|index| (index % 251) as u8).collect();
        let paths = ["plain", "packed.gz", "link"].map(|name| folder.path().join(name));
        fs::write(&paths[0], &content).unwrap();
        fs::write(&paths[1], gzip(&content)).unwrap();
        symlink("plain", &paths[2]).unwrap();
        for path in paths {
            assert!(read(&path).unwrap().bytes == content, "{path:?}");
            assert_eq!(hash(&path).unwrap(), blake3::hash(&content), "{path:?}");
        }
    }

    #[test]
    fn odd_files_are_refused_and_never_waited_for() {
        let folder = tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        symlink("/dev/zero", at("device")).unwrap();
        symlink("folder", at("link-to-folder")).unwrap();
        symlink("link-to-itself", at("link-to-itself")).unwrap();
        symlink("nowhere", at("broken-link")).unwrap();
        fs::write(at("plain.gz"), "no gzip").unwrap();
        fs::write(at("cut.gz"), &gzip(&[7; 1000])[..20]).unwrap();
        File::create(at("sparse")).unwrap().set_len(CONTENT_LIMIT + 1).unwrap();
        let names = [
            "missing",
            "folder",
            "fifo",
            "socket",
            "device",
            "link-to-folder",
            "link-to-itself",
            "broken-link",
            "plain.gz",
            "cut.gz",
            "sparse",
        ];
        let mut lines = String::new();
        for name in names {
            let error = read(&at(name)).err().unwrap();
            assert_eq!(hash(&at(name)).unwrap_err(), error);
            lines += &format!("{}\n", message(&error, folder.path()));
        }
        insta::assert_snapshot!(lines, @r#"
        cannot read the file: No such file or directory (os error 2): missing
        expected a regular file, found a folder: folder
        expected a regular file, found a named pipe: fifo
        expected a regular file, found a socket: socket
        expected a regular file, found a device: device
        expected a regular file, found a folder: link-to-folder
        cannot read the file: Too many levels of symbolic links (os error 40): link-to-itself
        cannot read the file: No such file or directory (os error 2): broken-link
        expected a gzip stream: it does not begin with the bytes 1f 8b: plain.gz
        expected a whole gzip stream, found its beginning only: cut.gz
        expected at most 268435456 bytes of content, found more: sparse
        "#);
    }

    #[test]
    fn a_decompression_bomb_stops_at_the_limit() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("bomb.gz");
        fs::write(&path, gzip(&vec![0; 4 << 20])).unwrap();
        let mut taken = 0;
        let error = stream(File::open(&path).unwrap(), &path, 1 << 20, |piece| taken += piece.len()).unwrap_err();
        assert_eq!(message(&error, folder.path()), "expected at most 1048576 bytes of content, found more: bomb.gz");
        assert!(taken <= 1 << 20);
    }
}
