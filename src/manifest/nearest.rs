//! "Did you mean": the valid name closest to what was written.

/// The nearest of `names` to `written`, if any is near enough to be meant.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let length = lower.chars().count();
    names
        .into_iter()
        .filter_map(|name| {
            let other = name.chars().count();
            let allowed = length.max(other).div_ceil(3);
            // Names whose lengths differ by more are not worth comparing.
            let distance =
                (length.abs_diff(other) <= allowed).then(|| strsim::osa_distance(&lower, &name.to_lowercase()));
            // Of two letters, one is no likeness: `b4` may be any of `b0` to `b3`.
            let swapped = || lower.chars().rev().eq(name.to_lowercase().chars());
            let is_like = |distance: &usize| *distance == 0 || length != 2 || other != 2 || swapped();
            distance.filter(|distance| *distance <= allowed && is_like(distance)).map(|distance| (distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A hint for a name that is none of `names`: the nearest, else the whole choice if it is short.
pub fn hint<'a>(written: &str, names: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(name) = nearest(written, names.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let all: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match all.len() {
        0 => None,
        1..=20 => Some(format!("it can be {}", list(&all))),
        _ => Some(format!("it can be {} and {} more", all[..8].join(", "), all.len() - 8)),
    }
}

fn list(names: &[String]) -> String {
    match names {
        [one] => one.clone(),
        [before @ .., last] => format!("{} or {last}", before.join(", ")),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        let names = ["teacher", "student", "epochs"];
        assert_eq!(nearest("techer", names), Some("teacher"));
        assert_eq!(nearest("Epoch", names), Some("epochs"));
        assert_eq!(nearest("penalty", names), None);
        assert_eq!(nearest("rl", ["lr"]), Some("lr"));
        assert_eq!(nearest("b4", ["b0", "b1"]), None);
        assert_eq!(hint("zzz", names).unwrap(), "it can be `teacher`, `student` or `epochs`");
    }
}
