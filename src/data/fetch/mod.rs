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
use std::path::Path;

use super::sets::{Archive, Layout, layout};
use super::{DataSet, Source, load};
use crate::error::{Error, Kind, Result};

/// Where files come from.
#[derive(Debug, Default)]
pub struct Server<'a> {
    /// Takes the place of the publisher's address: the files are below it under their own names.
    pub mirror: Option<&'a str>,
    /// Is asked in the server's stead, unless that is on this machine.
    pub proxy: Option<ureq::Proxy>,
}

/// How far a download is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Where the file comes from.
    pub url: &'a str,
    /// The file's name.
    pub file: &'a str,
    /// Bytes that are there.
    pub bytes: u64,
    /// Bytes in all, if the server says so.
    pub total: Option<u64>,
}

/// Downloads what is missing of `source` into the folder `to`, checks and unpacks it, and reads the result. Nothing is
/// downloaded if the set is there.
///
/// # Errors
/// Kind `Usage` for a set that nobody publishes; `Input` when the server cannot be reached, has not the file, or sends
/// something else than what was published; `Store` when the folder cannot be written; `LockTimeout` when another process
/// downloads to the same folder. What was downloaded stays, and the next call goes on from there.
pub fn fetch(source: Source, to: &Path, server: &Server, progress: &mut dyn FnMut(Progress)) -> Result<DataSet> {
    let Some(layout) = layout(source) else {
        let message = format!("`{}` has nothing to fetch", source.name());
        let hint = match source {
            Source::Images => "`images` are your own: name their folder with `path`",
            _ => "it is built in",
        };
        return Err(Error::new(Kind::Usage, message).hint(hint));
    };
    let there = load(source, Some(to)).ok();
    let is_published = |set: &DataSet| layout.digest.is_some_and(|expected| set.digest.to_hex().as_str() == expected);
    if let Some(set) = there.as_ref().filter(|set| is_published(set)) {
        return Ok(set.clone());
    }
    // Where the digest is not known, single files are still checked one by one, but of an archive only its size is left.
    let published = source.published().map(|outline| (outline.train, outline.test));
    let is_whole = |set: &DataSet| layout.digest.is_none() && published == Some((set.train.len(), set.test.len()));
    if layout.unpacked.is_none() || !there.as_ref().is_some_and(is_whole) {
        files(layout, layout.archives, to, server, progress)?;
    }
    let set = load(source, Some(to))?;
    if layout.digest.is_some() && !is_published(&set) {
        let error = Error::new(Kind::Input, "the folder has other files of this set, which are read first").at(to);
        return Err(error.hint("remove them and fetch again, or choose another folder with `--to`"));
    }
    Ok(set)
}

/// Downloads and unpacks `archives`.
fn files(
    layout: &Layout,
    archives: &[Archive],
    to: &Path,
    server: &Server,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let cannot = |error: std::io::Error| Error::new(Kind::Store, format!("cannot make the folder: {error}")).at(to);
    fs::create_dir_all(to).map_err(cannot)?;
    for archive in archives {
        let name = archive.url.rsplit('/').next().unwrap_or(archive.url);
        let url = match server.mirror {
            Some(mirror) => format!("{}/{name}", mirror.trim_end_matches('/')),
            None => archive.url.to_owned(),
        };
        let agent = download::agent(server.proxy.as_ref(), &url);
        let target = to.join(name);
        download::download(&agent, &url, &target, archive.md5, progress)?;
        if let Some(folder) = layout.unpacked {
            unpack::unpack(&target, layout, &to.join(folder))?;
            // It is of no more use, and as large as the set.
            let _ = fs::remove_file(&target);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
