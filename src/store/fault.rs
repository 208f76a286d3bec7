//! Faults on purpose, for tests: the *n*-th operation on the file system fails, writes short, or ends the process; or a
//! device has no memory for the *n*-th tensor.
//!
//! Every operation of `files.rs` calls `point`, and the processor `is_full` for every tensor. Without the cargo feature `fault-injection` that is an
//! empty inlined function and nothing else of this file exists.

use std::path::Path;

/// What an operation on the file system does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Opens a file that is there.
    Open,
    /// Makes a file.
    Create,
    /// Reads from a file.
    Read,
    /// Writes to a file, or cuts it.
    Write,
    /// Makes a file or folder durable.
    Sync,
    /// Sets permissions or times.
    Mark,
    /// Gives a file another name.
    Rename,
    /// Removes a file.
    Unlink,
    /// Makes a folder.
    MakeDirectory,
    /// Reads a folder.
    List,
    /// Asks for size, owner and times.
    Stat,
    /// Takes a lock.
    Lock,
    /// Takes memory of a device; no operation on the file system, and hit only if it is named.
    Allocate,
}

#[cfg(not(feature = "fault-injection"))]
mod absent {
    use super::*;

    #[inline(always)]
    pub(in super::super) fn point(_: Operation, _: &Path, _: Option<&Path>) -> std::io::Result<()> {
        Ok(())
    }

    /// How many of `length` bytes the next write may write.
    #[inline(always)]
    pub(in super::super) fn write_length(length: usize) -> usize {
        length
    }

    /// Whether a device has no memory for a tensor.
    #[inline(always)]
    pub(crate) fn is_full() -> bool {
        false
    }
}
#[cfg(not(feature = "fault-injection"))]
pub(crate) use absent::is_full;
#[cfg(not(feature = "fault-injection"))]
pub(super) use absent::{point, write_length};

#[cfg(feature = "fault-injection")]
pub(crate) use present::is_full;
#[cfg(feature = "fault-injection")]
pub use present::{Armed, Effect, Mode, Scope, Step, arm, arm_thread, disarm, log_to, parse};
#[cfg(feature = "fault-injection")]
pub(super) use present::{point, write_length};

