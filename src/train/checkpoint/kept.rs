//! Which checkpoints of a run are kept beside the last.
//!
//! The last is where a run that was stopped, or is longer, goes on, and it holds the best network so far. Those before it
//! serve a run that branches: one that is shorter, stops earlier, or lowers its learning rate at another epoch. They lie at
//! the multiples of a power of two, the smallest of which at most [`BEFORE`] lie before the last:
//!
//! | last | kept before it |
//! |---|---|
//! | 2 | 1 |
//! | 10 | 4, 8 |
//! | 20 | 8, 16 |
//! | 50 | 32 |
//! | 90 | 32, 64 |
//! | 200 | 128 |
//!
//! The power only grows with the last epoch, and multiples of the larger are multiples of the smaller, so what is to be kept
//! was never dropped. Nothing else decides it: not the number of epochs that were planned, nor a schedule.

/// How many checkpoints are kept before the last, at most.
pub const BEFORE: u64 = 2;

/// Whether the checkpoint of `epoch` (from 1) is kept once that of `last` is durable.
pub fn is_kept(epoch: u64, last: u64) -> bool {
    epoch >= last || epoch.is_multiple_of(spacing(last))
}

/// The epochs that go when the checkpoint of `last` is durable and those of `last - 1` had gone before.
pub fn superseded(last: u64) -> impl Iterator<Item = u64> {
    // Those that the epoch before kept: itself, and few multiples of its spacing.
    let before = last - 1;
    let step = spacing(before) as usize;
    let multiples = (step as u64..before).step_by(step);
    multiples.chain((before > 0).then_some(before)).filter(move |epoch| !is_kept(*epoch, last))
}

fn spacing(last: u64) -> u64 {
    let mut spacing = 1;
    while last.saturating_sub(1) / spacing > BEFORE {
        spacing *= 2;
    }
    spacing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(last: u64) -> Vec<u64> {
        (1..last).filter(|epoch| is_kept(*epoch, last)).collect()
    }

    #[test]
    fn few_are_kept_and_what_is_kept_was_never_dropped() {
        for (last, before) in
            [(1, vec![]), (2, vec![1]), (10, vec![4, 8]), (20, vec![8, 16]), (50, vec![32]), (90, vec![32, 64])]
        {
            assert_eq!(kept(last), before, "{last}");
        }
        assert_eq!(kept(200), [128]);
        let mut there: Vec<u64> = Vec::new();
        for last in 1..2000 {
            there.push(last);
            for epoch in superseded(last) {
                let at = there.iter().position(|one| *one == epoch);
                there.remove(at.expect("it was there"));
            }
            assert_eq!(there[..there.len() - 1], kept(last), "{last}");
            assert!(there.len() as u64 <= BEFORE + 1);
        }
    }

    /// What the rule costs: the epochs that a run which branches off after a random epoch of `last` trains again.
    #[test]
    fn a_branch_trains_a_fifth_of_the_run_again() {
        let mut worst: f64 = 0.0;
        let mut sum = 0.0;
        for last in 10..=500u64 {
            let again = (1..=last).map(|branch| {
                let from = (1..=branch).rev().find(|epoch| is_kept(*epoch, last)).unwrap_or(0);
                (branch - from) as f64
            });
            let share = again.sum::<f64>() / (last * last) as f64;
            worst = worst.max(share);
            sum += share;
        }
        assert!((0.21..0.23).contains(&(sum / 491.0)), "{}", sum / 491.0);
        assert!(worst < 0.28, "{worst}");
    }
}
