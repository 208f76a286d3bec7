//! Getting a published set from its publisher, or from a mirror.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | [`fetch`]: all files of a set into one folder, laid out as `path` expects |
//! | `download.rs` | one file over HTTP: resumed, checked, then put in place |
//! | `unpack.rs` | the files of a set out of a `.tar.gz` |

mod download;
mod unpack;

use std::fs;
use std::path::{Path, PathBuf};

use super::sets::{Archive, Layout, layout};
use super::{DataSet, Source, load};
use crate::error::{Error, Kind, Result};
pub use download::Progress;

/// Downloads what is missing of `source` into the folder `to`, checks and unpacks it, and reads the result. `mirror`
/// takes the place of the publisher's address: the files are below it under their own names.
///
/// # Errors
/// Kind `Usage` for a set that nobody publishes; `Input` when the server cannot be reached, has not the file, or sends
/// something else than what was published; `Store` when the folder cannot be written. What was downloaded stays, and the
/// next call goes on from there.
pub fn fetch(
    source: Source,
    to: &Path,
    mirror: Option<&str>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(PathBuf, DataSet)> {
    let Some(layout) = layout(source) else {
        let message = format!("`{}` has nothing to fetch", source.name());
        let hint = match source {
            Source::Images => "`images` are your own: name their folder with `path`",
            _ => "it is built in",
        };
        return Err(Error::new(Kind::Usage, message).hint(hint));
    };
    files(layout, layout.archives, to, mirror, progress)?;
    let set = load(source, Some(to))?;
    if let Some(expected) = layout.digest
        && set.digest.to_hex().as_str() != expected
    {
        let message = format!("the files are not those that were published: {} instead of {expected}", set.digest);
        return Err(Error::new(Kind::Input, message).at(to).hint("remove them, and fetch again"));
    }
    Ok((to.to_owned(), set))
}

/// Downloads and unpacks `archives`, unless the files of `layout` are there.
fn files(
    layout: &Layout,
    archives: &[Archive],
    to: &Path,
    mirror: Option<&str>,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let cannot = |error: std::io::Error| Error::new(Kind::Store, format!("cannot make the folder ({error})")).at(to);
    fs::create_dir_all(to).map_err(cannot)?;
    for archive in archives {
        let name = archive.url.rsplit('/').next().unwrap_or(archive.url);
        let url = match mirror {
            Some(mirror) => format!("{}/{name}", mirror.trim_end_matches('/')),
            None => archive.url.to_owned(),
        };
        let target = to.join(name);
        match layout.unpacked {
            Some(folder) => {
                let folder = to.join(folder);
                if layout.parts.iter().all(|part| layout.find(&folder, part).is_ok()) {
                    continue;
                }
                download::download(&url, &target, archive.md5, progress)?;
                unpack::unpack(&target, layout, &folder)?;
                // It is of no more use, and as large as the set.
                let _ = fs::remove_file(&target);
            }
            None => download::download(&url, &target, archive.md5, progress)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
