//! `pleach graph`.

use super::arguments::{self, GraphFormat};
use super::session::Session;
use super::{Failure, output};
use crate::report::graph as draw;

/// Shows the stages and what they take from each other.
pub fn graph(arguments: &arguments::Graph) -> Result<(), Failure> {
    let session = Session::open(&arguments.manifest)?;
    let drawing = draw::Drawing::new(&session.graph, &session.manifest, arguments.expand);
    let draw = match arguments.format {
        GraphFormat::Text => draw::text,
        GraphFormat::Dot => draw::dot,
        GraphFormat::Mermaid => draw::mermaid,
    };
    output::stdout(&draw(&drawing));
    Ok(())
}
