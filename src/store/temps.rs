//! Files that are being written, and what is left of them when their writer died.
//!
//! A temp is named `<machine>-<pid>-<number>`. One whose process is gone is an orphan at once; one of another machine or
//! container, whose processes cannot be seen from here, is an orphan after an hour without a write.

use super::files;
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// How long a temp that nobody is known to hold may lie without a write.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A name that no other writer uses.
pub(super) fn name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}-{}", machine(), std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Removes what dead writers left in `folder`, and says how many. Best effort: what cannot be removed now can later.
pub(super) fn sweep(folder: &Path, dry_run: bool) -> u64 {
    let mut swept = 0;
    for name in files::list(folder).unwrap_or_default() {
        let path = folder.join(&name);
        if orphan(&path, &name.to_string_lossy()) && (dry_run || files::remove(&path).is_ok()) {
            swept += 1;
        }
    }
    swept
}

fn orphan(path: &Path, name: &str) -> bool {
    let dead = owner(name).is_some_and(|pid| !alive(pid));
    dead || files::stat(path).is_ok_and(|found| found.modified().is_ok_and(|time| age(time) > ABANDONED))
}

/// The process that a name says, if it is one of this machine.
pub(super) fn owner(name: &str) -> Option<i32> {
    let mut parts = name.split('-');
    let here = parts.next()? == machine();
    let pid = parts.next()?.parse().ok()?;
    here.then_some(pid)
}

/// Whether a process of this number exists on this machine.
pub(super) fn alive(pid: i32) -> bool {
    use rustix::io::Errno;
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

/// How long ago `time` was. What lies in the future is taken as now, as clocks differ between machines and are stepped.
pub(super) fn age(time: SystemTime) -> Duration {
    SystemTime::now().duration_since(time).unwrap_or_default()
}

/// Eight digits for this boot of this machine and this container: the set of processes that can be asked after by number.
fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let boot = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&boot).update(namespace.as_os_str().as_encoded_bytes());
        hasher.finalize().to_hex()[..8].to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn only_orphans_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str, time: SystemTime| {
            File::create(folder.path().join(name)).unwrap().set_modified(time).unwrap();
        };
        let now = SystemTime::now();
        let old = now - Duration::from_secs(3700);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        place(&name(), now);
        place(&format!("{}-{}-0", machine(), child.id()), now); // its process is gone
        place("elsewhere-1-0", now);
        place("elsewhere-2-0", now + Duration::from_secs(7200)); // the future counts as now
        place("elsewhere-3-0", old);
        place("no name of ours", old);
        place("epoch-1-1", SystemTime::UNIX_EPOCH);
        assert_eq!(sweep(folder.path(), true), 4);
        assert_eq!(files::list(folder.path()).unwrap().len(), 7);
        assert_eq!(sweep(folder.path(), false), 4);
        assert_eq!(files::list(folder.path()).unwrap().len(), 3);
        assert_eq!(sweep(&folder.path().join("absent"), false), 0);
    }

    #[test]
    fn this_process_is_alive() {
        assert!(alive(std::process::id() as i32));
        assert!(!alive(0));
    }
}
