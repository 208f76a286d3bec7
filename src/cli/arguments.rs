//! What can be written on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command as Parsed, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::{help, home};
use crate::tensor::engine::Precision;

/// Trains, distils and prunes neural networks from one declarative file, and runs again only what changed.
#[derive(Debug, Parser)]
#[command(
    name = "pleach",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = help::PLEACH
)]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// Which command.
    #[command(subcommand)]
    pub command: Command,
}

/// The heading of what every command takes.
const STORE: &str = "Store";

/// Commands that have nothing to do with the store. They take its options too, as those can stand before the command, but do not
/// show them.
const WITHOUT_STORE: [&str; 8] = ["check", "layers", "graph", "data", "devices", "completions", "schema", "init"];

/// The command line as it is parsed and shown.
pub fn command() -> Parsed {
    let command = Arguments::command();
    let of_store: Vec<_> =
        command.get_arguments().filter(|argument| argument.get_help_heading() == Some(STORE)).cloned().collect();
    let hidden = |name: &Parsed| name.clone().args(of_store.iter().map(|argument| argument.clone().hide(true)));
    WITHOUT_STORE.into_iter().fold(command, |command, name| command.mut_subcommand(name, |of| hidden(&of)))
}

/// Parses the command line.
///
/// # Errors
/// Also when help or the version was asked for.
pub fn parse() -> Result<Arguments, clap::Error> {
    Arguments::from_arg_matches(&command().try_get_matches()?)
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// The store's folder [default: $PLEACH_CACHE, else `cache`]
    #[arg(long, global = true, help_heading = STORE, value_name = "DIR", value_parser = home::path())]
    pub cache: Option<PathBuf>,
    /// Fail when the store cannot be written, also where nothing is to be
    #[arg(long, global = true, help_heading = STORE)]
    pub require_cache_write: bool,
    /// Use a store that belongs to somebody else or that anybody can write
    #[arg(long, global = true, help_heading = STORE)]
    pub trust_cache: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run what is missing, and print the results
    #[command(after_help = help::RUN)]
    Run(Run),
    /// Show what a run would do and why, without doing it
    #[command(after_help = help::PLAN)]
    Plan(Plan),
    /// Show everything a stage's key is made of, and how it differs from the nearest earlier result
    #[command(after_help = help::EXPLAIN)]
    Explain(Explain),
    /// Validate manifests
    #[command(after_help = help::CHECK)]
    Check(Check),
    /// Show the layers of networks, with the names that losses, penalties and methods take
    #[command(after_help = help::LAYERS)]
    Layers(Layers),
    /// Show the stages and what they take from each other
    #[command(after_help = help::GRAPH)]
    Graph(Graph),
    /// Print the results that are in the store
    #[command(after_help = help::REPORT)]
    Report(Report),
    /// Write a stage's network to a file
    #[command(after_help = help::EXPORT)]
    Export(Export),
    /// Look after the store
    #[command(after_help = help::CACHE)]
    Cache(Cache),
    /// List, check and download data sets
    #[command(after_help = help::DATA)]
    Data(Data),
    /// List the devices to compute on, check that they compute rightly, and measure them
    #[command(after_help = help::DEVICES)]
    Devices(Devices),
    /// Print a completion script for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions(Completions),
    /// Print the JSON Schema of manifests, for editors
    #[command(after_help = help::SCHEMA)]
    Schema,
    /// Write a first manifest
    #[command(after_help = help::INIT)]
    Init(Init),
}

