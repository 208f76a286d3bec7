//! Whether files with weights fit their networks, as far as that can be known before anything runs.

use std::collections::HashSet;

use crate::error::{Kind, Result};
use crate::manifest::Manifest;
use crate::manifest::matrix::template_of;
use crate::stage::{Parameters, import};

/// Looks into the headers of the files that `stages` import: tensors that the network has not, and classes that the data has
/// not. A file that is not there is left alone: it may come yet, and a run tells of it. The tensors of one whose network is
/// that of a stage's result are looked at when that is known.
///
/// # Errors
/// [`Kind::Input`] for the first that does not fit, with the place in the manifest.
pub fn check_imports(manifest: &Manifest, stages: &[usize]) -> Result<()> {
    let mut seen = HashSet::new();
    for stage in stages {
        let (name, definition) = manifest.stages.get_index(*stage).expect("the graph has the manifest's stages");
        let Parameters::Import { network, rules } = &definition.parameters else { continue };
        let (Some(path), Some(data)) = (&definition.file, &definition.data) else { continue };
        let Some(outline) = &manifest.data[data].outline else { continue };
        if !path.exists() || !seen.insert((path, data, format!("{:?}", definition.parameters))) {
            continue;
        }
        import::check(path, network.as_ref(), outline, rules).map_err(|error| {
            let place = manifest.sources.place(definition.span("path"));
            let named = format!("`path` of `[stages.{}]` names the file ({place})", template_of(name));
            if error.kind == Kind::Input { error.hint(named) } else { error }
        })?;
    }
    Ok(())
}
