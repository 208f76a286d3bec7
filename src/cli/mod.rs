//! The command line: one thin file a command. Only here is anything printed, a signal caught, or the environment read.
//!
//! - `arguments`: what can be written on the command line;
//! - `session`: what most commands begin with: manifest, graph, targets, store;
//! - `output`: stdout and stderr, and how errors look;
//! - `help`: what `--help` says behind the options;
//! - `file`: files that are written; `home`: paths that begin with `~`;
//! - `progress`: a run's events as bars, lines or JSON;
//! - `serve`: a run as a page on loopback;
//! - one file a command.

mod arguments;
mod cache;
mod check;
mod completions;
mod data;
mod devices;
mod explain;
mod export;
mod file;
mod gc;
mod graph;
mod help;
mod home;
mod init;
mod layers;
mod output;
mod plan;
mod progress;
mod report;
mod run;
mod schema;
mod serve;
mod session;
mod signals;

use std::process::ExitCode;

use crate::error::{Error, Kind};
use crate::manifest::{self, diagnostic::Invalid};
use arguments::{Arguments, Command};

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// With a message.
    Error(Error),
    /// The manifest is wrong.
    Manifest(Invalid),
    /// Everything was said already; only the exit code is left.
    Said(u8),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Failure::Manifest(invalid)
    }
}

/// Parses the command line, does what it says, and returns the exit code.
pub fn main() -> ExitCode {
    signals::outlive_file_limit();
    if let Some(home) = home::folder() {
        manifest::name_home(home);
    }
    let code = match arguments::parse() {
        Ok(arguments) => match dispatch(&arguments) {
            Ok(()) => 0,
            Err(failure) => output::failure(&failure),
        },
        Err(error) if error.use_stderr() => {
            // clap prints in colour where that is wanted.
            let _ = error.print();
            Kind::Usage.exit_code()
        }
        Err(help) => {
            output::stdout(&help.render().ansi().to_string());
            0
        }
    };
    // What failed first counts.
    match output::lost() {
        Some(error) if code == 0 => ExitCode::from(output::failure(&error.into())),
        _ => ExitCode::from(code),
    }
}

fn dispatch(arguments: &Arguments) -> Result<(), Failure> {
    let global = &arguments.global;
    match &arguments.command {
        Command::Run(options) => run::run(options, global),
        Command::Plan(options) => plan::plan(options, global),
        Command::Explain(options) => explain::explain(options, global),
        Command::Check(options) => check::check(options),
        Command::Layers(options) => layers::layers(options),
        Command::Graph(options) => graph::graph(options),
        Command::Report(options) => report::report(options, global),
        Command::Export(options) => export::export(options, global),
        Command::Cache(options) => cache::cache(options, global),
        Command::Data(options) => data::data(options),
        Command::Devices(options) => devices::devices(options),
        Command::Completions(options) => completions::completions(options),
        Command::Schema => schema::schema(),
        Command::Init(options) => init::init(options),
    }
}