/// A manifest and what is laid over it.
#[derive(Debug, Args)]
pub struct Manifest {
    /// The manifest, a TOML file; `-` for standard input
    #[arg(value_name = "MANIFEST", value_parser = home::path())]
    pub path: PathBuf,
    /// Lay a value over the manifest, such as `stages.student.epochs=3`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// A part of a matrix.
#[derive(Debug, Args)]
pub struct Only {
    /// Only the part of the matrix with these values, such as `criterion=l1,seed=1`
    #[arg(long, value_name = "AXIS=VALUE", value_delimiter = ',')]
    pub only: Vec<String>,
}

/// `pleach run`.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub manifest: Manifest,
    /// Only these stages and what they need
    #[arg(value_name = "STAGE")]
    pub stages: Vec<String>,
    #[command(flatten)]
    pub only: Only,
    /// Stages at once [default: 1, or one a GPU]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Threads of all stages together [default: one a core]. Results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Memory that stages running at once may take together, such as 8G [default: 0.8 of what is available]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
    /// Where to compute: cpu, cuda for every GPU, cuda:N for one, or auto for GPUs if there are any
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    /// Use what the store has and never write to it; what the run makes is lost when it ends, with code 30
    #[arg(long, conflicts_with = "require_cache_write")]
    pub read_only_cache: bool,
    /// Go on with what does not depend on a failed stage; a search goes on without a candidate that diverged
    #[arg(long, short)]
    pub keep_going: bool,
    /// Run a stage again although its result is in the store; of an evaluation, times are measured anew
    #[arg(long, value_name = "STAGE")]
    pub refresh: Vec<String>,
    /// Stop after so much time, such as 2h or 1h30m: at the last epoch that fits, with what is left told and exit code 24
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub budget: Option<Duration>,
    /// Print events to stdout, one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Of progress, show only warnings, failures and the last line
    #[arg(long, short)]
    pub quiet: bool,
    /// Show how far the run is on a page, on loopback only; on a free port if none is given
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    pub serve: Option<u16>,
}

/// `pleach plan`.
#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub manifest: Manifest,
    /// Only these stages and what they need
    #[arg(value_name = "STAGE")]
    pub stages: Vec<String>,
    #[command(flatten)]
    pub only: Only,
    /// A line for every stage of a matrix, instead of a counted one for a section
    #[arg(long)]
    pub expand: bool,
    /// Plan as if these stages were to run again
    #[arg(long, value_name = "STAGE")]
    pub refresh: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `pleach explain`.
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    pub manifest: Manifest,
    /// The stage
    #[arg(value_name = "STAGE")]
    pub stage: String,
}

/// `pleach check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The manifests
    #[arg(value_name = "MANIFEST", required = true, value_parser = home::path())]
    pub paths: Vec<PathBuf>,
    /// Lay a value over each manifest
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// `pleach layers`.
#[derive(Debug, Args)]
pub struct Layers {
    #[command(flatten)]
    pub manifest: Manifest,
    /// Only the networks of these stages
    #[arg(value_name = "STAGE")]
    pub stages: Vec<String>,
}

/// `pleach graph`.
#[derive(Debug, Args)]
pub struct Graph {
    #[command(flatten)]
    pub manifest: Manifest,
    /// How to draw it
    #[arg(long, value_enum, default_value_t = GraphFormat::Text)]
    pub format: GraphFormat,
    /// A node for every stage of a matrix, instead of a counted one for a section
    #[arg(long)]
    pub expand: bool,
}

/// How a graph is drawn.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum GraphFormat {
    /// One line a stage
    Text,
    /// Graphviz
    Dot,
    /// Mermaid
    Mermaid,
}

/// `pleach report`.
#[derive(Debug, Args)]
pub struct Report {
    #[command(flatten)]
    pub manifest: Manifest,
    /// How to write it
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// What a line of `--format csv` is
    #[arg(long, value_enum, default_value_t = CsvRows::Settings)]
    pub rows: CsvRows,
    #[command(flatten)]
    pub only: Only,
    /// Hold the results against another report, written with `--format json`, or against another manifest, which ends in .toml
    #[arg(long, value_name = "FILE", value_parser = home::path())]
    pub against: Option<PathBuf>,
    /// Write it to a file instead of stdout
    #[arg(long, short, value_name = "FILE", value_parser = home::path())]
    pub output: Option<PathBuf>,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ReportFormat {
    /// Tables
    Text,
    /// One JSON object
    Json,
    /// Comma-separated values
    Csv,
    /// A page to look at, in one file
    Html,
    /// A comment on a change, at most 60,000 characters
    Markdown,
}

/// What a line of comma-separated values is.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CsvRows {
    /// Networks that differ only in their seed, taken together
    Settings,
    /// One network
    Networks,
    /// One class of one network
    Classes,
    /// One epoch of a stage that trains
    Epochs,
    /// What `[expect]` says of one setting
    Expectations,
    /// One setting held against that of `--against`
    Against,
}

/// `pleach export`.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub manifest: Manifest,
    /// The stage whose network is wanted
    #[arg(value_name = "STAGE")]
    pub stage: String,
    /// The file to write; its ending says how: .safetensors, or .json for the layer graph
    #[arg(long, short, value_name = "FILE", value_parser = home::path())]
    pub output: PathBuf,
}

