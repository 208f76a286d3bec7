//! `~` in paths that no shell has seen: of an `.env` file, of a container's settings, or inside quotes. A folder that is
//! called `~` is a trap for whoever wants to delete it.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};

use crate::error::{Error, Kind, Result};

/// The home folder, if the environment names one.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// Puts the home folder in the place of a leading `~`. A file or folder that has such a name is left as it is.
///
/// # Errors
/// [`Kind::Usage`] for `~name`, and where the environment names no home folder.
pub fn expand(path: PathBuf) -> Result<PathBuf> {
    expand_with(path, folder())
}

fn expand_with(path: PathBuf, home: Option<PathBuf>) -> Result<PathBuf> {
    let mut parts = path.components();
    let Some(Component::Normal(first)) = parts.next() else { return Ok(path) };
    if !first.as_encoded_bytes().starts_with(b"~") || Path::new(first).symlink_metadata().is_ok() {
        return Ok(path);
    }
    let refused = |message: &str| Err(Error::new(Kind::Usage, message).at(&path).hint("write the whole path"));
    match home {
        Some(home) if first == OsStr::new("~") => Ok(home.join(parts.as_path())),
        Some(home) => {
            let message = "only a shell knows the home folder of another user";
            let error: Result<PathBuf> = refused(message);
            error.map_err(|error| error.hint(format!("your own, `~`, is {}", home.display())))
        }
        None => refused("`~` stands for a home folder, and HOME does not name one"),
    }
}

/// A path on the command line.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(expand)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_tilde_is_the_home_folder() {
        let home = || Some(PathBuf::from("/home/ada"));
        let expanded = |path: &str| expand_with(PathBuf::from(path), home()).map_err(|error| error.to_string());
        assert_eq!(expanded("~"), Ok(PathBuf::from("/home/ada")));
        assert_eq!(expanded("~/a/~/b"), Ok(PathBuf::from("/home/ada/a/~/b")));
        for same in ["a/~/b", "./~/a", "/~/a", "a~", "", "-", "../~"] {
            assert_eq!(expanded(same), Ok(PathBuf::from(same)));
        }
        insta::assert_snapshot!(expanded("~bob/a").unwrap_err(), @"only a shell knows the home folder of another user: ~bob/a");
        let without = expand_with(PathBuf::from("~/a"), None).unwrap_err();
        insta::assert_snapshot!(without, @"`~` stands for a home folder, and HOME does not name one: ~/a");
    }
}
