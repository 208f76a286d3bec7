//! `path = …` and `file = …`: a file or folder.

use std::path::{Path, PathBuf};

use crate::manifest::reader::Reader;

/// Reads the path under `key`; `what` it should name is for the hint. A relative one in the file is relative to `folder`, where the
/// manifest is; one given by `--set` is relative to where the command runs.
pub fn path(reader: &mut Reader, key: &'static str, folder: &Path, what: &str) -> Option<PathBuf> {
    let (path, span) = reader.optional_string(key)?;
    if path.contains('\0') || path.is_empty() {
        let hint = format!("name {what}");
        reader.diagnostics.error(span, format!("`{key}` is empty or holds a NUL character")).hint(hint);
        return None;
    }
    Some(if span.source == 0 { folder.join(path) } else { path.into() })
}
