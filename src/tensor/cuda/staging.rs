//! The way from the host to a GPU that neither of them waits on.
//!
//! Values are copied into pinned memory, from which the GPU fetches them while the host goes on. Images of the next batch
//! are fetched while the GPU still works on the last one: an engine takes a copy of its images when it begins, and from then
//! on their tensor may be overwritten. [`Staging::taken`] and [`Staging::read`] keep account of that.

use std::ffi::c_void;

use cudarc::driver::sys;

use super::device::check;
use super::launch::Pointer;
use crate::error::Result;

/// Pieces of pinned memory that are used in turn: one that is filled, and others that are on their way.
const SLOTS: usize = 4;

/// Pinned memory, and when it may be filled again.
#[derive(Debug)]
struct Slot {
    memory: *mut c_void,
    bytes: usize,
    /// Past when what is in it has been fetched.
    fetched: sys::CUevent,
}

/// Pinned memory of one GPU.
#[derive(Debug)]
pub(super) struct Staging {
    slots: Vec<Slot>,
    next: usize,
    /// Where copies run beside kernels.
    ahead: sys::CUstream,
    /// The tensor that was taken a copy of, and the moment after.
    taken: Option<Pointer>,
    since: sys::CUevent,
}

// SAFETY: handles of the driver may be used by any thread, and whoever has the staging has it alone, behind a lock.
unsafe impl Send for Staging {}

impl Staging {
    /// For the context that is current.
    pub(super) fn new() -> Result<Self> {
        let (mut ahead, mut since) = (std::ptr::null_mut(), std::ptr::null_mut());
        let quiet = sys::CUevent_flags::CU_EVENT_DISABLE_TIMING as u32;
        // SAFETY: they write handles to the places given.
        unsafe {
            check(sys::cuStreamCreate(&mut ahead, sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32))?;
            check(sys::cuEventCreate(&mut since, quiet))?;
        }
        let mut slots = Vec::with_capacity(SLOTS);
        for _ in 0..SLOTS {
            let mut fetched = std::ptr::null_mut();
            // SAFETY: as above.
            check(unsafe { sys::cuEventCreate(&mut fetched, quiet) })?;
            slots.push(Slot { memory: std::ptr::null_mut(), bytes: 0, fetched });
        }
        Ok(Self { slots, next: 0, ahead, taken: None, since })
    }

    /// Notes that all work on the tensor at `pointer` is queued that was to see its present values.
    pub(super) fn taken(&mut self, pointer: Pointer) -> Result<()> {
        self.taken = Some(pointer);
        // SAFETY: the event is ours; the stream is dfdx's.
        check(unsafe { sys::cuEventRecord(self.since, std::ptr::null_mut()) })
    }

    /// Notes that somebody else is to see the present values of the tensor at `pointer`.
    pub(super) fn read(&mut self, pointer: Pointer) {
        if self.taken == Some(pointer) {
            self.taken = None;
        }
    }

    /// Sends values to `to`: there for all work that is queued from now on, and not seen by work queued before.
    pub(super) fn send(&mut self, values: &[f32], to: Pointer) -> Result<()> {
        let bytes = size_of_val(values);
        let ahead = self.taken == Some(to);
        let stream = if ahead { self.ahead } else { std::ptr::null_mut() };
        let slot = &mut self.slots[self.next];
        self.next = (self.next + 1) % SLOTS;
        // SAFETY: events and streams are ours, or dfdx's null stream. The pinned memory is as long as it is said to be and is
        // not written again before the event behind its copy has passed.
        unsafe {
            check(sys::cuEventSynchronize(slot.fetched))?;
            if slot.bytes < bytes {
                if !slot.memory.is_null() {
                    check(sys::cuMemFreeHost(slot.memory))?;
                    (slot.memory, slot.bytes) = (std::ptr::null_mut(), 0);
                }
                check(sys::cuMemAllocHost_v2(&mut slot.memory, bytes))?;
                slot.bytes = bytes;
            }
            std::ptr::copy_nonoverlapping(values.as_ptr().cast(), slot.memory.cast::<u8>(), bytes);
            if ahead {
                check(sys::cuStreamWaitEvent(stream, self.since, 0))?;
            }
            check(sys::cuMemcpyHtoDAsync_v2(to.0, slot.memory, bytes, stream))?;
            check(sys::cuEventRecord(slot.fetched, stream))?;
            if ahead {
                check(sys::cuStreamWaitEvent(std::ptr::null_mut(), slot.fetched, 0))?;
            }
        }
        Ok(())
    }
}
