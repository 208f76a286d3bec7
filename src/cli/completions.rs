//! `pleach completions`.

use super::arguments;
use super::{Failure, output};

/// Prints a completion script.
pub fn completions(arguments: &arguments::Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut arguments::command(), "pleach", &mut script);
    output::stdout(&String::from_utf8_lossy(&script));
    Ok(())
}
