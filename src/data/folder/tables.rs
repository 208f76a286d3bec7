//! Tables of images: which files they name, and of which class each is.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::class_names::composed;
use super::listing::{Found, Named, is_there};
use crate::data::files;
use crate::error::{Error, Kind, Result};

/// More rows than this are refused before they fill the memory.
const MOST_ROWS: usize = 1 << 22;

impl Found {
    /// The rows of a table with the columns `path` (relative to the table) and `label`; others are left alone.
    pub fn rows(&mut self, table: &Path) -> Result<Named> {
        let content = files::read(table)?;
        let found = self.rows_of(&content.bytes, table)?;
        self.tables.push(content.watched);
        Ok(found)
    }

    /// The rows of the table that has these bytes.
    pub fn rows_of(&mut self, bytes: &[u8], table: &Path) -> Result<Named> {
        let wrong = |message: String| {
            Error::new(Kind::Input, message).at(table).hint("expected a first line `path,label`, then a line an image")
        };
        let folder = table.parent().unwrap_or(Path::new(""));
        let mut reader = csv::Reader::from_reader(bytes);
        let headers = reader.headers().map_err(|error| wrong(format!("malformed table: {error}")))?;
        let column = |name: &str| {
            let found = headers.iter().position(|header| header.trim() == name);
            found.ok_or_else(|| wrong(no_column(name, headers)))
        };
        let (path_column, label_column) = (column("path")?, column("label")?);
        let (mut found, mut written) = (Vec::new(), Spellings::default());
        for row in reader.records() {
            let row = row.map_err(|error| wrong(format!("malformed table: {error}")))?;
            let line = row.position().map_or(0, csv::Position::line);
            let (path, label) = (row[path_column].trim(), row[label_column].trim());
            if path.is_empty() || label.is_empty() {
                return Err(wrong(format!("line {line} has no path or no label")));
            }
            if [path, label].iter().any(|field| field.starts_with(['"', '\''])) {
                let error = wrong(format!("line {line} has a quotation mark that does not stand for one"));
                return Err(error.hint("quote with `\"` alone, directly behind the comma"));
            }
            if found.len() == MOST_ROWS {
                return Err(wrong(format!("more than {MOST_ROWS} rows")));
            }
            let class = composed(label);
            self.all.insert(class.clone());
            found.push((class, written.find(folder, path)));
        }
        Ok(found)
    }
}

/// Files whose names are written in another form of Unicode on disk than in a table: macOS writes `é` as two characters.
#[derive(Default)]
struct Spellings(HashMap<PathBuf, HashMap<String, PathBuf>>);

impl Spellings {
    /// `path` below `folder` as it is on disk; as it is written when it is there like that, or not at all.
    fn find(&mut self, folder: &Path, path: &str) -> PathBuf {
        let written = folder.join(path);
        if path.is_ascii() || is_there(&written) {
            return written;
        }
        let mut found = folder.to_owned();
        for part in Path::new(path).components() {
            let plain = found.join(part);
            found = match part {
                Component::Normal(name) if !is_there(&plain) => {
                    let other = name.to_str().and_then(|name| self.inside(&found).get(&composed(name)).cloned());
                    let Some(other) = other else { return written };
                    other
                }
                _ => plain,
            };
        }
        found
    }

    /// What is in a folder, by names in the composed form; of two with one such name, the first by its bytes.
    fn inside(&mut self, folder: &Path) -> &HashMap<String, PathBuf> {
        self.0.entry(folder.to_owned()).or_insert_with(|| {
            let mut entries: Vec<PathBuf> =
                fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
            entries.sort_by(|a, b| b.cmp(a));
            let named = |path: PathBuf| Some((composed(path.file_name()?.to_str()?), path));
            entries.into_iter().filter_map(named).collect()
        })
    }
}

fn no_column(name: &str, headers: &csv::StringRecord) -> String {
    let first = headers.get(0).unwrap_or("");
    let separators = [(';', "semicolons"), ('\t', "tabs")];
    match separators.iter().find(|(separator, _)| headers.len() == 1 && first.contains(*separator)) {
        Some((_, separator)) => format!("the columns of the table are separated by {separator}, not by commas"),
        None => {
            let there: Vec<String> = headers.iter().map(|header| format!("`{}`", header.trim())).collect();
            format!("the table has no column `{name}`, but {}", there.join(", "))
        }
    }
}
