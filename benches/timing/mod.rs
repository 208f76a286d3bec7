//! Times of several runs, and their median with the range around it.

use std::time::Instant;

/// Whether the program was started by `cargo bench`; under `cargo test --benches` there is nothing to do.
pub fn asked() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Whether a part of the program was asked for by name, or everything was.
#[allow(dead_code, reason = "one of the programs that share this file has no parts")]
pub fn wanted(part: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|name| name == part)
}

/// Whether `name` has one of the words that were given, or none were.
#[allow(dead_code, reason = "one of the programs that share this file has few enough parts to name them in full")]
pub fn mentioned(name: &str) -> bool {
    let mut words = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    words.peek().is_none() || words.any(|word| name.contains(&word))
}

/// Seconds: median, fastest and slowest.
#[allow(dead_code, reason = "one of the programs that share this file counts images a second")]
pub struct Times {
    pub median: f64,
    pub fastest: f64,
    pub slowest: f64,
}

#[allow(dead_code, reason = "as above")]
impl Times {
    /// Of seconds measured elsewhere; at least one.
    pub fn new(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        Self { median: seconds[seconds.len() / 2], fastest: seconds[0], slowest: seconds[seconds.len() - 1] }
    }

    /// Of `runs` calls, after one that is not counted.
    pub fn of<T>(runs: usize, mut work: impl FnMut() -> T) -> Self {
        work();
        let once = |_| {
            let begun = Instant::now();
            let result = work();
            let seconds = begun.elapsed().as_secs_f64();
            drop(result);
            seconds
        };
        Self::new((0..runs).map(once).collect())
    }

    /// `median (fastest to slowest)`, in milliseconds.
    pub fn milliseconds(&self) -> String {
        let words = |seconds: f64| match 1e3 * seconds {
            small if small < 10.0 => format!("{small:.3}"),
            middle if middle < 1000.0 => format!("{middle:.1}"),
            large => format!("{large:.0}"),
        };
        format!("{} ({} to {})", words(self.median), words(self.fastest), words(self.slowest))
    }
}
