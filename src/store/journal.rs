//! What a run writes for itself under `runs/<run>/`: its journal, and what it wants to leave for inspection.

use super::publish::{failed, write_failed};
use super::{Store, files, held};
use crate::error::{Error, Kind, Result};
use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A file of JSON values, one a line, that only grows. A line is whole or, after a crash, the last one and dropped.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// Bytes of whole lines: where the next one goes, over whatever a failed one left.
    length: Mutex<u64>,
}

impl Store {
    /// Opens the journal of `run`, making it if it is not there. A torn last line is cut off. [`Kind::Internal`] for a
    /// run's name that is not one plain file name. One process at a time may write the journal of a run.
    pub fn journal(&self, run: &str) -> Result<Journal> {
        let path = self.run_directory(run)?.join("journal.jsonl");
        let file = files::open_or_create(&path).map_err(|error| write_failed(&error, "open a journal", &path, 0))?;
        let mut buffer = vec![0; files::CHUNK];
        let (mut read, mut whole) = (0, 0);
        loop {
            let length =
                files::read(&file, &path, &mut buffer).map_err(|error| failed(&error, "read a journal", &path))?;
            if length == 0 {
                break;
            }
            if let Some(end) = buffer[..length].iter().rposition(|byte| *byte == b'\n') {
                whole = read + end as u64 + 1;
            }
            read += length as u64;
        }
        if whole < read {
            files::set_length(&file, &path, whole).map_err(|error| failed(&error, "mend a journal", &path))?;
        }
        Ok(Journal { file, path, length: Mutex::new(whole) })
    }

    /// The folder of `run`, made if it is not there. [`Kind::Internal`] for a name that is not one plain file name.
    pub fn run_directory(&self, run: &str) -> Result<PathBuf> {
        let path = self.tree.runs().join(plain(run)?);
        files::make_directory(&path).map_err(|error| write_failed(&error, "make the folder of a run", &path, 0))?;
        Ok(path)
    }

    /// Keeps `bytes` as the file `name` of `run`, whole or not at all, over an earlier one; gives its path.
    pub fn save_in_run(&self, run: &str, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.run_directory(run)?.join(plain(name)?);
        match self.publish(&path, bytes, false) {
            Ok(()) => Ok(path),
            Err(error) => Err(write_failed(&error, "write a file of a run", &path, bytes.len() as u64)),
        }
    }
}

impl Journal {
    /// Adds one line. It survives the end of this process; only after [`Journal::flush`] also that of the machine.
    /// A number of 32 bits keeps its short form, which it would lose on the way through a [`Value`]. [`Kind::Internal`] for
    /// what JSON cannot hold.
    pub fn append(&self, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_string(value)
            .map_err(|error| Error::new(Kind::Internal, format!("a line of a journal is no JSON: {error}")))?;
        line.push('\n');
        let mut length = held(&self.length);
        if let Err(error) = files::write_at(&self.file, &self.path, line.as_bytes(), *length) {
            // If this fails too, the next line goes over what was written, and a reader drops the rest.
            let _ = files::set_length(&self.file, &self.path, *length);
            return Err(write_failed(&error, "write a journal", &self.path, line.len() as u64));
        }
        *length += line.len() as u64;
        Ok(())
    }

    /// Makes every line durable.
    pub fn flush(&self) -> Result<()> {
        files::sync(&self.file, &self.path).map_err(|error| write_failed(&error, "sync a journal", &self.path, 0))
    }

    /// The journal's file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The values of a journal, up to the first line that is not whole, and whether there was such a line. A journal that
/// does not exist has none. [`Kind::Store`] when the file cannot be read.
pub fn read_journal(path: &Path) -> Result<(Vec<Value>, bool)> {
    let unreadable = |error: std::io::Error| failed(&error, "read a journal", path);
    let file = match files::open(path) {
        Err(error) if files::absent(&error) => return Ok((Vec::new(), false)),
        file => file.map_err(unreadable)?,
    };
    let size = files::stat_file(&file, path).map_err(unreadable)?.len();
    Ok(lines(&files::read_all(&file, path, size).map_err(unreadable)?))
}

/// The values in the bytes of a journal, as [`read_journal`] gives them.
pub(super) fn lines(bytes: &[u8]) -> (Vec<Value>, bool) {
    let mut values = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n").map(serde_json::from_slice) {
            Some(Ok(value)) => values.push(value),
            _ => return (values, true),
        }
    }
    (values, false)
}

/// A name that can be no path.
fn plain(name: &str) -> Result<&str> {
    let odd = |c: char| c == '/' || c.is_control();
    if name.is_empty() || name.len() > 200 || name.starts_with('.') || name.contains(odd) {
        return Err(Error::new(Kind::Internal, format!("{name:?} cannot be the name of a file of a run")));
    }
    Ok(name)
}
