//! How much memory this process can have without the machine swapping, or a container's limit ending it.

use std::fmt;
use std::fs;
use std::path::Path;

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
        let mebibytes = |bytes: u64| bytes >> 20;
        write!(f, "{} MiB of {} MiB are free", mebibytes(self.free), mebibytes(self.all))
    }
}

/// What is free, or would be once caches are dropped: the least of what the machine (`/proc/meminfo`) and the control
/// groups that the process is in (version 1 or 2) have left. `None` where there are no such files.
pub fn of_machine() -> Option<Memory> {
    of_machine_below(Path::new("/"))
}

fn of_machine_below(root: &Path) -> Option<Memory> {
    let machine = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| machine(&text));
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let left = groups.lines().flat_map(|line| group(root, line).unwrap_or_default());
    machine.into_iter().chain(left).min_by_key(|memory| memory.free)
}

/// From `MemAvailable:   22893416 kB` and `MemTotal`.
fn machine(text: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(Memory { free: bytes("MemAvailable:")?, all: bytes("MemTotal:")? })
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
        let second = [
            MEMINFO,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.current", "5\n"),
            ("sys/fs/cgroup/a/memory.max", "1000\n"),
            ("sys/fs/cgroup/a/memory.current", "700\n"),
            ("sys/fs/cgroup/a/memory.stat", "anon 600\ninactive_file 90\n"),
        ];
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