/// `pleach cache`.
#[derive(Debug, Args)]
pub struct Cache {
    #[command(subcommand)]
    pub command: CacheCommand,
}

/// What can be done with the store.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// What is in it and how large it is
    Status,
    /// Read every object and record, and put aside what is corrupt
    Verify,
    /// List the results of stages
    List,
    /// Delete what is not needed: checkpoints of finished stages but the last of each, objects that no result names, and
    /// results that were not used for long or make the store too large
    Gc(Gc),
}

/// `pleach cache gc`.
#[derive(Debug, Args)]
pub struct Gc {
    /// Also delete what no run, report or export has used for more than so many days
    #[arg(long, value_name = "DAYS")]
    pub older_than: Option<u64>,
    /// Also delete what was not used for longest, until the store has at most this size, such as 10G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,
    /// Delete results of this stage (`stage` or `pipeline/stage`, all instances or one); may be given more than once
    #[arg(long = "stage", value_name = "STAGE")]
    pub stages: Vec<String>,
    /// Delete only results of the stages of this manifest; may be given more than once
    #[arg(long = "in", value_name = "MANIFEST", value_parser = home::path())]
    pub inside: Vec<PathBuf>,
    /// Delete only results that no stage of this manifest has; may be given more than once
    #[arg(long = "not-in", value_name = "MANIFEST", value_parser = home::path())]
    pub outside: Vec<PathBuf>,
    /// Keep objects that no result names when they are younger than so many minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    pub grace: u64,
    /// Keep all checkpoints, and not only the last of each stage
    #[arg(long)]
    pub keep_epochs: bool,
    /// Only list what would be deleted, and what made it
    #[arg(long)]
    pub dry_run: bool,
    /// Wait for another collection, or a run that cannot say what it needs, to end
    #[arg(long)]
    pub wait: bool,
}

/// `pleach data`.
#[derive(Debug, Args)]
pub struct Data {
    #[command(subcommand)]
    pub command: DataCommand,
}

/// What can be done with data sets.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Every set, with its shape, classes, sizes, licence and publisher
    List,
    /// Read a set, and print what is in it
    Check {
        /// The set, as a manifest names it
        #[arg(value_name = "NAME")]
        name: String,
        /// The folder with its files
        #[arg(long, value_name = "DIR", value_parser = home::path())]
        path: Option<PathBuf>,
        /// For `images`: the height and width that they are resized to
        #[arg(long, num_args = 2, value_names = ["HEIGHT", "WIDTH"], value_parser = clap::value_parser!(u64).range(1..=4096))]
        size: Option<Vec<u64>>,
        /// For `images`: 1 (grey) or 3 (red, green, blue)
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = channels)]
        channels: u64,
        /// For `images` without test images of their own: the share that is held out
        #[arg(long, value_name = "SHARE", value_parser = share)]
        test: Option<f64>,
        /// For `images`: whether they are turned by the orientation in their EXIF data
        #[arg(long, default_value = "apply", value_parser = ["apply", "ignore"])]
        orientation: String,
    },
    /// Download a set from its publisher, check it and unpack it
    Fetch {
        /// The set, as a manifest names it
        #[arg(value_name = "NAME")]
        name: String,
        /// The folder to put it in [default: data/NAME]
        #[arg(long, value_name = "DIR", value_parser = home::path())]
        to: Option<PathBuf>,
        /// A mirror that has the publisher's files under this address
        #[arg(long, value_name = "URL")]
        from: Option<String>,
    },
}

/// Bytes, from a number with `K`, `M`, `G` or `T` behind it: powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let text = text.trim_end_matches("iB").trim_end_matches('B');
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[number.len()..].to_ascii_uppercase().as_str() {
        "" => Some(1u64),
        "K" => Some(1 << 10),
        "M" => Some(1 << 20),
        "G" => Some(1 << 30),
        "T" => Some(1 << 40),
        _ => None,
    };
    let bytes = factor.zip(number.parse::<f64>().ok()).map(|(factor, number)| number * factor as f64);
    let bytes = bytes.filter(|bytes| (1.0..1e18).contains(bytes));
    bytes.map(|bytes| bytes as u64).ok_or_else(|| "it is a size such as 512M, 8G or 1.5T".to_owned())
}

