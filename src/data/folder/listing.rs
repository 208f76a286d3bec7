//! Which files a folder of images has, and of which class each is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use super::SHOWN;
use crate::data::witness::Watched;
use crate::data::{files, split};
use crate::error::{Error, Kind, Result};

/// The seed of the test share. A constant, so that no manifest can choose its test images.
const SPLIT_SEED: u64 = 2026;

/// What a half with validation images can be called, as a folder or a table.
const VALIDATION: [&str; 3] = ["val", "valid", "validation"];

/// Folders and files that systems leave behind, in lower case; those of macOS are hidden otherwise.
const LEFT_BEHIND: [&str; 4] = ["thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"];

/// The endings of files that are images.
const ENDINGS: [&str; 5] = ["png", "jpg", "jpeg", "webp", "bmp"];

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
    /// Training images, before a validation split is drawn.
    pub train: Vec<Entry>,
    /// Validation images, if the set has some of its own.
    pub validation: Vec<Entry>,
    /// Test images.
    pub test: Vec<Entry>,
    /// The tables that were read, if the set is listed in tables.
    pub tables: Vec<Watched>,
    /// What may not be meant.
    pub notes: Vec<String>,
}

/// Files with the names of their classes, in order.
type Named = Vec<(String, PathBuf)>;

impl Listing {
    /// Lists `folder`, and holds out the share `test` of each class if it has no test images of its own.
    ///
    /// # Errors
    /// Kind `Input` if the folder is not laid out as [`super::load`] says.
    pub fn of(folder: &Path, test: Option<f64>) -> Result<Self> {
        let mut found = Found::default();
        let by_table = is_there(&folder.join("train.csv"));
        let half = |name: &str| folder.join(if by_table { format!("{name}.csv") } else { name.to_owned() });
        let in_halves = is_there(&half("train"));
        let mut read = |path: PathBuf| if by_table { found.rows(&path) } else { found.classes(&path) };
        let train = read(if in_halves { half("train") } else { folder.to_owned() })?;
        let validation: Vec<&str> = match in_halves {
            true => VALIDATION.into_iter().filter(|name| is_there(&half(name))).collect(),
            false => Vec::new(),
        };
        if let [one, other, ..] = validation[..] {
            let message = format!("`{one}` and `{other}` are both validation images");
            return Err(Error::new(Kind::Input, message).at(folder).hint("keep one of them"));
        }
        let held_out = match in_halves && is_there(&half("test")) {
            true => Some(read(half("test"))?),
            false => None,
        };
        let has_own = !validation.is_empty();
        let validation = validation.first().map(|name| read(half(name))).transpose()?.unwrap_or_default();
        found.only_images(folder)?;
        let Found { all: found, tables, .. } = found;
        let class_names = in_order(found);
        let numbers: BTreeMap<&String, u32> = class_names.iter().zip(0..).collect();
        let entries = |named: Named| -> Vec<Entry> {
            named.into_iter().map(|(class, path)| Entry { class: numbers[&class], path }).collect()
        };
        let (mut train, mut held_out, validation) = (entries(train), held_out.map(entries), entries(validation));
        match (test, &held_out) {
            (Some(_), Some(_)) => {
                let error = Error::new(Kind::Input, "the folder has test images of its own, and `test` is given");
                return Err(error.at(folder).hint("leave `test` out"));
            }
            (None, None) => {
                let error = Error::new(Kind::Input, "the folder has no test images of its own");
                let error = error.at(folder);
                let hint = "add `test = 0.2` to hold out a fifth, or sort the images into `train` and `test`";
                return Err(match has_own {
                    true => error.hint(hint).hint("its validation images are for choices alone; a test needs others"),
                    false => error.hint(hint),
                });
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
        if has_own && validation.is_empty() {
            let error = Error::new(Kind::Input, "the set's half for validation has no image").at(folder);
            return Err(error.hint("add some, or remove it"));
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
        let notes = alike(&class_names);
        Ok(Self { class_names, train, validation, test: held_out, tables, notes })
    }
}

impl Listing {
    /// The halves, with what they are to the digest.
    pub fn halves(&self) -> [(&'static str, &[Entry]); 3] {
        [("train", &self.train), ("validation", &self.validation), ("test", &self.test)]
    }

    /// How many images there are in all.
    pub fn count(&self) -> usize {
        self.halves().iter().map(|(_, entries)| entries.len()).sum()
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

/// The names in a folder, sorted by their bytes, without hidden ones and what systems leave behind.
fn names(folder: &Path) -> Result<Vec<String>> {
    let cannot =
        |error: std::io::Error| layout(Error::new(Kind::Input, format!("cannot read the folder: {error}")).at(folder));
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        match name.to_str() {
            Some(name) if name.starts_with('.') => {}
            Some(name) if LEFT_BEHIND.contains(&name.to_ascii_lowercase().as_str()) => {}
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

/// What was found while halves are read.
#[derive(Default)]
struct Found {
    /// The names of classes.
    all: BTreeSet<String>,
    tables: Vec<Watched>,
    /// Files among the images that are none.
    foreign: Vec<PathBuf>,
}

impl Found {
    /// The files of every class's folder in `folder`; the class is noted even if it has none. Files beside those folders,
    /// such as a licence, are left alone.
    fn classes(&mut self, folder: &Path) -> Result<Named> {
        let mut found = Vec::new();
        let mut written = BTreeMap::new();
        for name in names(folder)? {
            let inner = folder.join(&name);
            // A link that leads nowhere may have been a class.
            let metadata = fs::metadata(&inner).map_err(|error| {
                let error = Error::new(Kind::Input, format!("cannot read the class's folder: {error}"));
                error.at(&inner).hint("repair or remove it")
            })?;
            if !metadata.is_dir() {
                continue;
            }
            let class = composed(&name);
            if let Some(other) = written.insert(class.clone(), name.clone()) {
                let message = format!("two folders are class `{class}`: only how their characters are written differs");
                let error = Error::new(Kind::Input, message).at(folder);
                let [first, second] = [&other, &name].map(|name| code_points(name));
                return Err(error
                    .hint(format!("the characters outside ASCII are {first} in one and {second} in the other"))
                    .hint("move the images of one into the other"));
            }
            self.all.insert(class.clone());
            let inside = names(&inner)?;
            if let Some(name) = inside.iter().find(|name| inner.join(name).is_dir()) {
                return Err(too_deep(folder, &inner, name));
            }
            for name in inside {
                let path = inner.join(&name);
                match has_ending(&path) {
                    true => found.push((class.clone(), path)),
                    false => self.foreign.push(path),
                }
            }
        }
        Ok(found)
    }

    /// Whether all that was found in folders of classes are images.
    fn only_images(&self, folder: &Path) -> Result<()> {
        if self.foreign.is_empty() {
            return Ok(());
        }
        let (count, noun) = (self.foreign.len(), if self.foreign.len() == 1 { "file is" } else { "files are" });
        let message = format!("{count} {noun} among the images, and no image by name");
        let mut error = Error::new(Kind::Input, message).at(folder);
        for path in self.foreign.iter().take(SHOWN) {
            error = error.hint(path.strip_prefix(folder).unwrap_or(path).display().to_string());
        }
        if count > SHOWN {
            error = error.hint(format!("and {} more", count - SHOWN));
        }
        Err(error.hint("names of images end in .png, .jpg, .jpeg, .webp or .bmp; move other files elsewhere"))
    }
}

/// A class whose folder has a folder in it: `path` may be one level off.
fn too_deep(folder: &Path, inner: &Path, name: &str) -> Error {
    let error = Error::new(Kind::Input, format!("expected images in the class's folder, found the folder `{name}`"));
    let alone = names(folder).is_ok_and(|names| names.iter().filter(|name| folder.join(name).is_dir()).count() == 1);
    let error = error.at(inner);
    layout(match alone {
        true => {
            error.hint(format!("folders are one level too deep: if `{name}` is a class or a half, `path` ends here"))
        }
        false => error.hint("a class has no folders of its own: move its images up, or the folder elsewhere"),
    })
}

/// A class's name in Unicode's composed form (NFC): macOS writes `é` as two characters, others as one.
fn composed(name: &str) -> String {
    name.nfc().collect()
}

/// The characters of a name that are not ASCII, as U+00E9.
fn code_points(name: &str) -> String {
    let points: Vec<String> =
        name.chars().filter(|c| !c.is_ascii()).map(|c| format!("U+{:04X}", u32::from(c))).collect();
    points.join(" ")
}

/// A note for classes whose names differ only in case or in blanks around them.
fn alike(class_names: &[String]) -> Vec<String> {
    let mut groups: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for name in class_names {
        groups.entry(name.trim().to_lowercase()).or_default().push(name);
    }
    let groups = groups.into_values().filter(|names| names.len() > 1);
    let note = |names: Vec<&String>| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        format!("the classes {} differ only in case or blanks", names.join(" and "))
    };
    groups.map(note).collect()
}

fn has_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// More rows than this are refused before they fill the memory.
const MOST_ROWS: usize = 1 << 22;

impl Found {
    /// The rows of a table with the columns `path` (relative to the table) and `label`; others are left alone.
    fn rows(&mut self, table: &Path) -> Result<Named> {
        let wrong = |message: String| {
            Error::new(Kind::Input, message).at(table).hint("expected a first line `path,label`, then a line an image")
        };
        let content = files::read(table)?;
        let folder = table.parent().unwrap_or(Path::new(""));
        let mut reader = csv::Reader::from_reader(&content.bytes[..]);
        let headers = reader.headers().map_err(|error| wrong(format!("malformed table: {error}")))?;
        let column = |name: &str| {
            let found = headers.iter().position(|header| header.trim() == name);
            found.ok_or_else(|| wrong(no_column(name, headers)))
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
            if [path, label].iter().any(|field| field.starts_with(['"', '\''])) {
                let error = wrong(format!("line {line} has a quotation mark that does not stand for one"));
                return Err(error.hint("quote with `\"` alone, directly behind the comma"));
            }
            if found.len() == MOST_ROWS {
                return Err(wrong(format!("more than {MOST_ROWS} rows")));
            }
            let class = composed(label);
            self.all.insert(class.clone());
            found.push((class, folder.join(path)));
        }
        self.tables.push(content.watched);
        Ok(found)
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
