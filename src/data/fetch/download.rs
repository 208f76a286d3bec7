//! One file over HTTP. It grows under the name `….part`, so that what is there under its own name is whole; a download
//! that was cut off goes on where it stopped, if the server can do that.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use md5::{Digest, Md5};
use ureq::http::{Response, Uri};
use ureq::{Agent, Body};

use super::Progress;
use crate::error::{Error, Kind, Result};

/// How often a request that brought nothing new is made, and how long is waited before the next.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);

/// The most bytes of one file; the largest published one has 182 MB.
const LARGEST: u64 = 1 << 30;

const BUFFER: usize = 128 << 10;

/// Who asks servers for files. A server on this machine is asked without the `proxy`.
pub fn agent(proxy: Option<&ureq::Proxy>, url: &str) -> Agent {
    let host = url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
    let is_here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
    Agent::config_builder()
        .http_status_as_error(false)
        .proxy(proxy.filter(|_| !is_here).cloned())
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        // Also ends a connection over which nothing comes any more; a slow one goes on with another.
        .timeout_recv_body(Some(Duration::from_secs(900)))
        .user_agent(concat!("pleach/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

/// Downloads `url` to `target`, unless the right file is there.
///
/// # Errors
/// See [`super::fetch`].
pub fn download(agent: &Agent, url: &str, target: &Path, md5: &str, progress: &mut dyn FnMut(Progress)) -> Result<()> {
    if target.exists() {
        if target.is_file() && checksum(target)? == md5 {
            return Ok(());
        }
        let error = Error::new(Kind::Input, "a file of this name is there, and it is not the published one").at(target);
        return Err(error.hint("move it elsewhere, or download to another folder with `--to`"));
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let part = target.with_file_name(format!("{name}.part"));
    let cannot = |error: io::Error| cannot_write(&error, &part);
    let mut file = OpenOptions::new().create(true).append(true).open(&part).map_err(cannot)?;
    if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        let error = Error::new(Kind::LockTimeout, "another pleach is downloading this file").at(&part);
        return Err(error.hint("wait for it to end, or download to another folder with `--to`"));
    }
    // What an earlier call left may be the beginning of another file.
    let mut is_new = size(&file) == 0;
    loop {
        if let Err(error) = complete(agent, url, &mut file, &part, &name, progress) {
            if size(&file) == 0 {
                let _ = fs::remove_file(&part);
            }
            return Err(error);
        }
        let found = checksum(&part)?;
        if found == md5 {
            return fs::rename(&part, target).map_err(|error| cannot_write(&error, target));
        }
        if is_new {
            let _ = fs::remove_file(&part);
            let message = format!("{url} is not the published file: its MD5 is {found}, expected {md5}");
            return Err(Error::new(Kind::Input, message).hint("try again later, or name a mirror with `--from`"));
        }
        file.set_len(0).map_err(cannot)?;
        is_new = true;
    }
}

/// Makes requests until `file` has all that `url` has.
fn complete(
    agent: &Agent,
    url: &str,
    file: &mut File,
    part: &Path,
    name: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let mut failures = 0;
    loop {
        let before = size(file);
        match attempt(agent, url, file, part, name, progress) {
            Ok(()) => return Ok(()),
            Err(Fault::Final(error)) => {
                // What cannot be gone on with must not be in the way of the next call.
                if size(file) >= LARGEST {
                    let _ = fs::remove_file(part);
                }
                return Err(error);
            }
            Err(Fault::Again(message)) => {
                // Progress earns a new set of attempts: large files outlive many connections.
                failures = if size(file) > before { 1 } else { failures + 1 };
                if failures >= ATTEMPTS {
                    let error = Error::new(Kind::Input, format!("cannot download {url}: {message}"));
                    return Err(match size(file) {
                        0 => error.hint("check the connection, or name a mirror with `--from`"),
                        there => error
                            .at(part)
                            .hint(format!("run the same again: it goes on after the {there} bytes that are there")),
                    });
                }
                sleep(PAUSE * failures);
            }
        }
    }
}

/// Why a request brought no whole file.
enum Fault {
    /// Another one might.
    Again(String),
    /// No other one will.
    Final(Error),
}

/// Asks for what is missing, and appends what comes.
fn attempt(
    agent: &Agent,
    url: &str,
    file: &mut File,
    part: &Path,
    name: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Fault> {
    let there = size(file);
    let cannot = |error: io::Error| Fault::Final(cannot_write(&error, part));
    let mut request = agent.get(url);
    if there > 0 {
        request = request.header("Range", format!("bytes={there}-"));
    }
    let mut response = request.call().map_err(|error| match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            let error = Error::new(Kind::Usage, format!("`{url}` is no address: {error}"));
            Fault::Final(error.hint("it begins with `http://` or `https://`"))
        }
        other => Fault::Again(other.to_string()),
    })?;
    let begins = match response.status().as_u16() {
        200 => 0,
        206 if range_begins(&response) == Some(there) => there,
        206 => {
            file.set_len(0).map_err(cannot)?;
            return Err(Fault::Again("the server sends another part than was asked for".to_owned()));
        }
        // What is there is whole, or belongs to another file: the checksum will tell.
        416 if there > 0 => return Ok(()),
        status @ (408 | 429 | 500..=599) => return Err(Fault::Again(format!("the server answers {status}"))),
        status => {
            let error = Error::new(Kind::Input, format!("cannot download {url}: the server answers {status}"));
            return Err(Fault::Final(error.hint("name a mirror with `--from`")));
        }
    };
    let total = response.body().content_length().map(|rest| begins + rest);
    if begins == 0 {
        file.set_len(0).map_err(cannot)?;
    }
    let mut bytes = begins;
    let mut body = response.body_mut().with_config().limit(u64::MAX).reader();
    let mut buffer = vec![0; BUFFER];
    loop {
        if bytes.max(total.unwrap_or(0)) > LARGEST {
            file.set_len(0).map_err(cannot)?;
            let message = format!("{url} is larger than {LARGEST} bytes, and no published file is");
            return Err(Fault::Final(Error::new(Kind::Input, message).hint("name a mirror with `--from`")));
        }
        let count = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::Again(error.to_string())),
        };
        file.write_all(&buffer[..count]).map_err(cannot)?;
        bytes += count as u64;
        progress(Progress { url, file: name, bytes, total });
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

fn size(file: &File) -> u64 {
    file.metadata().map_or(0, |found| found.len())
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
    Error::new(Kind::Store, format!("cannot write the file: {error}")).at(path)
}
