//! Comma-separated values: an image a line, its pixels row by row, then its label.

use std::sync::Arc;

use super::malformed;
use crate::data::Images;
use crate::error::Result;

/// The images of `bytes`, with every value (0 to `maximum`) multiplied by `scale`.
///
/// # Errors
/// Kind `Input` with the line's number, unless each line is as many values as `shape` (height, width, channels) has
/// pixels, then a label below `classes`.
///
/// # Panics
/// If `maximum` x `scale` is above 255.
pub fn images(bytes: &[u8], shape: [usize; 3], maximum: u8, scale: u8, classes: usize) -> Result<Images> {
    assert!(maximum.checked_mul(scale).is_some(), "{maximum} x {scale} does not fit a byte");
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(format!("expected text: {error}")))?;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let size = shape.iter().product();
    for (line, number) in text.lines().zip(1..) {
        let columns = line.split(',').count();
        if columns != size + 1 {
            let expected = size + 1;
            return Err(malformed(format!("line {number}: expected {expected} values, found {columns}")));
        }
        let value = |text: &str, below: usize| match text.parse::<u8>() {
            Ok(value) if usize::from(value) < below => Ok(value),
            _ => Err(malformed(format!("line {number}: expected a number from 0 to {}, found `{text}`", below - 1))),
        };
        for (column, text) in line.split(',').enumerate() {
            if column < size {
                pixels.push(value(text, usize::from(maximum) + 1)? * scale);
            } else {
                labels.push(u32::from(value(text, classes)?));
            }
        }
    }
    if labels.is_empty() {
        return Err(malformed("expected at least one line"));
    }
    Ok(Images { shape, pixels: Arc::new(pixels), labels })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::messages;

    #[test]
    fn a_line_is_an_image() {
        let images = images(b"0,1,16,2,9\n3,4,5,6,0\n", [2, 2, 1], 16, 15, 10).unwrap();
        assert_eq!(images.labels, [9, 0]);
        assert_eq!(*images.pixels, [0, 15, 240, 30, 45, 60, 75, 90]);
    }

    #[test]
    fn malformed_lines_are_explained() {
        let cases = [
            ("empty", ""),
            ("too few", "0,1,2,3,4\n0,1,2,3\n"),
            ("too many", "0,1,2,3,4,5\n"),
            ("blank line", "0,1,2,3,4\n\n"),
            ("too bright", "0,1,17,3,4\n"),
            ("negative", "0,1,-1,3,4\n"),
            ("not a class", "0,1,2,3,10\n"),
            ("no number", "0,1,,3,1\n"),
        ];
        insta::assert_snapshot!(
            messages(cases.map(|(name, text)| (name, text.into())), |bytes| images(bytes, [2, 2, 1], 16, 15, 10)),
            @r#"
            empty: expected at least one line
            too few: line 2: expected 5 values, found 4
            too many: line 1: expected 5 values, found 6
            blank line: line 2: expected 5 values, found 1
            too bright: line 1: expected a number from 0 to 16, found `17`
            negative: line 1: expected a number from 0 to 16, found `-1`
            not a class: line 1: expected a number from 0 to 9, found `10`
            no number: line 1: expected a number from 0 to 16, found ``
            "#
        );
        assert!(images(&[0xff, 0xfe], [2, 2, 1], 16, 15, 10).unwrap_err().message.starts_with("expected text"));
    }
}
