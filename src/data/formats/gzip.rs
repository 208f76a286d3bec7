//! Decompression of gzip files, one member or several.

use std::io::{self, BufRead, ErrorKind};

use flate2::bufread::MultiGzDecoder;

/// A reader of what `source` holds, decompressed and checked against the stream's checksum.
///
/// # Errors
/// Kind `InvalidData` if `source` does not begin like a gzip stream. Reading gives `UnexpectedEof` where the stream
/// ends early, and `InvalidData` or `InvalidInput` where it is corrupt; [`explain`] has the words for those.
pub fn decoder<R: BufRead>(mut source: R) -> io::Result<MultiGzDecoder<R>> {
    if !source.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return Err(io::Error::new(ErrorKind::InvalidData, "it does not begin with the bytes 1f 8b"));
    }
    Ok(MultiGzDecoder::new(source))
}

/// What an error while decompressing means for the file, or `None` if it is not about the compressed bytes.
pub fn explain(error: &io::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::UnexpectedEof => Some("expected a whole gzip stream, found its beginning only".into()),
        ErrorKind::InvalidData | ErrorKind::InvalidInput => Some(format!("expected a gzip stream: {error}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::data::tests::{gzip, messages};

    fn decompress(bytes: &[u8]) -> crate::error::Result<Vec<u8>> {
        let mut content = Vec::new();
        decoder(bytes)
            .and_then(|mut decoder| decoder.read_to_end(&mut content))
            .map_err(|error| super::super::malformed(explain(&error).unwrap()))?;
        Ok(content)
    }

    #[test]
    fn members_are_joined() {
        assert_eq!(decompress(&[gzip(b"one "), gzip(b"two")].concat()).unwrap(), b"one two");
    }

    #[test]
    fn damage_is_explained() {
        let good = gzip(b"some content that is long enough to be cut");
        let mut flipped = good.clone();
        let checksum = good.len() - 8;
        flipped[checksum] ^= 1;
        let cases = [
            ("empty", Vec::new()),
            ("plain text", b"plain".to_vec()),
            ("cut in the header", good[..5].to_vec()),
            ("cut in the content", good[..20].to_vec()),
            ("cut in the checksum", good[..good.len() - 1].to_vec()),
            ("wrong checksum", flipped),
            ("more after the end", [good, b"more of it".to_vec()].concat()),
        ];
        insta::assert_snapshot!(messages(cases, decompress), @r#"
        empty: expected a gzip stream: it does not begin with the bytes 1f 8b
        plain text: expected a gzip stream: it does not begin with the bytes 1f 8b
        cut in the header: expected a whole gzip stream, found its beginning only
        cut in the content: expected a whole gzip stream, found its beginning only
        cut in the checksum: expected a whole gzip stream, found its beginning only
        wrong checksum: expected a gzip stream: corrupt gzip stream does not have a matching checksum
        more after the end: expected a gzip stream: invalid gzip header
        "#);
    }
}
