//! Who runs beside whom, with how many threads: a function of what runs, what waits, and what each asks for.
//!
//! - **Narrow** stages, whose steps are too short to keep all threads busy, run side by side and share the threads: a
//!   stage that begins gets its part of what is free, divided among those that can begin now. So one that is alone gets
//!   all. Nothing becomes ready while one stage runs alone, so nothing comes too late for its part.
//! - **Wide** stages keep all threads busy. They get all of them, and run one at a time; narrow ones may run beside one,
//!   where they take what it leaves.
//! - A stage that **measures times** on the processor runs with nothing beside it, and with all threads, so that times of
//!   one run can be compared. It begins when nothing else runs: those that are ready and before it do not wait for it.
//! - The memory of all that run together, and of the data sets, stays within a budget. One stage may always run.
//!
//! - A **GPU** does one stage at a time, so that a measurement of latency has it to itself. Then there are no wide stages,
//!   and threads are shared among those that have a GPU.
//!
//! Results do not depend on any of this.

use crate::stage::Demand;

/// Multiply-adds in a step, 0.5 G, from which a thread is worth having: some 5 to 10 ms of work a step, against the 10 µs
/// or so that each of its some hundred parallel passes takes to begin and end.
const WORK_OF_A_THREAD: u64 = 500_000_000;

/// What can be shared out.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Stages at once.
    pub jobs: usize,
    /// Threads of all of them.
    pub threads: usize,
    /// Bytes of all of them.
    pub memory: u64,
    /// GPUs for the stages that compute; without any, they do so on the threads.
    pub gpus: usize,
}

/// Why a stage has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// For another stage to end: as many run as may, or a wide one does.
    Turn,
    /// For memory.
    Memory,
}

#[derive(Debug)]
struct Running {
    stage: usize,
    wide: bool,
    /// With nothing beside it.
    alone: bool,
    threads: usize,
    memory: u64,
    gpu: Option<usize>,
}

/// What runs.
#[derive(Debug)]
pub struct Shares {
    limits: Limits,
    running: Vec<Running>,
    /// Data sets in memory, by the names that the scheduler gives them; they stay.
    data: Vec<(String, u64)>,
}

impl Shares {
    /// Nothing runs.
    pub fn new(limits: Limits) -> Self {
        let limits = Limits { jobs: limits.jobs.max(1), threads: limits.threads.max(1), ..limits };
        Self { limits, running: Vec::new(), data: Vec::new() }
    }

    /// How many stages run.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Whether another stage may begin if it asks for little enough.
    pub fn has_place(&self) -> bool {
        self.running.len() < self.limits.jobs
    }

    /// Bytes that `demand` would add to what is in use.
    fn more(&self, demand: &Demand) -> u64 {
        let known = |(name, _): &&(String, u64)| self.data.iter().any(|(other, _)| other == name);
        let data = demand.data.as_ref().filter(|data| !known(data)).map_or(0, |(_, bytes)| *bytes);
        demand.memory.saturating_add(data)
    }

    /// Whether `demand` is above the budget by itself.
    pub fn exceeds(&self, demand: &Demand) -> bool {
        let data = demand.data.as_ref().map_or(0, |(_, bytes)| *bytes);
        demand.memory.saturating_add(data) > self.limits.memory
    }

    /// GPUs that do nothing, by their numbers.
    fn idle_gpus(&self) -> impl Iterator<Item = usize> {
        (0..self.limits.gpus).filter(|gpu| self.running.iter().all(|running| running.gpu != Some(*gpu)))
    }

    /// Whether nothing may run beside it. A GPU is nobody else's anyway.
    fn is_alone(&self, demand: &Demand) -> bool {
        self.limits.gpus == 0 && demand.times
    }

    fn is_wide(&self, demand: &Demand) -> bool {
        self.limits.gpus == 0 && self.limits.threads > 1 && demand.work / WORK_OF_A_THREAD >= self.limits.threads as u64
    }

