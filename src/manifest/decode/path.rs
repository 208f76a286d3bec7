//! `path = …` and `file = …`: a file or folder.

use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use crate::manifest::reader::Reader;

/// See [`name_home`].
static HOME: OnceLock<PathBuf> = OnceLock::new();

/// Names the home folder, for hints alone: what a manifest means does not depend on the environment.
pub fn name_home(path: PathBuf) {
    HOME.get_or_init(|| path);
}

/// Reads the path under `key`; `what` it should name is for the hint. A relative one in the file is relative to `folder`, where the
/// manifest is; one given by `--set` is relative to where the command runs.
pub fn path(reader: &mut Reader, key: &'static str, folder: &Path, what: &str) -> Option<PathBuf> {
    let (path, span) = reader.optional_string(key)?;
    if path.contains('\0') || path.is_empty() {
        let hint = format!("name {what}");
        reader.diagnostics.error(span, format!("`{key}` is empty or holds a NUL character")).hint(hint);
        return None;
    }
    let folder = if span.source == 0 { folder } else { Path::new("") };
    if let Some((first, hint)) = of_a_shell(&path, folder) {
        reader.diagnostics.error(span, format!("`{first}` means nothing in a manifest")).hint(hint);
        return None;
    }
    Some(folder.join(path))
}

/// The part of a path that only a shell would put something in the place of, and what to write instead. None if there is such a
/// file or folder.
fn of_a_shell(path: &str, folder: &Path) -> Option<(String, String)> {
    let is_meant = |part: &&str| (part.starts_with('~') && path.starts_with(*part)) || part.starts_with('$');
    let first = path.split('/').find(is_meant)?;
    let until = Path::new(path).components().take_while(|part| *part != Component::Normal(first.as_ref()));
    if folder.join(until.collect::<PathBuf>()).join(first).symlink_metadata().is_ok() {
        return None;
    }
    let whole = "write the whole path, or one that begins in the manifest's folder";
    let home = HOME.get().filter(|_| first == "~" || matches!(first, "$HOME" | "${HOME}"));
    let home = home.map_or(String::new(), |home| format!("; the home folder is {}", home.display()));
    Some((first.to_owned(), format!("{whole}: only a shell knows such names{home}")))
}
