//! Class names, one a line; blank lines at the end are ignored.

use super::malformed;
use crate::error::Result;

/// The names in the order of their classes.
///
/// # Errors
/// Kind `Input` unless `bytes` is text with exactly `classes` names.
pub fn names(bytes: &[u8], classes: usize) -> Result<Vec<String>> {
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(format!("expected text: {error}")))?;
    let names: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
    if let Some(line) = names.iter().position(String::is_empty) {
        return Err(malformed(format!("expected {classes} class names, one a line, found line {} blank", line + 1)));
    }
    if names.len() != classes {
        return Err(malformed(format!("expected {classes} class names, one a line, found {}", names.len())));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::messages;

    #[test]
    fn a_line_is_a_name() {
        assert_eq!(names(b"cat\r\nred dog\n\n", 2).unwrap(), ["cat", "red dog"]);
    }

    #[test]
    fn a_wrong_list_is_explained() {
        let cases = [("empty", ""), ("too few", "cat\n"), ("too many", "cat\ndog\nfox"), ("a gap", "cat\n\ndog")];
        insta::assert_snapshot!(
            messages(cases.map(|(name, text)| (name, text.into())), |bytes| names(bytes, 2)),
            @r#"
            empty: expected 2 class names, one a line, found 0
            too few: expected 2 class names, one a line, found 1
            too many: expected 2 class names, one a line, found 3
            a gap: expected 2 class names, one a line, found line 2 blank
            "#
        );
    }
}
