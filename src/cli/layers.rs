//! `pleach layers`.

use super::session::Session;
use super::{Failure, arguments, output};
use crate::error::{Error, Kind};
use crate::report;

/// Shows the layers of networks.
pub fn layers(arguments: &arguments::Layers) -> Result<(), Failure> {
    let session = Session::open(&arguments.manifest)?;
    let stages = match &arguments.stages[..] {
        [] => (0..session.manifest.stages.len()).collect(),
        names => names.iter().map(|name| session.stages(name)).collect::<Result<Vec<_>, _>>()?.concat(),
    };
    let text = report::layers::text(&session.manifest, &stages);
    if text.is_empty() {
        let error = Error::new(Kind::Usage, "no network can be shown: these stages have none before they run");
        return Err(error.hint("name a stage that trains, imports or prunes a network").into());
    }
    output::stdout(&text);
    Ok(())
}
