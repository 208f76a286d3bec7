//! Which files a folder of images has, and of which class each is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::data::witness::Watched;
use crate::data::{files, split};
use crate::error::{Error, Kind, Result};

/// The seed of the test share. A constant, so that no manifest can choose its test images.
const SPLIT_SEED: u64 = 2026;

/// The endings of files that are images.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// One image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The number of its class.
    pub class: u32,
    /// Its file.
    pub path: PathBuf,
}

/// All images of a set.
#[derive(Debug)]
pub struct Listing {
    /// The name of each class.
    pub class_names: Vec<String>,
    /// Training images, before a validation split.
    pub train: Vec<Entry>,
    /// Test images.
    pub test: Vec<Entry>,
    /// The tables that were read, if the set is listed in tables.
    pub tables: Vec<Watched>,
}

/// Files with the names of their classes, in order.
type Named = Vec<(String, PathBuf)>;

impl Listing {
    /// Lists `folder`, and holds out the share `test` of each class if it has no test images of its own.
    ///
    /// # Errors
    /// Kind `Input` if the folder is not laid out as [`super::load`] says.
    pub fn of(folder: &Path, test: Option<f64>) -> Result<Self> {
        let mut tables = Vec::new();
        let by_table = is_there(&folder.join("train.csv"));
        let mut found = BTreeSet::new();
        let (train, held_out) = if by_table {
            let table = folder.join("test.csv");
            let train = rows(&folder.join("train.csv"), &mut found, &mut tables)?;
            (train, is_there(&table).then(|| rows(&table, &mut found, &mut tables)).transpose()?)
        } else if is_there(&folder.join("train")) {
            (classes(&folder.join("train"), &mut found)?, Some(classes(&folder.join("test"), &mut found)?))
        } else {
            (classes(folder, &mut found)?, None)
        };
        let class_names = in_order(found);
        let numbers: BTreeMap<&String, u32> = class_names.iter().zip(0..).collect();
        let entries = |named: Named| -> Vec<Entry> {
            named.into_iter().map(|(class, path)| Entry { class: numbers[&class], path }).collect()
        };
        let (mut train, mut held_out) = (entries(train), held_out.map(entries));
        match (test, &held_out) {
            (Some(_), Some(_)) => {
                let error = Error::new(Kind::Input, "the folder has test images of its own, and `test` is given");
                return Err(error.at(folder).hint("leave `test` out"));
            }
            (None, None) => {
                let error = Error::new(Kind::Input, "the folder has no test images of its own");
                let hint = "add `test = 0.2` to hold out a fifth, or sort the images into `train` and `test`";
                return Err(error.at(folder).hint(hint));
            }
            (Some(share), None) => {
                let labels: Vec<u32> = train.iter().map(|entry| entry.class).collect();
                let halves = split(&labels, class_names.len(), share, SPLIT_SEED);
                let pick = |indices: &[u32]| indices.iter().map(|index| train[*index as usize].clone()).collect();
                let picked: (Vec<Entry>, Vec<Entry>) = (pick(&halves.train), pick(&halves.validation));
                train = picked.0;
                held_out = Some(picked.1);
            }
            (None, Some(_)) => {}
        }
        let trained: BTreeSet<u32> = train.iter().map(|entry| entry.class).collect();
        if let Some((_, name)) = (0..).zip(&class_names).find(|(class, _)| !trained.contains(class)) {
            let error = Error::new(Kind::Input, format!("class `{name}` has no training image"));
            return Err(error.at(folder).hint("add some, or remove the class"));
        }
        if class_names.len() < 2 {
            let error = Error::new(Kind::Input, format!("expected at least two classes, found {}", class_names.len()));
            return Err(layout(error.at(folder)));
        }
        let held_out = held_out.unwrap_or_default();
        if held_out.is_empty() {
            let error = Error::new(Kind::Input, "the set has no test image").at(folder);
            return Err(error.hint(match test {
                Some(_) => "hold out a larger share with `test`",
                None => "add some, or remove the empty half and hold out a share with `test = 0.2`",
            }));
        }
        Ok(Self { class_names, train, test: held_out, tables })
    }
}