#[cfg(feature = "fault-injection")]
mod present {
    use super::*;
    use crate::error::{Error, Kind, Result};
    use crate::store::held;
    use rustix::io::Errno;
    use std::cell::{Cell, RefCell};
    use std::fs::{File, OpenOptions};
    use std::io::{self, Write};
    use std::path::PathBuf;
    use std::rc::Rc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, OnceLock};

    /// Which operation is hit, and what happens then.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Mode {
        /// What happens.
        pub effect: Effect,
        /// To which operation, counted from 1 among those in `scope`.
        pub at: u64,
        /// Which operations count.
        pub scope: Scope,
    }

    /// What happens to the operation that is hit.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Effect {
        /// It fails once, with this `errno`.
        Fail(i32),
        /// It and all later ones fail with this `errno`.
        FailFrom(i32),
        /// The process aborts before it.
        Abort,
        /// The first write from it on writes half of its bytes and says so, as a kernel may.
        Short,
    }

    /// Which operations are counted and hit.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Scope {
        /// Every one on the file system.
        All,
        /// Those that change the file system.
        Changes,
        /// Those of one sort.
        Only(Operation),
    }

    impl Scope {
        fn holds(self, operation: Operation) -> bool {
            use Operation::*;
            match self {
                Scope::All => operation != Allocate,
                Scope::Changes => matches!(operation, Create | Write | Mark | Rename | Unlink | MakeDirectory),
                Scope::Only(one) => one == operation,
            }
        }
    }

    /// One operation that was let through.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Step {
        /// What it was.
        pub operation: Operation,
        /// The file or folder.
        pub path: PathBuf,
        /// For a rename: the new name.
        pub to: Option<PathBuf>,
    }

    /// A mode with its counters.
    #[derive(Debug)]
    struct Plan {
        mode: Mode,
        under: Option<PathBuf>,
        seen: AtomicU64,
        hits: AtomicU64,
        first_hit: Mutex<Option<Operation>>,
    }

    impl Plan {
        fn new(mode: Mode, under: Option<&Path>) -> Self {
            let under = under.map(Path::to_owned);
            Self { mode, under, seen: AtomicU64::new(0), hits: AtomicU64::new(0), first_hit: Mutex::new(None) }
        }

        fn point(&self, operation: Operation, path: &Path) -> io::Result<()> {
            let elsewhere = self.under.as_ref().is_some_and(|under| !path.starts_with(under));
            if elsewhere || !self.mode.scope.holds(operation) {
                return Ok(());
            }
            let number = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
            let errno = match self.mode.effect {
                Effect::Fail(errno) if number == self.mode.at => errno,
                Effect::FailFrom(errno) if number >= self.mode.at => errno,
                Effect::Abort if number == self.mode.at => std::process::abort(),
                _ => return Ok(()),
            };
            self.hits.fetch_add(1, Ordering::SeqCst);
            held(&self.first_hit).get_or_insert(operation);
            Err(io::Error::from_raw_os_error(errno))
        }

        fn write_length(&self, length: usize) -> usize {
            let due = self.mode.effect == Effect::Short && self.seen.load(Ordering::SeqCst) >= self.mode.at;
            if due && length > 1 && self.hits.fetch_add(1, Ordering::SeqCst) == 0 { length / 2 } else { length }
        }
    }

    static PROCESS: Mutex<Option<Plan>> = Mutex::new(None);

    thread_local! {
        static THREAD: RefCell<Option<Rc<Plan>>> = const { RefCell::new(None) };
        static STEPS: RefCell<Vec<Step>> = const { RefCell::new(Vec::new()) };
        static TRACING: Cell<bool> = const { Cell::new(false) };
    }

    fn process() -> std::sync::MutexGuard<'static, Option<Plan>> {
        held(&PROCESS)
    }

    /// Arms `mode` for the operations of all threads of this process, counted from now.
    pub fn arm(mode: Mode) {
        *process() = Some(Plan::new(mode, None));
    }

    /// Ends what [`arm`] began.
    pub fn disarm() {
        *process() = None;
    }

    /// Arms `mode` for this thread alone until the result is dropped; for operations on paths below `under`, if given.
    /// It also keeps a trace of the operations that were let through.
    pub fn arm_thread(mode: Mode, under: Option<&Path>) -> Armed {
        let plan = Rc::new(Plan::new(mode, under));
        THREAD.set(Some(plan.clone()));
        STEPS.take();
        TRACING.set(true);
        Armed { plan }
    }

    /// A fault armed for one thread.
    #[derive(Debug)]
    pub struct Armed {
        plan: Rc<Plan>,
    }

    impl Armed {
        /// How many operations were hit so far.
        pub fn hits(&self) -> u64 {
            self.plan.hits.load(Ordering::SeqCst)
        }

        /// The first operation that failed.
        pub fn first_hit(&self) -> Option<Operation> {
            *held(&self.plan.first_hit)
        }

        /// The operations let through so far, in order.
        pub fn steps(&self) -> Vec<Step> {
            STEPS.with_borrow(Clone::clone)
        }
    }

    impl Drop for Armed {
        fn drop(&mut self) {
            THREAD.set(None);
            TRACING.set(false);
        }
    }

    static LOG: OnceLock<File> = OnceLock::new();

    /// Adds a line to `path` for every operation of this process from now on that changes the file system, before it is
    /// carried out: what it is, its path and, for a rename, the new name, with tabs between. Syncs are left out: whether
    /// there was one, only the kernel knows.
    pub fn log_to(path: &Path) -> Result<()> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| Error::new(Kind::Usage, format!("cannot write a log: {error}")).at(path))?;
        let _ = LOG.set(file);
        Ok(())
    }

    fn log(mut file: &File, operation: Operation, path: &Path, to: Option<&Path>) -> io::Result<()> {
        let to = to.map_or(String::new(), |to| to.display().to_string());
        file.write_all(format!("{operation:?}\t{}\t{to}\n", path.display()).as_bytes())
    }

    pub(in super::super) fn point(operation: Operation, path: &Path, to: Option<&Path>) -> io::Result<()> {
        if let Some(plan) = THREAD.with_borrow(Clone::clone) {
            plan.point(operation, path)?;
        }
        if let Some(plan) = process().as_ref() {
            plan.point(operation, path)?;
        }
        if let Some(file) = LOG.get().filter(|_| Scope::Changes.holds(operation)) {
            log(file, operation, path, to)?;
        }
        if TRACING.get() {
            let step = Step { operation, path: path.to_owned(), to: to.map(Path::to_owned) };
            STEPS.with_borrow_mut(|steps| steps.push(step));
        }
        Ok(())
    }

    /// How many of `length` bytes the next write may write.
    pub(in super::super) fn write_length(length: usize) -> usize {
        let length = THREAD.with_borrow(|plan| plan.as_ref().map_or(length, |plan| plan.write_length(length)));
        process().as_ref().map_or(length, |plan| plan.write_length(length))
    }

    /// Whether a device has no memory for a tensor.
    pub(crate) fn is_full() -> bool {
        let fails = |plan: &Plan| plan.point(Operation::Allocate, Path::new("")).is_err();
        process().as_ref().is_some_and(fails)
    }

    /// A mode from text: `fail:N:ERRNO`, `fail-from:N:ERRNO`, `abort:N` or `short:N`, each with an optional last part
    /// that says which operations count: `changes`, or one of `open`, `create`, `read`, `write`, `sync`, `mark`,
    /// `rename`, `unlink`, `make-directory`, `list`, `stat`, `lock`, `allocate`. [`Kind::Usage`] for any other text.
    pub fn parse(text: &str) -> Result<Mode> {
        let wrong = || {
            Error::new(Kind::Usage, format!("`{text}` is not a fault"))
                .hint("examples: fail:5:ENOSPC, fail-from:1:ENOTSUP:lock, abort:17, short:3")
        };
        let mut parts = text.split(':');
        let name = parts.next().ok_or_else(wrong)?;
        let at = parts.next().and_then(|part| part.parse().ok()).filter(|at| *at > 0).ok_or_else(wrong)?;
        let mut errno = || parts.next().and_then(errno).ok_or_else(wrong);
        let effect = match name {
            "fail" => Effect::Fail(errno()?),
            "fail-from" => Effect::FailFrom(errno()?),
            "abort" => Effect::Abort,
            "short" => Effect::Short,
            _ => return Err(wrong()),
        };
        let scope = match parts.next() {
            None => Scope::All,
            Some("changes") => Scope::Changes,
            Some(part) => Scope::Only(operation(part).ok_or_else(wrong)?),
        };
        if parts.next().is_some() { Err(wrong()) } else { Ok(Mode { effect, at, scope }) }
    }

    fn errno(name: &str) -> Option<i32> {
        let errno = match name {
            "EACCES" => Errno::ACCESS,
            "EDQUOT" => Errno::DQUOT,
            "EINVAL" => Errno::INVAL,
            "EIO" => Errno::IO,
            "EMFILE" => Errno::MFILE,
            "ENOENT" => Errno::NOENT,
            "ENOLCK" => Errno::NOLCK,
            "ENOMEM" => Errno::NOMEM,
            "ENOSPC" => Errno::NOSPC,
            "ENOTSUP" => Errno::OPNOTSUPP,
            "EPERM" => Errno::PERM,
            "EROFS" => Errno::ROFS,
            _ => return None,
        };
        Some(errno.raw_os_error())
    }

    fn operation(name: &str) -> Option<Operation> {
        Some(match name {
            "open" => Operation::Open,
            "create" => Operation::Create,
            "read" => Operation::Read,
            "write" => Operation::Write,
            "sync" => Operation::Sync,
            "mark" => Operation::Mark,
            "rename" => Operation::Rename,
            "unlink" => Operation::Unlink,
            "make-directory" => Operation::MakeDirectory,
            "list" => Operation::List,
            "stat" => Operation::Stat,
            "lock" => Operation::Lock,
            "allocate" => Operation::Allocate,
            _ => return None,
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn modes_are_read_from_text() {
            let mode = |effect, at, scope| Mode { effect, at, scope };
            assert_eq!(parse("abort:17").unwrap(), mode(Effect::Abort, 17, Scope::All));
            assert_eq!(parse("fail:5:ENOSPC").unwrap(), mode(Effect::Fail(28), 5, Scope::All));
            assert_eq!(parse("fail-from:5:EIO:changes").unwrap(), mode(Effect::FailFrom(5), 5, Scope::Changes));
            let full = mode(Effect::Fail(12), 2, Scope::Only(Operation::Allocate));
            assert_eq!(parse("fail:2:ENOMEM:allocate").unwrap(), full);
            assert_eq!(parse("short:3:write").unwrap(), mode(Effect::Short, 3, Scope::Only(Operation::Write)));
            for bad in
                ["", "abort", "abort:0", "abort:x", "fail:5", "fail:5:EWHAT", "melt:1", "abort:1:all", "abort:1:open:x"]
            {
                assert_eq!(parse(bad).unwrap_err().kind, Kind::Usage, "{bad}");
            }
        }
    }
}
