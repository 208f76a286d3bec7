//! A run's events for a person: bars on a terminal, plain lines elsewhere; or JSON.
//!
//! - `words`: an event as a line; `clock`: the time that is left;
//! - `teller`: which lines are due: what is cached or skipped is counted, failures are said once more at the end;
//! - `bars`: bars that fit the terminal.

mod bars;
mod clock;
mod teller;
mod words;

use super::output;
use crate::run::Event;
use crate::run::status::Status;
use bars::Bars;
use teller::{Rate, Teller};

/// Shows events.
pub enum Reporter {
    /// One JSON object a line, on stdout.
    Json,
    /// Bars and lines on a terminal.
    Bars(Bars),
    /// Plain lines.
    Lines(Teller),
}

impl Reporter {
    /// What fits stderr, or JSON if asked; `quiet` leaves warnings, failures and the last line.
    pub fn new(json: bool, quiet: bool) -> Self {
        if json {
            Reporter::Json
        } else if quiet {
            Reporter::Lines(Teller::new(Rate::Quiet))
        } else if output::is_terminal() {
            Reporter::Bars(Bars::new(Teller::new(Rate::NoEpochs)))
        } else {
            Reporter::Lines(Teller::new(Rate::Rarer))
        }
    }

    /// Shows one event; `status` has taken note of it.
    pub fn event(&mut self, event: &Event, status: &Status) {
        match self {
            Reporter::Json => {
                let json = serde_json::to_string(event).expect("events are plain data");
                output::stdout(&format!("{json}\n"));
            }
            Reporter::Lines(teller) => teller.tell(event).iter().for_each(|line| output::stderr(line)),
            Reporter::Bars(bars) => bars.event(event, status),
        }
    }
}
