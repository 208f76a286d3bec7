//! The learning rate of every step.

use super::parameters::Schedule;

/// The rate of each step of `epoch` (from 0): `base` times the schedule's factor. The warm-up is linear from zero over
/// its steps; a cosine falls over the steps that are left (Loshchilov & Hutter 2017).
pub fn rates(schedule: &Schedule, base: f64, epochs: u64, steps_per_epoch: u64, epoch: u64) -> Vec<f64> {
    (0..steps_per_epoch).map(|step| base * factor(schedule, epochs, steps_per_epoch, epoch, step)).collect()
}

fn factor(schedule: &Schedule, epochs: u64, steps_per_epoch: u64, epoch: u64, step: u64) -> f64 {
    let (Schedule::Constant { warmup } | Schedule::Step { warmup, .. } | Schedule::Cosine { warmup, .. }) = schedule;
    let at = (epoch * steps_per_epoch + step) as f64;
    let warmup_steps = (warmup * steps_per_epoch as f64).round();
    if at < warmup_steps {
        return (at + 1.0) / warmup_steps;
    }
    match schedule {
        Schedule::Constant { .. } => 1.0,
        Schedule::Step { milestones, gamma, .. } => {
            gamma.powi(milestones.iter().filter(|milestone| **milestone <= epoch).count() as i32)
        }
        Schedule::Cosine { final_share, .. } => {
            let total = (epochs * steps_per_epoch) as f64;
            let progress = (at - warmup_steps) / (total - warmup_steps).max(1.0);
            final_share + (1.0 - final_share) * 0.5 * (1.0 + crate::math::cos(std::f64::consts::PI * progress))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(schedule: &Schedule, epochs: u64) -> Vec<f64> {
        (0..epochs).flat_map(|epoch| rates(schedule, 1.0, epochs, 2, epoch)).collect()
    }

    #[test]
    fn constant_with_a_linear_warm_up() {
        assert_eq!(all(&Schedule::Constant { warmup: 0.0 }, 2), [1.0; 4]);
        assert_eq!(all(&Schedule::Constant { warmup: 2.0 }, 3), [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
        assert_eq!(all(&Schedule::Constant { warmup: 0.5 }, 1), [1.0, 1.0]);
    }

    #[test]
    fn steps_fall_at_their_milestones() {
        let schedule = Schedule::Step { warmup: 0.0, milestones: vec![1, 3], gamma: 0.5 };
        assert_eq!(all(&schedule, 4), [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]);
    }

    #[test]
    fn a_cosine_falls_from_one_to_its_last_share() {
        let rates = all(&Schedule::Cosine { warmup: 0.0, final_share: 0.0 }, 2);
        let expected = [1.0, 0.853_553_390_593_273_7, 0.5, 0.146_446_609_406_726_3];
        for (rate, expected) in rates.iter().zip(expected) {
            assert!((rate - expected).abs() < 1e-15, "{rates:?}");
        }
        let last = all(&Schedule::Cosine { warmup: 1.0, final_share: 0.1 }, 200)[399];
        assert!((last - 0.1).abs() < 1e-4, "{last}");
    }
}
