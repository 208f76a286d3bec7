//! Damaged bytes for everything that reads bytes of others (`pleach::readers`): whatever they are, the answer comes soon, in
//! little memory, and is no panic.
//!
//! What is damaged are the files in `tests/fuzz/<reader>/` and some of the repository's own; files there that once did harm
//! stay there, and all are read as they are too. Which damage is done is a function of a seed, so that a failure can be
//! repeated. `cargo test` tries 20,000 inputs; a million:
//!
//! ```text
//! PLEACH_FUZZ_INPUTS=1000000 cargo test --release --test fuzz -- --nocapture
//! ```
//!
//! `PLEACH_FUZZ_SEED` makes others, `PLEACH_FUZZ_SECONDS` ends it after so long, `PLEACH_FUZZ_READER` tries one reader alone.

#![allow(missing_docs)]
// Tests make their own files; nothing of them has to survive a crash.
#![allow(clippy::disallowed_methods)]

#[path = "fuzz/corpus.rs"]
mod corpus;
#[path = "fuzz/mutate.rs"]
mod mutate;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pleach::readers::{ALL, Reader};

/// The most memory that reading one input may take at once. Manifests take most, of ten thousand stages some ten kilobytes
/// each; then images, of which 16 MiB of pixels are decoded whatever the size of the file, and brought into another form.
const MEMORY: usize = 128 << 20;

/// The most time that it may take; far more than it does, as other programs may have the processor.
const TIME: Duration = Duration::from_secs(20);

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is done by the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as the caller of this function promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller of this function promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What reading one input took.
struct Cost {
    bytes: usize,
    time: Duration,
}

/// Reads `input`, or says what was wrong with how that went.
fn read(reader: Reader, input: &[u8]) -> Result<Cost, String> {
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let begun = Instant::now();
    let answer = catch_unwind(AssertUnwindSafe(|| reader(input)));
    let time = begun.elapsed();
    let bytes = MOST.load(Ordering::Relaxed).saturating_sub(before);
    match answer {
        Err(_) => Err("it panicked".to_owned()),
        // Some readers catch panics themselves, as the second of two defences.
        Ok(Err(error)) if error.message.contains("panicked") => Err("it panicked inside".to_owned()),
        Ok(Err(error)) if error.message.trim().is_empty() => Err("its error says nothing".to_owned()),
        Ok(_) if bytes > MEMORY => Err(format!("it took {} MiB", bytes >> 20)),
        Ok(_) if time > TIME => Err(format!("it took {time:?}")),
        Ok(_) => Ok(Cost { bytes, time }),
    }
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")))
}

/// Keeps an input that did harm, and ends the test.
fn harmful(name: &str, input: &[u8], why: &str) -> ! {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(&blake3::hash(input).to_hex()[..16]);
    std::fs::write(&path, input).unwrap();
    panic!("{name}: {why}\nthe input is {}; when mended, keep it in tests/fuzz/{name}/", path.display());
}

// One test, as the count of memory is of the whole process.
#[test]
fn damaged_bytes_are_refused_in_little_memory_and_time() {
    let inputs = setting("PLEACH_FUZZ_INPUTS").unwrap_or(20_000);
    let seed = setting("PLEACH_FUZZ_SEED").unwrap_or(1);
    let deadline = setting("PLEACH_FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let only = std::env::var("PLEACH_FUZZ_READER").ok();
    let readers: Vec<_> = ALL.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name)).collect();
    assert!(!readers.is_empty(), "there is no such reader");
    // Panics are told with their input.
    std::panic::set_hook(Box::new(|_| {}));
    let mut tried = 0;
    let (mut lines, mut useless) = (String::new(), Vec::new());
    for (name, reader) in &readers {
        let corpus = corpus::of(name);
        let (mut good, mut memory, mut slowest) = (0, 0, Duration::ZERO);
        let mut attempt = |input: &[u8]| match read(*reader, input) {
            Ok(cost) => {
                memory = memory.max(cost.bytes);
                slowest = slowest.max(cost.time);
            }
            Err(why) => {
                let _ = std::panic::take_hook();
                harmful(name, input, &why);
            }
        };
        for input in &corpus {
            attempt(input);
            good += usize::from(reader(input).is_ok());
        }
        let mut random = mutate::Random::new(seed, name);
        for _ in 0..inputs / readers.len() as u64 {
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                break;
            }
            attempt(&mutate::damaged(&corpus, &mut random, name));
            tried += 1;
        }
        let (corpus, memory) = (corpus.len(), memory >> 10);
        lines += &format!("{name:12} {corpus:3} files, {good:3} good; at most {memory:6} KiB and {slowest:?}\n");
        if good == 0 {
            useless.push(name);
        }
    }
    let _ = std::panic::take_hook();
    assert!(useless.is_empty(), "what is damaged should be good before: {useless:?}");
    let _ = writeln!(std::io::stderr(), "{tried} inputs\n{lines}");
}
