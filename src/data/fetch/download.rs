//! One file over HTTP. It grows under the name `….part`, so that what is there under its own name is whole; a download
//! that was cut off goes on where it stopped, if the server can do that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest, Md5};
use ureq::{Agent, Body, http::Response};

use crate::error::{Error, Kind, Result};

/// How often a request that brought nothing new is made again.
const ATTEMPTS: u32 = 3;

/// The most bytes of one file; the largest published one has 182 MB.
const LARGEST: u64 = 1 << 30;

const BUFFER: usize = 128 << 10;

/// How far a download is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The file's name.
    pub file: &'a str,
    /// Bytes that are there.
    pub bytes: u64,
    /// Bytes in all, if the server says so.
    pub total: Option<u64>,
}

/// Downloads `url` to `target`, unless the right file is there.
///
/// # Errors
/// See [`super::fetch`].
pub fn download(url: &str, target: &Path, md5: &str, progress: &mut dyn FnMut(Progress)) -> Result<()> {
    if target.is_file() && checksum(target)? == md5 {
        return Ok(());
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let part = target.with_file_name(format!("{name}.part"));
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_recv_body(Some(Duration::from_secs(3600)))
        .user_agent(concat!("pleach/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut failures = 0;
    loop {
        let before = size(&part);
        match attempt(&agent, url, &part, &name, progress) {
            Ok(()) => break,
            Err(Fault::Final(error)) => return Err(error),
            Err(Fault::Again(message)) => {
                // Progress earns a new set of attempts: large files outlive many connections.
                failures = if size(&part) > before { 1 } else { failures + 1 };
                if failures >= ATTEMPTS {
                    let error = Error::new(Kind::Input, format!("cannot download {url}: {message}"));
                    return Err(match size(&part) {
                        0 => error.hint("check the connection, or name a mirror with `--from`"),
                        there => error
                            .at(&part)
                            .hint(format!("run the same again: it goes on after the {there} bytes that are there")),
                    });
                }
            }
        }
    }
    let found = checksum(&part)?;
    if found != md5 {
        let _ = fs::remove_file(&part);
        let message = format!("{url} is not the published file: its MD5 is {found}, expected {md5}");
        return Err(Error::new(Kind::Input, message).hint("try again later, or name a mirror with `--from`"));
    }
    fs::rename(&part, target).map_err(|error| cannot_write(&error, target))
}

/// Why a request brought no whole file.
enum Fault {
    /// Another one might.
    Again(String),
    /// No other one will.
    Final(Error),
}

/// Asks for what is missing, and appends what comes.
fn attempt(agent: &Agent, url: &str, part: &Path, name: &str, progress: &mut dyn FnMut(Progress)) -> Result<(), Fault> {
    let there = size(part);
    let mut request = agent.get(url);
    if there > 0 {
        request = request.header("Range", format!("bytes={there}-"));
    }
    let mut response = request.call().map_err(|error| match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            Fault::Final(Error::new(Kind::Usage, format!("`{url}` is no address: {error}")))
        }
        other => Fault::Again(other.to_string()),
    })?;
    let begins = match response.status().as_u16() {
        200 => 0,
        206 if range_begins(&response) == Some(there) => there,
        // What is there is whole, or belongs to another file: the checksum will tell.
        416 if there > 0 => return Ok(()),
        status @ (408 | 429 | 500..=599) => return Err(Fault::Again(format!("the server answers {status}"))),
        status => {
            let error = Error::new(Kind::Input, format!("cannot download {url}: the server answers {status}"));
            return Err(Fault::Final(error.hint("name a mirror with `--from`")));
        }
    };
    let total = response.body().content_length().map(|rest| begins + rest);
    let cannot = |error: io::Error| Fault::Final(cannot_write(&error, part));
    let mut file = OpenOptions::new().create(true).append(true).open(part).map_err(cannot)?;
    if begins == 0 {
        file.set_len(0).map_err(cannot)?;
    }
    let mut bytes = begins;
    let mut body = response.body_mut().with_config().limit(u64::MAX).reader();
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::Again(error.to_string())),
        };
        bytes += count as u64;
        if bytes > LARGEST {
            let message = format!("{url} is larger than {LARGEST} bytes, and no published file is");
            return Err(Fault::Final(Error::new(Kind::Input, message)));
        }
        file.write_all(&buffer[..count]).map_err(cannot)?;
        progress(Progress { file: name, bytes, total });
    }
    file.sync_all().map_err(cannot)?;
    match total {
        Some(total) if bytes < total => {
            Err(Fault::Again(format!("the connection ended after {bytes} of {total} bytes")))
        }
        _ => Ok(()),
    }
}

/// The first byte that a partial answer has.
fn range_begins(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get("content-range")?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// The MD5 of a file, in hexadecimal digits.
fn checksum(path: &Path) -> Result<String> {
    let cannot = |error: io::Error| Error::new(Kind::Store, format!("cannot read the file: {error}")).at(path);
    let mut file = File::open(path).map_err(cannot)?;
    let mut hasher = Md5::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer).map_err(cannot)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn cannot_write(error: &io::Error, path: &Path) -> Error {
    Error::new(Kind::Store, format!("cannot write the file: {error}")).at(PathBuf::from(path))
}
