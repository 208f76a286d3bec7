//! `pleach init`.

use super::arguments;
use super::{Failure, file, output};
use crate::error::{Error, Kind};
use crate::manifest::schema;

/// A first manifest: small, complete, and it runs without a download.
const FIRST: &str = include_str!("init.toml");

/// Writes `pleach.toml`, unless there is one, and beside it the schema that its first line names for editors.
pub fn init(arguments: &arguments::Init) -> Result<(), Failure> {
    let directory = &arguments.directory;
    let path = directory.join("pleach.toml");
    // A link to what is not there is there, too.
    if path.symlink_metadata().is_ok() {
        return Err(Error::new(Kind::Input, "the file is there already").at(&path).hint("name another folder").into());
    }
    if directory.exists() && !directory.is_dir() {
        return Err(Error::new(Kind::Usage, "this is not a folder").at(directory).hint("name a folder").into());
    }
    std::fs::create_dir_all(directory)
        .map_err(|error| Error::new(Kind::Store, format!("cannot make the folder ({error})")).at(directory))?;
    let for_editors = directory.join("pleach.schema.json");
    if for_editors.symlink_metadata().is_err() {
        file::write(&for_editors, format!("{:#}\n", schema::schema()).as_bytes())?;
    }
    file::write(&path, FIRST.as_bytes())?;
    output::stdout(&format!(
        "wrote {0}, and {1} for editors; try `pleach run {0}`\n",
        path.display(),
        for_editors.display()
    ));
    Ok(())
}
