//! What this machine can do at most: products of matrices, and copies.

use std::time::Instant;

/// What the machine can do at most.
pub struct Floor {
    /// Of all threads together.
    pub gflops: f64,
    /// GB/s of a copy that stays in the caches.
    pub near: f64,
    /// GB/s of a copy that does not.
    pub far: f64,
}

impl Floor {
    pub fn measure(pool: &rayon::ThreadPool) -> Self {
        let threads = pool.current_num_threads() as f64;
        let n = 1024;
        let product = slowest(
            pool,
            11,
            || vec![vec![1.0f32; n * n]; 3],
            |matrices| {
                let [a, b, c] = &mut matrices[..] else { return };
                let n = n as isize;
                // SAFETY: all three are n x n matrices of n² values, row after row, and `c` is no part of the others.
                unsafe {
                    gemm::gemm(
                        n as usize,
                        n as usize,
                        n as usize,
                        c.as_mut_ptr(),
                        1,
                        n,
                        false,
                        a.as_ptr(),
                        1,
                        n,
                        b.as_ptr(),
                        1,
                        n,
                        1.0,
                        1.0,
                        false,
                        false,
                        false,
                        gemm::Parallelism::None,
                    );
                }
            },
        );
        let copy = |bytes: usize| {
            let time = slowest(
                pool,
                21,
                || vec![vec![1u8; bytes]; 2],
                |buffers| {
                    let [from, to] = &mut buffers[..] else { return };
                    to.copy_from_slice(std::hint::black_box(from));
                },
            );
            2.0 * threads * bytes as f64 / time / 1e9
        };
        Self { gflops: threads * 2.0 * (n as f64).powi(3) / product / 1e9, near: copy(4 << 20), far: copy(64 << 20) }
    }
}

/// Seconds for all threads of a pool to do `work` at once, each on its own data: the fastest of several tries.
fn slowest<T>(
    pool: &rayon::ThreadPool,
    tries: usize,
    data: impl Fn() -> T + Sync,
    work: impl Fn(&mut T) + Sync,
) -> f64 {
    let seconds = pool.broadcast(|_| {
        let mut data = data();
        (0..tries)
            .map(|_| {
                let begun = Instant::now();
                work(&mut data);
                begun.elapsed().as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min)
    });
    seconds.into_iter().fold(0.0, f64::max)
}