/// A time from numbers with `h`, `m` or `s` behind them: `2h`, `1h30m`, `0.5h`.
fn time(text: &str) -> Result<Duration, String> {
    let mut seconds = 0.0;
    let mut rest = text;
    while let Some(end) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        let factor = match &rest[end..=end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            _ => f64::NAN,
        };
        seconds += rest[..end].parse().map_or(f64::NAN, |number: f64| number * factor);
        rest = &rest[end + 1..];
    }
    let valid = rest.is_empty() && (0.001..1e9).contains(&seconds);
    let time = Some(seconds).filter(|_| valid).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| "it is a time such as 2h, 90m or 1h30m".to_owned())
}

fn channels(text: &str) -> Result<u64, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err("it can be 1 or 3".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..1.0).contains(share));
    share.ok_or_else(|| "it can be from 0 to below 1".to_owned())
}

/// `pleach devices`.
#[derive(Debug, Args)]
pub struct Devices {
    /// Hold the device against the processor: every operation with its gradients, a training step of a network of every
    /// family, and whether the same work gives the same bits twice
    #[arg(long)]
    pub check: bool,
    /// Measure images a second of well-known networks, beside PyTorch if there is one
    #[arg(long)]
    pub speed: bool,
    /// What to check or measure: cpu, cuda:N, or auto for the first GPU if there is one
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    /// How products of matrices are computed: f32, tf32 or bf16; may be given more than once
    #[arg(long, value_delimiter = ',', default_value = "f32", value_parser = precision)]
    pub precision: Vec<Precision>,
    /// Measure only this network; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub network: Vec<String>,
    /// Images in a batch that is measured
    #[arg(long, value_name = "IMAGES", default_value_t = 128, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=65536))]
    pub batch: usize,
    /// How long each measurement goes on, in seconds
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// A Python that has PyTorch and torchvision
    #[arg(long, value_name = "PROGRAM", value_parser = home::path())]
    pub python: Option<PathBuf>,
}

fn precision(text: &str) -> Result<Precision, String> {
    let known = Precision::WORDS.into_iter().find(|(word, _)| *word == text);
    known.map(|(_, precision)| precision).ok_or_else(|| "it can be f32, tf32 or bf16".to_owned())
}

/// `pleach completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `pleach init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Where to write `pleach.toml`
    #[arg(value_name = "DIR", default_value = ".", value_parser = home::path())]
    pub directory: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::{command, size, time};

    #[test]
    fn times() {
        let good =
            [("2h", 7200.0), ("90m", 5400.0), ("1h30m", 5400.0), ("0.5h", 1800.0), ("45s", 45.0), ("1m0.5s", 60.5)];
        for (text, seconds) in good {
            assert_eq!(time(text).map(|time| time.as_secs_f64()), Ok(seconds), "{text}");
        }
        for text in ["", "2", "h", "2d", "-1h", "0s", "2h30", "1e9h", "nanh", "infh", "2 h"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_path_knows_what_a_tilde_is() {
        for line in [
            "--cache ~bob/store cache status",
            "run ~bob/m.toml",
            "check ~bob/m.toml",
            "layers ~bob/m.toml",
            "report m.toml -o ~bob/r.csv",
            "report m.toml --against ~bob/before.json",
            "export m.toml net -o ~bob/net.json",
            "cache gc --in ~bob/m.toml",
            "cache gc --not-in ~bob/m.toml",
            "data check images --path ~bob/images",
            "data fetch mnist --to ~bob/mnist",
            "devices --python ~bob/python",
            "init ~bob/first",
        ] {
            let words = ["pleach"].into_iter().chain(line.split(' '));
            let told = command().try_get_matches_from(words).unwrap_err().to_string();
            assert!(told.contains("another user") || told.contains("HOME"), "{line}: {told}");
        }
    }

    #[test]
    fn the_command_line_has_no_contradictions() {
        command().debug_assert();
    }

    #[test]
    fn sizes() {
        let good =
            [("1024", 1024), ("512M", 512 << 20), ("8G", 8 << 30), ("8GiB", 8 << 30), ("1.5k", 1536), ("2TB", 2 << 40)];
        for (text, bytes) in good {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "G", "-1G", "0", "8X", "8 G", "nan", "inf", "1e30", "8GG"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
