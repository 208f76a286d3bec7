//! pleach against PyTorch on the same cores: images a second and the most memory, for training steps and for inference of
//! whole networks. `cargo bench --bench peer`; set PyTorch up and read the numbers with `benches/README.md`. Words choose
//! networks (`-- resnet-20 vgg`); options are
//!
//! ```text
//! --batch=128  --rounds=5  --seconds=3  --threads=1,2  --modes=training,inference
//! --against=nchw,channels-last,compiled      or none, for pleach alone
//! ```
//!
//! Both sides are processes of their own, one for each kind of work, and work in turn: in every round each side works for
//! so many seconds while all others wait. A rate is the median of the rounds with the lowest and the highest behind it.
//! The ratio is to PyTorch's fastest variant, round by round.

#![allow(missing_docs, reason = "a program")]
#![allow(clippy::print_stdout, reason = "its table is what it is for")]

#[path = "peer/steps.rs"]
mod steps;
mod timing;

use std::path::Path;
use std::process::Command;

use pleach::verify::networks;
use pleach::verify::peer::{Measured, Mode, PROGRAM, Request, Side};

/// The argument with which this program measures pleach, instead of asking others.
const SERVE: &str = "--serve";

/// The name of pleach among the variants.
const PLEACH: &str = "pleach";

fn main() {
    if std::env::args().any(|argument| argument == SERVE) {
        return steps::serve();
    }
    if !timing::asked() {
        return;
    }
    let options = Options::read();
    let mut rows = Vec::new();
    for (network, _) in networks::NETWORKS {
        if !timing::mentioned(&network.to_lowercase()) {
            continue;
        }
        for &mode in &options.modes {
            for &threads in &options.threads {
                println!("\n{network}, {}, {threads} thread{}", mode.name(), if threads == 1 { "" } else { "s" });
                rows.extend(compare(network, mode, threads, &options));
            }
        }
    }
    println!("\n| network | threads | pleach, images/s | {} | ratio to the fastest | memory, MiB |", options.heads());
    println!("|---|---|---|{}---|---|", "---|".repeat(options.against.len()));
    rows.iter().for_each(|row| println!("{row}"));
}

/// What the command line asks for.
struct Options {
    batch: usize,
    rounds: usize,
    seconds: f64,
    threads: Vec<usize>,
    modes: Vec<Mode>,
    /// PyTorch's variants.
    against: Vec<String>,
}

impl Options {
    fn read() -> Self {
        let list = |name: &str, usual: &str| -> Vec<String> {
            let prefix = format!("--{name}=");
            let given = std::env::args().find_map(|argument| argument.strip_prefix(&prefix).map(str::to_owned));
            given.as_deref().unwrap_or(usual).split(',').map(str::to_owned).collect()
        };
        let number = |text: &str| text.parse::<f64>().unwrap_or_else(|_| panic!("`{text}` is not a number"));
        let first = |name: &str, usual: &str| number(&list(name, usual)[0]);
        let mode = |name: &String| match name.as_str() {
            "training" => Mode::Training,
            "inference" => Mode::Inference,
            other => panic!("`{other}` is neither training nor inference"),
        };
        let mut against = list("against", "nchw,channels-last,compiled");
        against.retain(|variant| variant != "none");
        Self {
            batch: (first("batch", "128") as usize).max(1),
            rounds: (first("rounds", "5") as usize).max(1),
            seconds: first("seconds", "3"),
            threads: list("threads", "1,2").iter().map(|count| (number(count) as usize).max(1)).collect(),
            modes: list("modes", "training,inference").iter().map(mode).collect(),
            against,
        }
    }

    fn heads(&self) -> String {
        self.against.iter().map(|variant| format!("PyTorch, {variant}")).collect::<Vec<_>>().join(" | ")
    }
}

/// One side at one kind of work.
struct Entrant {
    name: String,
    request: Request,
    side: Result<Side, String>,
    rounds: Vec<Measured>,
}