    /// The threads that a stage of this demand begins with, if it may begin now; `others` can begin too.
    ///
    /// # Errors
    /// What it has to wait for.
    pub fn admit(&self, demand: &Demand, others: usize) -> Result<usize, Wait> {
        let Limits { jobs, threads, memory, gpus } = self.limits;
        if self.running.is_empty() && (jobs == 1 || others == 0) {
            return Ok(threads);
        }
        if self.running.iter().any(|running| running.alone) {
            return Err(Wait::Turn);
        }
        if self.is_alone(demand) {
            return if self.running.is_empty() { Ok(threads) } else { Err(Wait::Turn) };
        }
        let wide = self.is_wide(demand);
        let beside_wide = self.running.iter().any(|running| running.wide);
        let needs_gpu = demand.computes && gpus > 0;
        let idle_gpus = self.idle_gpus().count();
        if !self.has_place() || (wide && beside_wide) || (needs_gpu && idle_gpus == 0) {
            return Err(Wait::Turn);
        }
        let used = self.running.iter().map(|running| running.memory).chain(self.data.iter().map(|(_, bytes)| *bytes));
        let used = used.fold(0, u64::saturating_add);
        if !self.running.is_empty() && used.saturating_add(self.more(demand)) > memory {
            return Err(Wait::Memory);
        }
        if wide {
            return Ok(threads);
        }
        if beside_wide {
            return Ok((threads / jobs).max(1));
        }
        let taken = self.running.iter().map(|running| running.threads).sum();
        let places = if needs_gpu { idle_gpus.min(jobs - self.running.len()) } else { jobs - self.running.len() };
        let beginners = places.min(others + 1);
        Ok((threads.saturating_sub(taken) / beginners).max(1))
    }

    /// A stage begins with so many threads, and on the GPU that is given back if there are any and it computes.
    pub fn begin(&mut self, stage: usize, demand: &Demand, threads: usize) -> Option<usize> {
        if let Some((name, bytes)) = &demand.data
            && !self.data.iter().any(|(other, _)| other == name)
        {
            self.data.push((name.clone(), *bytes));
        }
        let gpu = self.idle_gpus().next().filter(|_| demand.computes);
        let (wide, alone) = (self.is_wide(demand), self.is_alone(demand));
        self.running.push(Running { stage, wide, alone, threads, memory: demand.memory, gpu });
        gpu
    }

