//! The fixed shares that threads work on. Their sizes never depend on how many threads there are.

use std::cell::RefCell;

/// Values in a share of elementwise work: 64 KiB, so that a share stays in a core's cache.
pub(crate) const ELEMENTS: usize = 16 * 1024;

/// How many whole rows of `columns` values make a share of about [`ELEMENTS`].
pub(crate) fn rows_per_share(columns: usize) -> usize {
    (ELEMENTS / columns).max(1)
}

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `work` on `length` values of this thread's scratch memory, whose contents are left over from earlier work.
pub(crate) fn with_scratch<R>(length: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    // Taken out, not borrowed: should `work` use scratch memory itself, it gets memory of its own.
    let mut memory = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    if memory.len() < length {
        memory.resize(length, 0.0);
    }
    let result = work(&mut memory[..length]);
    SCRATCH.with_borrow_mut(|free| free.push(memory));
    result
}

/// Adds `shares` to `total` in their order.
pub(crate) fn add_in_order<'a>(total: &mut [f32], shares: impl IntoIterator<Item = &'a [f32]>) {
    for share in shares {
        add(total, share);
    }
}

/// `total += values`.
pub(crate) fn add(total: &mut [f32], values: &[f32]) {
    for (total, value) in total.iter_mut().zip(values) {
        *total += value;
    }
}

/// `total += a b`, value by value.
pub(crate) fn add_products(total: &mut [f32], a: &[f32], b: &[f32]) {
    for ((total, a), b) in total.iter_mut().zip(a).zip(b) {
        *total += a * b;
    }
}

/// `total += factor values`.
pub(crate) fn add_scaled(total: &mut [f32], factor: f32, values: &[f32]) {
    for (total, value) in total.iter_mut().zip(values) {
        *total += factor * value;
    }
}
