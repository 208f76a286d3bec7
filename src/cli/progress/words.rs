//! An event as a line.

use anstyle::AnsiColor;

use super::clock::Clocks;
use crate::cli::output;
use crate::report::duration;
use crate::run::Event;

/// A word at the head of a line, in a column of its own. Padded before it is painted, because colours take up room in a string but
/// not on a screen.
pub fn head(color: AnsiColor, word: &str) -> String {
    output::paint(color, &format!("{word:>9}"))
}

/// An event as a line; `None` for those that only bars show.
pub fn line(event: &Event, clocks: &Clocks) -> Option<String> {
    let good = |word: &str| head(AnsiColor::Green, word);
    let bad = |word: &str| head(AnsiColor::Red, word);
    let mild = |word: &str| head(AnsiColor::Yellow, word);
    Some(match event {
        Event::RunStarted { .. } | Event::Step { .. } => return None,
        Event::StageCached { stage, .. } => format!("{} {stage}", good("cached")),
        Event::StageStarted { stage, kind, .. } => format!("{} {stage} ({kind})", good("running")),
        Event::StageWaiting { stage, pid } => {
            let who = match pid {
                // The same result under two names.
                Some(pid) if *pid == std::process::id() => "another stage of this run".to_owned(),
                Some(pid) => format!("process {pid}"),
                None => "another process".to_owned(),
            };
            format!("{} for stage {stage}, which {who} is making", mild("waiting"))
        }
        Event::StageResumed { stage, epoch, epochs } if epoch >= epochs => {
            format!("{} {stage}: all {epochs} epochs are in the store", good("resumed"))
        }
        Event::StageResumed { stage, epoch, epochs } => {
            format!("{} {stage} after epoch {epoch} of {epochs}", good("resumed"))
        }
        Event::Epoch { stage, epoch, epochs, .. } => {
            let words: Vec<String> = epoch_words(event, clocks).into_iter().map(|(_, word)| word).collect();
            format!("{:>9} {stage} epoch {epoch}/{epochs}: {}", "", words.join(", "))
        }
        Event::Normalization { stage, constants } => {
            format!("{} {stage}: images are normalised by {constants}", good("note"))
        }
        Event::Note { stage, message } => format!("{} {stage}: {message}", good("note")),
        Event::StageFinished { stage, seconds, .. } => {
            format!("{} {stage} in {}", good("finished"), duration(*seconds))
        }
        Event::StageFailed { stage, message, hints, .. } => {
            let mut text = format!("{} {stage}: {message}", bad("failed"));
            for hint in hints {
                text.push_str(&format!("\n{} {hint}", head(AnsiColor::Cyan, "help")));
            }
            text
        }
        Event::StageSkipped { stage, because } => format!("{} {stage}: {because}", mild("skipped")),
        Event::Warning { message } => format!("{} {message}", mild("warning")),
        Event::RunFinished { cached, ran, failed, skipped, seconds, .. } => {
            let mut parts = vec![format!("{cached} cached"), format!("{ran} run")];
            for (count, word) in [(failed, "failed"), (skipped, "skipped")] {
                if *count > 0 {
                    parts.push(format!("{count} {word}"));
                }
            }
            format!(
                "{} {} in {}",
                if *failed > 0 { bad("done") } else { good("done") },
                parts.join(", "),
                duration(*seconds)
            )
        }
    })
}

/// What an epoch came to, and how long the rest will take at this speed; each with a rank, of which the highest can be missed most.
pub fn epoch_words(event: &Event, clocks: &Clocks) -> Vec<(u8, String)> {
    let Event::Epoch {
        stage,
        epoch,
        epochs,
        loss,
        accuracy,
        validation_accuracy,
        inactive_units,
        images_per_second,
        ..
    } = event
    else {
        return Vec::new();
    };
    let percent = |share: &f64| format!("{:.1} %", 100.0 * share);
    let left = clocks.left(stage, *epoch as f64, *epochs).filter(|_| epoch < epochs);
    [
        Some((0, format!("loss {loss:.4}"))),
        Some((2, format!("accuracy {}", percent(accuracy)))),
        validation_accuracy.as_ref().map(|share| (1, format!("validation {}", percent(share)))),
        inactive_units.map(|units| (4, format!("{units} units inactive"))),
        Some((5, format!("{images_per_second:.0} images/s"))),
        left.map(|left| (3, left)),
    ]
    .into_iter()
    .flatten()
    .collect()
}