/// Says how a folder of images is laid out.
fn layout(error: Error) -> Error {
    error
        .hint("expected a folder a class: `train/cat/1.png` and `test/cat/2.png`, or `cat/1.png` with `test = 0.2`")
        .hint("or `train.csv` and `test.csv` with the columns `path` and `label`")
}

/// A broken link counts as there, so that reading it says what is wrong.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// The names in a folder, sorted by their bytes, without hidden ones.
fn names(folder: &Path) -> Result<Vec<String>> {
    let cannot =
        |error: std::io::Error| layout(Error::new(Kind::Input, format!("cannot read the folder: {error}")).at(folder));
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        match name.to_str() {
            Some(name) if name.starts_with('.') => {}
            Some(name) => names.push(name.to_owned()),
            None => {
                let error = Error::new(Kind::Input, "the name is not valid UTF-8").at(folder.join(&name));
                return Err(error.hint("rename the file"));
            }
        }
    }
    names.sort();
    Ok(names)
}

/// The files of every class's folder in `folder`; the class is noted even if it has none. Files beside those folders,
/// such as a licence, are left alone.
fn classes(folder: &Path, all: &mut BTreeSet<String>) -> Result<Named> {
    let mut found = Vec::new();
    for class in names(folder)? {
        let inner = folder.join(&class);
        // A link that leads nowhere may have been a class.
        let metadata = fs::metadata(&inner).map_err(|error| {
            let error = Error::new(Kind::Input, format!("cannot read the class's folder: {error}"));
            error.at(&inner).hint("repair or remove it")
        })?;
        if !metadata.is_dir() {
            continue;
        }
        all.insert(class.clone());
        for name in names(&inner)? {
            let path = inner.join(&name);
            if !has_ending(&path) {
                let error = Error::new(Kind::Input, "expected only images whose names end in .png, .jpg or .jpeg");
                return Err(error.at(&path).hint("move the file elsewhere"));
            }
            found.push((class.clone(), path));
        }
    }
    Ok(found)
}

fn has_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// More rows than this are refused before they fill the memory.
const MOST_ROWS: usize = 1 << 22;

/// The rows of a table with the columns `path` (relative to the table) and `label`; others are left alone.
fn rows(table: &Path, all: &mut BTreeSet<String>, tables: &mut Vec<Watched>) -> Result<Named> {
    let wrong = |message: String| {
        Error::new(Kind::Input, message).at(table).hint("expected a first line `path,label`, then a line an image")
    };
    let content = files::read(table)?;
    let folder = table.parent().unwrap_or(Path::new(""));
    let mut reader = csv::Reader::from_reader(&content.bytes[..]);
    let headers = reader.headers().map_err(|error| wrong(format!("malformed table: {error}")))?;
    let column = |name: &str| {
        let found = headers.iter().position(|header| header.trim() == name);
        found.ok_or_else(|| wrong(format!("the table has no column `{name}`")))
    };
    let (path_column, label_column) = (column("path")?, column("label")?);
    let mut found = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| wrong(format!("malformed table: {error}")))?;
        let line = row.position().map_or(0, csv::Position::line);
        let (path, label) = (row[path_column].trim(), row[label_column].trim());
        if path.is_empty() || label.is_empty() {
            return Err(wrong(format!("line {line} has no path or no label")));
        }
        if found.len() == MOST_ROWS {
            return Err(wrong(format!("more than {MOST_ROWS} rows")));
        }
        all.insert(label.to_owned());
        found.push((label.to_owned(), folder.join(path)));
    }
    tables.push(content.watched);
    Ok(found)
}

/// The order of classes, for folders and tables alike: by number where every name is a whole number (`0`, `90`, `180`; `-1`
/// comes before `0`, and `01` before `1`), else by the bytes of the names.
fn in_order(names: BTreeSet<String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    let numbers: Option<Vec<i128>> = names.iter().map(|name| name.parse().ok()).collect();
    if numbers.is_some() {
        // Stable, so that equal numbers stay in the order of their bytes.
        names.sort_by_key(|name| name.parse::<i128>().unwrap_or_default());
    }
    names
}