impl Entrant {
    fn new(name: &str, request: Request) -> Self {
        let mut command = match name {
            PLEACH => {
                let mut command = Command::new(std::env::current_exe().expect("this program's own path"));
                command.arg(SERVE);
                command
            }
            _ => {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer");
                let python = std::env::var_os("PLEACH_PYTHON").unwrap_or_else(|| folder.join("venv/bin/python").into());
                let mut command = Command::new(python);
                command.args(["-c", PROGRAM]).env("OMP_NUM_THREADS", request.threads.to_string());
                command
            }
        };
        Self { name: name.to_owned(), request, side: Side::start(&mut command), rounds: Vec::new() }
    }

    /// Works for a round. A side that fails once is not asked again.
    fn work(&mut self) {
        if let Ok(side) = &mut self.side {
            match side.ask(&self.request) {
                Ok(measured) => self.rounds.push(measured),
                Err(error) => self.side = Err(error),
            }
        }
    }

    /// Its last round, if it has done all.
    fn last(&self) -> Option<&Measured> {
        self.side.as_ref().ok().and_then(|_| self.rounds.last())
    }

    fn rate(&self) -> Spread {
        Spread::of(self.rounds.iter().map(|measured| measured.images_per_second))
    }

    fn cell(&self) -> String {
        self.last().map_or("failed".to_owned(), |_| self.rate().words(0))
    }
}

/// Measures one kind of work on all sides, tells how it went, and gives a line of the table; none if pleach failed.
fn compare(network: &str, mode: Mode, threads: usize, options: &Options) -> Option<String> {
    let entrant = |variant: &str| {
        let (network, variant) = (network.to_owned(), variant.to_owned());
        let device = "cpu".to_owned();
        let request =
            Request { network, variant, device, mode, threads, batch: options.batch, seconds: options.seconds };
        Entrant::new(&request.variant.clone(), request)
    };
    let mut all: Vec<Entrant> = options.against.iter().map(String::as_str).chain([PLEACH]).map(entrant).collect();
    for _ in 0..options.rounds {
        all.iter_mut().for_each(Entrant::work);
    }
    for entrant in &all {
        match (&entrant.side, entrant.last()) {
            (_, Some(last)) => println!(
                "  {:<14} {:>24} images/s, at most {:>5} MiB, {:>4} MiB before there was a network",
                entrant.name,
                entrant.rate().words(0),
                last.peak / 1024,
                last.before / 1024
            ),
            (Err(error), None) => println!("  {:<14} failed: {error}", entrant.name),
            (Ok(_), None) => {}
        }
    }
    let ours = all.pop()?;
    let mine = ours.last()?;
    let theirs = all.iter().filter(|entrant| entrant.last().is_some());
    let best = theirs.max_by(|a, b| a.rate().median.total_cmp(&b.rate().median));
    let (mut ratio, mut memory) = ("".to_owned(), (mine.peak / 1024).to_string());
    if let Some((best, last)) = best.and_then(|best| Some((best, best.last()?))) {
        for (what, here, there) in [
            ("parameters", mine.parameters, last.parameters),
            ("multiplications an image", mine.multiplications, last.multiplications),
        ] {
            if here != there {
                println!("  ERROR: these are different networks: {here} {what} here and {there} in PyTorch");
            }
        }
        let rounds = ours.rounds.iter().zip(&best.rounds);
        ratio = Spread::of(rounds.map(|(here, there)| here.images_per_second / there.images_per_second)).words(2);
        memory = format!("{} of {}", mine.peak / 1024, last.peak / 1024);
        println!("  {ratio} times PyTorch's {}; memory {memory} MiB", best.name);
    }
    let cells: Vec<String> = all.iter().map(|entrant| format!("{} | ", entrant.cell())).collect();
    let work = format!("{network}, {}", mode.name());
    Some(format!("| {work} | {threads} | {} | {}{ratio} | {memory} |", ours.cell(), cells.concat()))
}

/// Several values of one thing: the median, the lowest and the highest.
struct Spread {
    median: f64,
    low: f64,
    high: f64,
}

impl Spread {
    /// Of at least one value.
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self { median: values[values.len() / 2], low: values[0], high: values[values.len() - 1] }
    }

    /// `median (low to high)`, with so many decimals.
    fn words(&self, decimals: usize) -> String {
        format!("{:.decimals$} ({:.decimals$} to {:.decimals$})", self.median, self.low, self.high)
    }
}