    /// A stage has ended.
    pub fn end(&mut self, stage: usize) {
        self.running.retain(|running| running.stage != stage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(jobs: usize, threads: usize) -> Shares {
        Shares::new(Limits { jobs, threads, memory: 1000, gpus: 0 })
    }

    fn asking(work: u64, memory: u64) -> Demand {
        Demand { work, memory, computes: true, times: false, data: None }
    }

    const WIDE: u64 = 1 << 50;

    #[test]
    fn narrow_stages_share_the_threads() {
        let mut shares = shares(4, 8);
        assert_eq!(shares.admit(&asking(1, 1), 0), Ok(8), "alone");
        assert_eq!(shares.admit(&asking(1, 1), 1), Ok(4), "of two");
        assert_eq!(shares.admit(&asking(1, 1), 9), Ok(2), "of more than can run");
        for (stage, others) in [(0, 2), (1, 1), (2, 0)] {
            let threads = shares.admit(&asking(1, 1), others).unwrap();
            shares.begin(stage, &asking(1, 1), threads);
        }
        assert_eq!(shares.running.iter().map(|r| r.threads).collect::<Vec<_>>(), [2, 3, 3], "all are used");
        assert_eq!(shares.admit(&asking(1, 1), 0), Ok(1), "never none");
        shares.begin(3, &asking(1, 1), 1);
        assert!(!shares.has_place());
        assert_eq!(shares.admit(&asking(1, 1), 0), Err(Wait::Turn));
        shares.end(1);
        assert_eq!(shares.admit(&asking(1, 1), 5), Ok(2), "what the one that ended had, but for the one too many");
    }

    #[test]
    fn one_job_has_all_threads() {
        let mut shares = shares(1, 8);
        assert_eq!(shares.admit(&asking(1, 5000), 7), Ok(8));
        shares.begin(0, &asking(1, 1), 8);
        assert_eq!(shares.admit(&asking(1, 1), 0), Err(Wait::Turn));
    }

    #[test]
    fn wide_stages_have_all_threads_one_at_a_time() {
        let mut shares = shares(3, 4);
        shares.begin(0, &asking(1, 1), 2);
        assert_eq!(shares.admit(&asking(WIDE, 1), 3), Ok(4));
        shares.begin(1, &asking(WIDE, 1), 4);
        assert_eq!(shares.admit(&asking(WIDE, 1), 3), Err(Wait::Turn));
        assert_eq!(shares.admit(&asking(1, 1), 3), Ok(1), "a narrow one beside it");
        shares.end(1);
        assert_eq!(shares.admit(&asking(WIDE, 1), 3), Ok(4));
        // Whether a stage is wide depends on how many threads there are to keep busy.
        let work = 10 * WORK_OF_A_THREAD;
        assert_eq!(
            [2, 10, 11].map(|threads| super::tests::shares(2, threads).is_wide(&asking(work, 1))),
            [true, true, false]
        );
        assert!(!super::tests::shares(2, 1).is_wide(&asking(WIDE, 1)));
    }

    #[test]
    fn a_stage_that_measures_times_has_the_processor_for_itself() {
        let mut shares = shares(4, 8);
        let times = Demand { times: true, ..asking(1, 1) };
        assert_eq!(shares.admit(&times, 5), Ok(8), "all threads, however many others there are");
        shares.begin(0, &asking(1, 1), 2);
        assert_eq!(shares.admit(&times, 5), Err(Wait::Turn));
        assert_eq!(shares.admit(&asking(1, 1), 5), Ok(2), "the others do not wait for it");
        shares.end(0);
        shares.begin(1, &times, 8);
        assert_eq!(shares.admit(&asking(1, 1), 0), Err(Wait::Turn));
        assert_eq!(shares.admit(&times, 0), Err(Wait::Turn));
        shares.end(1);
        assert_eq!(shares.admit(&asking(1, 1), 0), Ok(8));
        let mut gpus = Shares::new(Limits { jobs: 2, threads: 8, memory: 1000, gpus: 2 });
        gpus.begin(0, &asking(1, 1), 4);
        assert_eq!(gpus.admit(&times, 0), Ok(4), "beside what another GPU does");
    }

    #[test]
    fn memory_is_a_budget_of_all_that_run() {
        let mut shares = shares(4, 4);
        assert!(shares.exceeds(&asking(1, 1001)) && !shares.exceeds(&asking(1, 1000)));
        assert!(shares.admit(&asking(1, 5000), 2).is_ok(), "one stage may always run");
        shares.begin(0, &asking(1, 600), 1);
        assert_eq!(shares.admit(&asking(1, 401), 2), Err(Wait::Memory));
        assert_eq!(shares.admit(&asking(1, 400), 2), Ok(1));
        shares.begin(1, &asking(1, 400), 1);
        assert_eq!(shares.admit(&asking(1, 1), 2), Err(Wait::Memory));
        shares.end(0);
        assert_eq!(shares.admit(&asking(1, 600), 0), Ok(3));
        let none = Shares::new(Limits { jobs: 2, threads: 2, memory: u64::MAX, gpus: 0 });
        assert_eq!(none.admit(&asking(1, u64::MAX), 1), Ok(1));
    }

    #[test]
    fn a_gpu_does_one_stage_at_a_time() {
        let mut shares = Shares::new(Limits { jobs: 4, threads: 8, memory: 1000, gpus: 2 });
        let import = Demand { computes: false, ..asking(0, 1) };
        assert_eq!(shares.admit(&asking(WIDE, 1), 9), Ok(4), "half of the threads for each GPU, and nothing is wide");
        assert_eq!(shares.begin(0, &asking(WIDE, 1), 4), Some(0));
        assert_eq!(shares.admit(&asking(WIDE, 1), 9), Ok(4));
        assert_eq!(shares.begin(1, &asking(WIDE, 1), 4), Some(1));
        assert_eq!(shares.admit(&asking(1, 1), 9), Err(Wait::Turn), "there are places, but no GPU");
        assert_eq!(shares.admit(&import, 9), Ok(1), "which this one does not need");
        assert_eq!(shares.begin(2, &import, 1), None);
        shares.end(0);
        assert_eq!(shares.admit(&asking(1, 1), 0), Ok(3));
        assert_eq!(shares.begin(3, &asking(1, 1), 3), Some(0), "the one that is idle again");
    }

    #[test]
    fn a_data_set_counts_once_and_stays() {
        let mut shares = shares(4, 4);
        let digits = |memory| Demand { data: Some(("digits".into(), 500)), ..asking(1, memory) };
        shares.begin(0, &digits(100), 1);
        assert_eq!(shares.admit(&digits(400), 1), Ok(1));
        let others = Demand { data: Some(("letters".into(), 350)), ..asking(1, 100) };
        assert_eq!(shares.admit(&others, 1), Err(Wait::Memory));
        shares.begin(1, &digits(1), 1);
        shares.end(0);
        assert_eq!(shares.admit(&digits(500), 1), Err(Wait::Memory));
        assert_eq!(shares.admit(&digits(499), 1), Ok(1));
    }
}
