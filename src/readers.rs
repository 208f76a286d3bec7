//! Everything that reads bytes which others may have written, by name: what `tests/fuzz.rs` tries with damaged ones.

use std::io::Read;
use std::path::Path;

use crate::data::{Decoding, ExifOrientation, Images, foreign};
use crate::error::{Error, Kind, Result};
use crate::expression::{Calculator, Names};
use crate::manifest::{self, diagnostic::Invalid};
use crate::network::arch::Architecture;
use crate::network::import::{self, rules::Rules};
use crate::network::{Graph, Model, Signature};
use crate::store;

/// Reads bytes of one sort: any bytes are an answer or an error with a message, in little memory and time.
pub type Reader = fn(&[u8]) -> Result<()>;

/// All of them.
pub const ALL: [(&str, Reader); 14] = [
    ("manifest", manifest),
    ("expression", expression),
    ("record", |bytes| store::read_record(bytes).map(drop)),
    ("journal", |bytes| {
        drop(store::read_journal_lines(bytes));
        Ok(())
    }),
    ("model", model),
    ("graph", |bytes| Graph::from_json(bytes).map(drop)),
    ("signature", |bytes| Signature::from_json(bytes).map(drop)),
    ("safetensors", safetensors),
    ("image", image),
    ("list", |bytes| foreign::read_table(bytes, Path::new("nowhere")).map(drop)),
    ("mat", |bytes| foreign::mat::append(bytes, &mut Images::empty([32, 32, 3]))),
    ("idx", |bytes| foreign::idx::images(bytes, 28, 28).or_else(|_| foreign::idx::labels(bytes, 10)).map(drop)),
    ("digits", |bytes| foreign::csv::images(bytes, [8, 8, 1], 16, 15, 10).map(drop)),
    ("gzip", gzip),
];

fn manifest(bytes: &[u8]) -> Result<()> {
    match manifest::parse(Path::new("nowhere/pleach.toml"), bytes, &[]) {
        Ok(_) => Ok(()),
        Err(Invalid::Unreadable(error)) => Err(error),
        Err(Invalid::Wrong { diagnostics, sources }) => {
            let all = diagnostics.sorted();
            all.iter().for_each(|diagnostic| drop(sources.place(diagnostic.span)));
            Err(Error::new(Kind::Manifest, manifest::diagnostic::render(&all, &sources, false)))
        }
    }
}

fn expression(bytes: &[u8]) -> Result<()> {
    let names = ["accuracy", "parameters"].map(|name| (name.to_owned(), 0.5)).to_vec();
    let names = Names { own: names.clone(), reference: Some(names) };
    let found = Calculator::default().evaluate(&String::from_utf8_lossy(bytes), &names);
    found.map(drop).map_err(|wrong| Error::new(Kind::Manifest, wrong.message))
}

/// A layer graph of so many bytes (four, little-endian), and the weights behind it.
fn model(bytes: &[u8]) -> Result<()> {
    let Some((length, rest)) = bytes.split_first_chunk() else { return Model::from_parts(b"", b"", None).map(drop) };
    let (graph, weights) = rest.split_at((u32::from_le_bytes(*length) as usize).min(rest.len()));
    Model::from_parts(graph, weights, None).map(drop)
}

fn safetensors(bytes: &[u8]) -> Result<()> {
    let architecture = Architecture::Mlp { hidden: vec![4] };
    let graph = architecture.build([4, 4, 1], 3)?;
    let request = import::Request { graph: &graph, rules: &Rules::default(), seed: 0, other: None };
    import::check(None, &mut &bytes[..], Some(bytes.len() as u64))?;
    import::import(&request, bytes).map(drop)
}

fn image(bytes: &[u8]) -> Result<()> {
    let decoding = Decoding { size: [8, 8], channels: 1, test: None, orientation: ExifOrientation::Apply };
    foreign::decode_image(bytes, &decoding).map(drop)
}

fn gzip(bytes: &[u8]) -> Result<()> {
    let explained = |error: std::io::Error| {
        Error::new(Kind::Input, foreign::gzip::explain(&error).unwrap_or_else(|| error.to_string()))
    };
    let mut content = foreign::gzip::decoder(bytes).map_err(explained)?;
    std::io::copy(&mut content.by_ref().take(1 << 24), &mut std::io::sink()).map(drop).map_err(explained)
}
