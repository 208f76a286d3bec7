//! What a clock says of a network, and under which conditions: a measurement is kept with the network that it was made of,
//! so that times of different days and machines can meet in one table.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Context, Failure};
use crate::data;
use crate::network::{Executor, Mode};
use crate::tensor::device::Device;
use crate::tensor::{self, Backend, NoneTape};

/// What was measured with a clock, beside the result: it is never the same twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Timing {
    /// Milliseconds for one image, the median of several.
    pub latency_ms: f64,
    /// Images a second in batches, the median of several.
    pub throughput: f64,
    /// The GPU that this was measured on; none for the processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What else decides it. Results of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Conditions>,
}

/// What a time depends on, apart from network and device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Conditions {
    /// The processor's name.
    pub processor: String,
    /// How many `f32` one of its vectors holds, as far as they are used.
    pub lanes: usize,
    /// Threads.
    pub threads: usize,
    /// How many stages of the same run were at work when it began. What other programs do is not known.
    pub beside: usize,
    /// When, in seconds since 1970.
    pub measured: u64,
}

impl Timing {
    /// Whether both were measured under conditions that are known to be the same, or neither says. The day does not count,
    /// and on a GPU only the device and what ran beside do.
    pub fn is_like(&self, other: &Timing) -> bool {
        let on_gpu = self.device.is_some();
        let same = |own: &Conditions, other: &Conditions| {
            let of_processor = |of: &Conditions| (of.processor.clone(), of.lanes, of.threads);
            (on_gpu || of_processor(own) == of_processor(other)) && own.beside == other.beside
        };
        self.device == other.device
            && match (&self.conditions, &other.conditions) {
                (Some(own), Some(other)) => same(own, other),
                (None, None) => true,
                _ => false,
            }
    }
}

/// Whether all times were measured under like conditions.
pub fn are_alike<'a>(timings: impl IntoIterator<Item = &'a Timing>) -> bool {
    let mut timings = timings.into_iter();
    let Some(first) = timings.next() else { return true };
    timings.all(|timing| timing.is_like(first))
}

/// Runs of one image, after the first few; the median is kept.
const LATENCY_RUNS: usize = 31;

/// Runs of a batch; the median is kept.
const THROUGHPUT_RUNS: usize = 3;

/// Measures a network on `one` image and on `many`.
pub(super) fn time<B: Backend>(
    network: &Executor<B>,
    one: &data::Batch,
    many: &data::Batch,
    context: &Context,
) -> Result<Timing, Failure> {
    let median = |batch: &data::Batch, runs: usize| -> Result<f64, Failure> {
        let pixels = network.device().upload(&batch.pixels)?;
        let run = || -> Result<f64, Failure> {
            context.check_cancelled()?;
            let begun = Instant::now();
            let forward = network.forward(pixels.clone(), batch.size, Mode::Evaluate, &[], &mut NoneTape)?;
            // A GPU is done when its answer is there.
            B::download(&forward.logits);
            Ok(begun.elapsed().as_secs_f64())
        };
        run()?;
        let mut times = (0..runs).map(|_| run()).collect::<Result<Vec<f64>, Failure>>()?;
        times.sort_by(f64::total_cmp);
        Ok(times[runs / 2])
    };
    let throughput = many.size as f64 / median(many, THROUGHPUT_RUNS)?.max(f64::MIN_POSITIVE);
    let device = (*context.device != Device::Cpu).then(|| context.device.to_string());
    let conditions = Conditions {
        processor: tensor::processor(),
        lanes: tensor::lanes(),
        threads: rayon::current_num_threads(),
        beside: context.beside,
        measured: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
    };
    Ok(Timing { latency_ms: 1e3 * median(one, LATENCY_RUNS)?, throughput, device, conditions: Some(conditions) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_alike_when_all_that_decides_them_is() {
        let conditions =
            Conditions { processor: "P".to_owned(), lanes: 16, threads: 2, beside: 0, measured: 1_700_000_000 };
        let timing = |conditions: Option<&Conditions>, device: Option<&str>| Timing {
            latency_ms: 1.0,
            throughput: 1.0,
            device: device.map(str::to_owned),
            conditions: conditions.cloned(),
        };
        let on = |conditions: &Conditions| timing(Some(conditions), None);
        let later = Conditions { measured: 1_800_000_000, ..conditions.clone() };
        assert!(on(&conditions).is_like(&on(&later)), "the day does not count");
        let others = [
            Conditions { processor: "Q".to_owned(), ..conditions.clone() },
            Conditions { lanes: 8, ..conditions.clone() },
            Conditions { threads: 1, ..conditions.clone() },
            Conditions { beside: 3, ..conditions.clone() },
        ];
        for other in &others {
            assert!(!on(&conditions).is_like(&on(other)), "{other:?}");
        }
        let on_gpu = |conditions: &Conditions| timing(Some(conditions), Some("cuda:0"));
        assert!(on_gpu(&conditions).is_like(&on_gpu(&others[2])), "threads do not count on a GPU");
        assert!(!on_gpu(&conditions).is_like(&on_gpu(&others[3])));
        assert!(!on_gpu(&conditions).is_like(&on(&conditions)));
        let unknown = timing(None, None);
        assert!(unknown.is_like(&unknown) && !unknown.is_like(&on(&conditions)));
        assert!(are_alike([&on(&conditions), &on(&later)]) && are_alike([]));
        assert!(!are_alike([&on(&conditions), &on(&later), &on(&others[0])]));
    }

    #[test]
    fn a_measurement_of_an_earlier_version_is_read() {
        let read: Timing = serde_json::from_str(r#"{"latency-ms": 0.5, "throughput": 2000.0}"#).unwrap();
        assert_eq!((read.latency_ms, read.conditions), (0.5, None));
    }
}
