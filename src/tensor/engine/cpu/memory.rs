//! Buffers that are used again in every step, so that a steady step allocates nothing.

use std::ops::{Deref, DerefMut};

use dfdx::tensor::CpuError;

/// Some numbers in memory that may hold more.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    values: Vec<f32>,
    length: usize,
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.values[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.length]
    }
}

/// Buffers that nobody uses.
#[derive(Debug, Default)]
pub(super) struct Memory {
    free: Vec<Buffer>,
}

impl Memory {
    /// A buffer of `length` numbers, left over from earlier use: the smallest that is large enough, else the largest,
    /// which grows.
    ///
    /// # Errors
    /// When the system has no room for it.
    pub(super) fn take(&mut self, length: usize) -> Result<Buffer, CpuError> {
        let room = |buffer: &Buffer| buffer.values.len();
        let indices = 0..self.free.len();
        let fitting = indices.clone().filter(|index| room(&self.free[*index]) >= length);
        let best = fitting.min_by_key(|index| room(&self.free[*index]));
        let best = best.or_else(|| indices.max_by_key(|index| room(&self.free[*index])));
        let mut buffer = best.map(|index| self.free.swap_remove(index)).unwrap_or_default();
        if buffer.values.len() < length {
            // What is there is not worth moving.
            buffer.values = Vec::new();
            buffer.values.try_reserve_exact(length).map_err(|_| CpuError::OutOfMemory)?;
            buffer.values.resize(length, 0.0);
        }
        buffer.length = length;
        Ok(buffer)
    }

    /// Takes a buffer back.
    pub(super) fn give(&mut self, buffer: Buffer) {
        if !buffer.values.is_empty() {
            self.free.push(buffer);
        }
    }
}
