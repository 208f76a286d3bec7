//! Whether files with weights fit their networks, as far as that can be known before anything runs.

use std::collections::HashSet;

use crate::data::Outline;
use crate::error::{Kind, Result};
use crate::manifest::Manifest;
use crate::manifest::matrix::template_of;
use crate::stage::{Parameters, import};

/// Looks into the headers of the files that `stages` import. A file that is not there is left alone: it may come yet, and a
/// run tells of it. So is one whose network is that of a stage's result.
///
/// # Errors
/// [`Kind::Input`] for the first that does not fit, with the place in the manifest.
pub fn check_imports(manifest: &Manifest, stages: &[usize]) -> Result<()> {
    let mut seen = HashSet::new();
    for stage in stages {
        let (name, definition) = manifest.stages.get_index(*stage).expect("the graph has the manifest's stages");
        let Parameters::Import { network: Some(architecture), rules } = &definition.parameters else { continue };
        let outline = definition.data.as_ref().and_then(|name| manifest.data[name].outline.as_ref());
        let (Some(path), Some(&Outline { shape, classes, .. })) = (&definition.file, outline) else { continue };
        // A compressed file has no header at its beginning.
        let is_plain = path.is_file() && path.extension().is_none_or(|ending| ending != "gz");
        if !is_plain || !seen.insert((path, shape, classes, format!("{:?}", definition.parameters))) {
            continue;
        }
        import::check(path, architecture, shape, classes, rules).map_err(|error| {
            let place = manifest.sources.place(definition.span("path"));
            let named = format!("`path` of `[stages.{}]` names the file ({place})", template_of(name));
            if error.kind == Kind::Input { error.hint(named) } else { error }
        })?;
    }
    Ok(())
}
