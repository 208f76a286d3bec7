//! Names of classes: in one form of Unicode, in one order, and those that are easily taken for one another.

use std::collections::{BTreeMap, BTreeSet};

use unicode_normalization::UnicodeNormalization;

/// A class's name in Unicode's composed form (NFC): macOS writes `é` as two characters, others as one.
pub fn composed(name: &str) -> String {
    name.nfc().collect()
}

/// The characters of a name that are not ASCII, as U+00E9.
pub fn code_points(name: &str) -> String {
    let points: Vec<String> =
        name.chars().filter(|c| !c.is_ascii()).map(|c| format!("U+{:04X}", u32::from(c))).collect();
    points.join(" ")
}

/// A note for each group of classes whose names people take for one: they differ only in case or blanks, or by characters
/// that look alike.
pub fn alike(class_names: &[String]) -> Vec<String> {
    let mut groups: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for name in class_names {
        groups.entry(look(name)).or_default().push(name);
    }
    let plain = |name: &String| name.trim().to_lowercase();
    let note = |names: Vec<&String>| {
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let classes = format!("the classes {}", quoted.join(" and "));
        if names.iter().all(|name| plain(name) == plain(names[0])) {
            return format!("{classes} differ only in case or blanks");
        }
        let points: Vec<String> = names.iter().map(|name| code_points(name)).collect();
        let points: Vec<&str> = points.iter().map(|points| if points.is_empty() { "none" } else { points }).collect();
        format!("{classes} look alike; their characters outside ASCII are {}", points.join(" and "))
    };
    groups.into_values().filter(|names| names.len() > 1).map(note).collect()
}

/// What a name looks like: compatible forms (NFKC) in place of wide, narrow and raised ones, Latin letters in place of
/// those of other scripts that are drawn the same, nothing that is invisible, and neither case, nor blanks or dots at
/// the end.
fn look(name: &str) -> String {
    /// Zero-width characters and marks of direction, the soft hyphen, and the byte order mark.
    const INVISIBLE: [char; 8] =
        ['\u{ad}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{2060}', '\u{feff}'];
    /// Cyrillic, Greek and Armenian letters, and punctuation, below what they look like. From Unicode's confusables
    /// (UTS 39), those that keyboards have.
    const ALIKE: [(&str, &str); 5] = [
        ("АВЕЅІЈКМНОРСТХУаеоѕіјһԁԛԝрсху", "ABESIJKMHOPCTXYaeosijhdqwpcxy"),
        ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαιορυν", "ABEZHIKMNOPTYXaiopuv"),
        ("օոսհ", "onuh"),
        ("‐‑‒–—−", "------"),
        ("‘’ı", "''i"),
    ];
    let latin = |c: char| {
        let found = ALIKE.iter().find_map(|(from, to)| Some((from.chars().position(|other| other == c)?, to)));
        found.and_then(|(at, to)| to.chars().nth(at)).unwrap_or(c)
    };
    let seen: String = name.nfkc().filter(|c| !INVISIBLE.contains(c)).map(latin).collect();
    let seen = seen.split_whitespace().collect::<Vec<&str>>().join(" ");
    seen.trim_end_matches(['.', ' ']).to_lowercase()
}

/// The order of classes, for folders and tables alike: by number where every name is a whole number (`0`, `90`, `180`; `-1`
/// comes before `0`, and `01` before `1`), else by the bytes of the names.
pub fn in_order(names: BTreeSet<String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    let numbers: Option<Vec<i128>> = names.iter().map(|name| name.parse().ok()).collect();
    if numbers.is_some() {
        // Stable, so that equal numbers stay in the order of their bytes.
        names.sort_by_key(|name| name.parse::<i128>().unwrap_or_default());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    // The snapshot shows names as they are told.
    #[expect(clippy::invisible_characters)]
    #[test]
    fn names_that_are_taken_for_one_another_are_told() {
        let told = |names: &[&str]| alike(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).join("\n");
        assert_eq!(told(&["cat", "cats", "c at", "1", "l", "0", "O", "é", "e", "ß", "ss", "."]), "");
        insta::assert_snapshot!([
            told(&["Cat", "cat", "cat "]),
            told(&["cat", "\u{441}\u{430}t", "dog"]),
            told(&["ΑΒ", "AB"]),
            told(&["red fox", "red\u{a0}fox", "red  fox"]),
            told(&["pa\u{200b}nda", "panda", "panda."]),
            told(&["５", "5", "T‑72", "T-72"]),
        ].join("\n"), @r"
        the classes `Cat` and `cat` and `cat ` differ only in case or blanks
        the classes `cat` and `саt` look alike; their characters outside ASCII are none and U+0441 U+0430
        the classes `ΑΒ` and `AB` look alike; their characters outside ASCII are U+0391 U+0392 and none
        the classes `red fox` and `red fox` and `red  fox` look alike; their characters outside ASCII are none and U+00A0 and none
        the classes `pa​nda` and `panda` and `panda.` look alike; their characters outside ASCII are U+200B and none and none
        the classes `５` and `5` look alike; their characters outside ASCII are U+FF15 and none
        the classes `T‑72` and `T-72` look alike; their characters outside ASCII are U+2011 and none
        ");
    }
}
