//! The files of a set out of the publisher's archive. Only names that belong to the set are looked at, and each is
//! written where we say, so that no archive can write anywhere else.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Component, Path};

use tar::Archive;

use crate::data::formats::gzip;
use crate::data::sets::Layout;
use crate::error::{Error, Kind, Result};

/// The most bytes of one file of a set, and of all that an archive holds.
const LARGEST: u64 = 256 << 20;
const LARGEST_ARCHIVE: u64 = 1 << 30;

/// Unpacks the files of `layout` from the `.tar.gz` at `archive` into `folder`.
///
/// # Errors
/// Kind `Input` if the archive is damaged, or lacks a file (of two with one name the first counts); `Store` if the folder cannot be written.
pub fn unpack(archive: &Path, layout: &Layout, folder: &Path) -> Result<()> {
    unpack_within(archive, layout, folder, LARGEST_ARCHIVE)
}

/// As [`unpack`], for an archive that holds at most `limit` bytes, unpacked; what is behind them is not looked at.
pub fn unpack_within(archive: &Path, layout: &Layout, folder: &Path, limit: u64) -> Result<()> {
    let damaged = |error: io::Error| {
        let reason = gzip::explain(&error).unwrap_or_else(|| error.to_string());
        Error::new(Kind::Input, format!("cannot unpack the archive: {reason}")).at(archive)
    };
    let cannot = |error: io::Error| Error::new(Kind::Store, format!("cannot write the files: {error}")).at(folder);
    fs::create_dir_all(folder).map_err(cannot)?;
    let file = File::open(archive).map_err(damaged)?;
    let mut archive_reader = Archive::new(gzip::decoder(BufReader::new(file)).map_err(damaged)?.take(limit));
    let mut wanted: BTreeSet<&str> = layout.parts.iter().map(|part| part.names[0]).collect();
    wanted.extend(layout.class_names_file);
    let mut missing: BTreeSet<&str> = layout.parts.iter().map(|part| part.names[0]).collect();
    for entry in archive_reader.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        let mut parts = path.components().filter(|part| *part != Component::CurDir);
        let inside = parts.next().is_some_and(|first| Some(first.as_os_str()) == layout.unpacked.map(AsRef::as_ref));
        let name = parts.next().and_then(|name| name.as_os_str().to_str());
        let Some(name) = name.and_then(|name| wanted.iter().find(|wanted| **wanted == name)) else { continue };
        if !inside || parts.next().is_some() || !entry.header().entry_type().is_file() {
            continue;
        }
        if entry.size() > LARGEST {
            let message = format!("`{name}` is larger than {LARGEST} bytes, and no published file is");
            return Err(Error::new(Kind::Input, message).at(archive));
        }
        let name = *name;
        wanted.remove(name);
        missing.remove(name);
        let part = folder.join(format!("{name}.part"));
        let mut content = Vec::with_capacity(entry.size() as usize);
        entry.read_to_end(&mut content).map_err(damaged)?;
        if content.len() as u64 != entry.size() {
            return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
        }
        File::create(&part)
            .and_then(|mut file| io::copy(&mut &content[..], &mut file).and_then(|_| file.sync_all()))
            .and_then(|()| fs::rename(&part, folder.join(name)))
            .map_err(cannot)?;
    }
    match missing.first() {
        None => Ok(()),
        Some(name) => Err(Error::new(Kind::Input, format!("the archive lacks `{name}`")).at(archive)),
    }
}
