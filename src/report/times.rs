//! Times with the conditions under which they were measured, and what is said where these differ.

use super::results::{Evaluation, Row};
use crate::manifest::matrix::template_of;
use crate::stage::timing::{Timing, are_alike};

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

/// Says which networks were measured under which conditions, and how to measure them again; nothing where all are alike.
pub fn unlike(evaluations: &[&Evaluation]) -> String {
    let rows: Vec<&Row> = evaluations.iter().flat_map(|evaluation| &evaluation.models).collect();
    if are_alike(rows.iter().map(|row| &row.timing)) {
        return String::new();
    }
    let mut kinds: Vec<(&Timing, Vec<&str>)> = Vec::new();
    for row in rows {
        match kinds.iter_mut().find(|(timing, _)| timing.is_like(&row.timing)) {
            Some((_, models)) if models.contains(&&*row.model) => {}
            Some((_, models)) => models.push(&row.model),
            None => kinds.push((&row.timing, vec![&row.model])),
        }
    }
    let section = template_of(&evaluations[0].stage);
    let mut out = format!(
        "  * times under unlike conditions, not to be compared; `--refresh {section}` measures all of them again\n"
    );
    for (timing, models) in kinds {
        let others = models.len().saturating_sub(SHOWN);
        let more = if others > 0 { format!(" and {others} more") } else { String::new() };
        let shown = models.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
        out.push_str(&format!("    {shown}{more}: {}\n", conditions(timing)));
    }
    out
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
