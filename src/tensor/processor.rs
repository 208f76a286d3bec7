//! What the processor is called.

use std::sync::OnceLock;

/// The name that the system gives the processor (`/proc/cpuinfo` on Linux), or else its architecture.
pub fn processor() -> String {
    static NAME: OnceLock<String> = OnceLock::new();
    let read = || {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        name(&text).unwrap_or_else(|| std::env::consts::ARCH.to_owned())
    };
    NAME.get_or_init(read).clone()
}

/// From the first line `model name : Some CPU @ 3.00GHz`.
fn name(text: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut names = lines.filter(|(field, _)| matches!(field.trim(), "model name" | "Model" | "cpu model"));
    let (_, name) = names.find(|(_, name)| !name.trim().is_empty())?;
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_counts() {
        let text = "processor\t: 0\nmodel name\t: Some  CPU @ 3.00GHz\n\nprocessor\t: 1\nmodel name\t: Another\n";
        assert_eq!(name(text).as_deref(), Some("Some CPU @ 3.00GHz"));
        assert_eq!(name("processor\t: 0\nBogoMIPS\t: 50.00\n"), None);
        assert!(!processor().is_empty());
    }
}
