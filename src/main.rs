//! The pleach binary: parses the command line, does it, exits with a code.

use std::process::ExitCode;

fn main() -> ExitCode {
    pleach::cli::main()
}
