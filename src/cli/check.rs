//! `pleach check`.

use super::arguments;
use super::{Failure, output};
use crate::manifest;
use crate::plan::check_imports;

/// Validates manifests, each to its end; the exit code is that of the first that is wrong.
pub fn check(arguments: &arguments::Check) -> Result<(), Failure> {
    let mut first = None;
    for path in &arguments.paths {
        match manifest::read(path, &arguments.sets) {
            Ok(manifest) => {
                output::diagnostics(&manifest.warnings, &manifest.sources);
                let all: Vec<usize> = (0..manifest.stages.len()).collect();
                if let Err(error) = check_imports(&manifest, &all) {
                    let code = output::failure(&error.into());
                    first.get_or_insert(code);
                    continue;
                }
                let stages = manifest.stages.len();
                let plural = if stages == 1 { "stage" } else { "stages" };
                output::stdout(&format!("{}: {stages} {plural}, no errors\n", path.display()));
            }
            Err(invalid) => {
                let code = output::failure(&invalid.into());
                first.get_or_insert(code);
            }
        }
    }
    first.map_or(Ok(()), |code| Err(Failure::Said(code)))
}
