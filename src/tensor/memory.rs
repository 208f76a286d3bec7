//! How much memory this process can have without the machine swapping, or a container's limit ending it.

use std::fmt;
use std::fs;
use std::path::Path;

use crate::number::bytes;

/// Memory of a device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What can be had now.
    pub free: u64,
    /// What there is.
    pub all: u64,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} are free", bytes(self.free), bytes(self.all))
    }
}

/// What is free, or would be once caches are dropped: the least of what the machine (`/proc/meminfo`), the control groups
/// that the process is in (version 1 or 2) and the limit on its address space (`ulimit -v`) leave. `None` where there are
/// no such files.
pub fn of_machine() -> Option<Memory> {
    of_machine_below(Path::new("/")).into_iter().chain(address_space()).min_by_key(|memory| memory.free)
}

/// What the limit on this process's address space leaves, if there is one.
fn address_space() -> Option<Memory> {
    let all = rustix::process::getrlimit(rustix::process::Resource::As).current?;
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split(' ').next()?.parse().ok()?;
    Some(Memory { free: all.saturating_sub(pages.saturating_mul(rustix::param::page_size() as u64)), all })
}

fn of_machine_below(root: &Path) -> Option<Memory> {
    let machine = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| machine(&text));
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let left = groups.lines().flat_map(|line| group(root, line).unwrap_or_default());
    machine.into_iter().chain(left).min_by_key(|memory| memory.free)
}

/// The most that this process could ever have: the least of the machine's memory and the limits of its control groups, each
/// with the swap space, and of the limit of its address space (`ulimit -v`). `None` where nothing says.
pub fn most() -> Option<u64> {
    most_below(Path::new("/")).into_iter().chain(address_space().map(|memory| memory.all)).min()
}

fn most_below(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let left = groups.lines().flat_map(|line| group(root, line).unwrap_or_default());
    let least = machine(&text).into_iter().chain(left).map(|memory| memory.all).min()?;
    Some(least.saturating_add(entry(&text, "SwapTotal:").unwrap_or(0)))
}

/// From `MemAvailable:   22893416 kB` and `MemTotal`.
fn machine(text: &str) -> Option<Memory> {
    Some(Memory { free: entry(text, "MemAvailable:")?, all: entry(text, "MemTotal:")? })
}

/// Bytes of a line such as `MemTotal: 24000000 kB`.
fn entry(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// What a control group and those above it have left, from a line such as `0::/user.slice` or `4:memory:/docker/abc`.
fn group(root: &Path, line: &str) -> Option<Vec<Memory>> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let (mount, limit, usage, inactive) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "),
        other if other.split(',').any(|name| name == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
        }
        _ => return None,
    };
    let mount = root.join(mount);
    // Inside a container the path may be the host's, and only the mount itself is there.
    let left = Path::new(path.trim_start_matches('/')).ancestors().filter_map(|group| {
        let read = |name: &str| fs::read_to_string(mount.join(group).join(name)).ok();
        let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
        // Files that were read once are counted as used, and are the first to go.
        let cached = read("memory.stat")
            .and_then(|text| text.lines().find_map(|line| line.strip_prefix(inactive)?.trim().parse::<u64>().ok()));
        let all = number(limit)?;
        Some(Memory { free: all.saturating_sub(number(usage)?.saturating_sub(cached.unwrap_or(0))), all })
    });
    Some(left.collect())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "files that stand in for the kernel's")]
mod tests {
    use super::*;

    fn made(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:  24000000 kB\nMemAvailable:   1000000 kB\n");

    #[test]
    fn the_least_of_machine_and_groups() {
        let found =
            |files: &[(&str, &str)]| of_machine_below(made(files).path()).map(|memory| [memory.free, memory.all]);
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[MEMINFO]), Some([1_024_000_000, 24_576_000_000]));
        let most = |files: &[(&str, &str)]| most_below(made(files).path());
        assert_eq!(most(&[MEMINFO]), Some(24_576_000_000));
        assert_eq!(most(&[("proc/meminfo", "MemTotal: 9 kB\nMemAvailable: 1 kB\nSwapTotal: 2 kB\n")]), Some(11 * 1024));
        let second = [
            MEMINFO,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.current", "5\n"),
            ("sys/fs/cgroup/a/memory.max", "1000\n"),
            ("sys/fs/cgroup/a/memory.current", "700\n"),
            ("sys/fs/cgroup/a/memory.stat", "anon 600\ninactive_file 90\n"),
        ];
        assert_eq!(most(&second), Some(1000));
        assert_eq!(found(&second), Some([390, 1000]), "a limit above the group counts, and caches do not");
        let first = [
            MEMINFO,
            ("proc/self/cgroup", "5:cpu:/x\n4:memory:/host/path\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "2500\n"),
            ("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 100\n"),
        ];
        assert_eq!(found(&first), Some([0, 2000]), "the group's path is not seen in its container");
        let unlimited = [
            MEMINFO,
            ("proc/self/cgroup", "4:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "2500\n"),
        ];
        assert_eq!(found(&unlimited), Some([1_024_000_000, 24_576_000_000]));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_some() {
        assert!(of_machine().is_some_and(|memory| memory.free > 1 << 20 && memory.free < memory.all));
    }
}
