//! `pleach schema`.

use super::{Failure, output};
use crate::manifest::schema;

/// Prints the JSON Schema of manifests.
pub fn schema() -> Result<(), Failure> {
    output::stdout(&format!("{:#}\n", schema::schema()));
    Ok(())
}
