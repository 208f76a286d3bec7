//! Folders with a folder a class: which files are in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::SHOWN;
use super::class_names::{code_points, composed};
use super::listing::{Found, Named, layout};
use crate::error::{Error, Kind, Result};

/// Folders and files that systems leave behind, in lower case; those of macOS are hidden otherwise.
const LEFT_BEHIND: [&str; 4] = ["thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"];

/// The endings of files that are images.
const ENDINGS: [&str; 5] = ["png", "jpg", "jpeg", "webp", "bmp"];

impl Found {
    /// The files of every class's folder in `folder`; the class is noted even if it has none. Files beside those folders,
    /// such as a licence, are left alone.
    pub fn classes(&mut self, folder: &Path) -> Result<Named> {
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
    pub fn only_images(&self, folder: &Path) -> Result<()> {
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

fn has_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}
