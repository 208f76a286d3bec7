//! Times with the conditions under which they were measured, and what is said where these differ.

use indexmap::IndexMap;
use serde::Serialize;

use super::results::Evaluation;
use crate::stage::timing::Timing;

/// The measures that a clock decides.
pub const TIMES: [&str; 2] = ["latency-ms", "throughput"];

/// The conditions of a time: `2 threads of Some CPU, vectors of 16 numbers, 2026-11-28`.
pub fn conditions(timing: &Timing) -> String {
    let Some(conditions) = &timing.conditions else {
        return timing.device.clone().unwrap_or_else(|| "conditions that an earlier version did not note".to_owned());
    };
    let place = match &timing.device {
        Some(device) => device.clone(),
        None => {
            let threads = if conditions.threads == 1 { "thread" } else { "threads" };
            let (number, lanes) = (conditions.threads, conditions.lanes);
            format!("{number} {threads} of {}, vectors of {lanes} numbers", conditions.processor)
        }
    };
    let beside = match conditions.beside {
        0 => String::new(),
        1 => ", beside another stage".to_owned(),
        others => format!(", beside {others} other stages"),
    };
    format!("{place}{beside}, {}", day(conditions.measured))
}

/// A time in seconds since 1970 as day, hour and minute, in UTC: `2026-11-28 12:49`.
pub fn moment(seconds: u64) -> String {
    let minutes = seconds % 86_400 / 60;
    format!("{} {:02}:{:02}", day(seconds), minutes / 60, minutes % 60)
}

/// The day of a time in seconds since 1970, in UTC: `2026-11-28`. By the algorithm `civil_from_days` of Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms".
pub fn day(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + 400 * era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A section whose networks were measured under unlike conditions, so that their times are not to be compared.
#[derive(Debug, Clone, Serialize)]
pub struct Unlike {
    /// The section that evaluated them.
    pub evaluation: String,
    /// The part of the data that was looked at.
    pub split: &'static str,
    /// The conditions, each with the networks that were measured under it.
    pub conditions: Vec<(String, Vec<String>)>,
}

/// A condition, and the networks that were measured under it.
type Alike<'a> = (&'a Timing, Vec<String>);

/// The sections, each with a split, whose networks were measured under unlike conditions.
pub fn unlike(evaluations: &[Evaluation]) -> Vec<Unlike> {
    let mut sections: IndexMap<(&str, &'static str), Vec<Alike>> = IndexMap::new();
    for evaluation in evaluations {
        let kinds = sections.entry((&evaluation.template, evaluation.split)).or_default();
        for row in &evaluation.models {
            match kinds.iter_mut().find(|(timing, _)| timing.is_like(&row.timing)) {
                Some((_, models)) if models.contains(&row.model) => {}
                Some((_, models)) => models.push(row.model.clone()),
                None => kinds.push((&row.timing, vec![row.model.clone()])),
            }
        }
    }
    let section = |((evaluation, split), kinds): ((&str, &'static str), Vec<Alike>)| {
        let conditions = kinds.into_iter().map(|(timing, models)| (conditions(timing), models)).collect();
        Unlike { evaluation: evaluation.to_owned(), split, conditions }
    };
    sections.into_iter().filter(|(_, kinds)| kinds.len() > 1).map(section).collect()
}

impl Unlike {
    /// Which networks were measured under which conditions, and how to measure them again.
    pub fn note(&self) -> String {
        let mut out = format!(
            "  * times under unlike conditions, not to be compared; `--refresh {}` measures all of them again\n",
            self.evaluation
        );
        for (conditions, models) in &self.conditions {
            let others = models.len().saturating_sub(SHOWN);
            let more = if others > 0 { format!(" and {others} more") } else { String::new() };
            let shown = models.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
            out.push_str(&format!("    {shown}{more}: {conditions}\n"));
        }
        out
    }
}

/// How many networks are named for each of several conditions.
const SHOWN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_the_calendar() {
        let days = [0, 951_782_399, 951_782_400, 951_868_800, 1_795_848_268, 4_107_542_400].map(day);
        assert_eq!(days, ["1970-01-01", "2000-02-28", "2000-02-29", "2000-03-01", "2026-11-28", "2100-03-01"]);
    }
}
