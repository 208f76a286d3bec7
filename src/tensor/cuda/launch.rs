//! Launching kernels, and memory that is the engine's own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cudarc::driver::sys;

use super::device::check;
use super::staging::Staging;
use crate::error::{Error, Kind, Result};

/// All kernels, for every GPU that this build is for.
pub(super) static IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin"));

/// How many threads a block has in kernels of one dimension; the same number is in `kernel.h`.
pub(crate) const THREADS: u32 = 256;

/// An address in a GPU's memory, of `f32` where nothing else is said; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Pointer(pub(super) u64);

impl Pointer {
    /// Nothing.
    pub(crate) const NONE: Self = Self(0);

    /// As many `f32` further on.
    pub(crate) fn plus(self, values: usize) -> Self {
        Self(self.0 + 4 * values as u64)
    }
}

/// What a kernel can be given: something that the device reads as it lies in memory.
pub(crate) trait Argument: Copy {}
impl Argument for Pointer {}
impl Argument for i32 {}
impl Argument for i64 {}
impl Argument for f32 {}
impl Argument for f64 {}

/// Where a kernel finds an argument.
pub(crate) fn argument<T: Argument>(value: &T) -> *mut c_void {
    std::ptr::from_ref(value).cast_mut().cast()
}

/// Launches a kernel: its name, blocks, threads of a block, and its arguments in the kernel's order and of its types.
macro_rules! launch {
    ($name:literal, $blocks:expr, $threads:expr, $($argument:expr),* $(,)?) => {
        $crate::tensor::cuda::launch::run($name, $blocks.into(), $threads.into(), &mut [
            $($crate::tensor::cuda::launch::argument(&$argument)),*
        ])
    };
}
pub(crate) use launch;

/// Sizes along up to three dimensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes([u32; 3]);

impl From<u32> for Sizes {
    fn from(x: u32) -> Self {
        Self([x, 1, 1])
    }
}

impl From<[u32; 2]> for Sizes {
    fn from([x, y]: [u32; 2]) -> Self {
        Self([x, y, 1])
    }
}

impl From<[u32; 3]> for Sizes {
    fn from(sizes: [u32; 3]) -> Self {
        Self(sizes)
    }
}

/// Blocks of [`THREADS`] for a loop over `count` things, not more than keep the GPU busy.
pub(crate) fn blocks(count: usize) -> u32 {
    let most = with(|context| context.multiprocessors).unwrap_or(1) * 16;
    (count.div_ceil(THREADS as usize)).clamp(1, most as usize) as u32
}

/// Fails unless the thread's GPU has matrix units that round factors to TF32 and BF16, as all have since Ampere.
pub(crate) fn expect_matrix_units() -> Result<()> {
    let (context, _) = current()?;
    if context.generation >= 8 {
        return Ok(());
    }
    let message = "this GPU computes products in `f32` only: `tf32` and `bf16` need compute capability 8.0";
    Err(Error::new(Kind::Stage, message).hint("leave `precision` out, or use another GPU"))
}

/// A GPU with the kernels on it.
#[derive(Debug)]
pub(crate) struct Context {
    primary: usize,
    /// From which dfdx's tensors are allocated; 0 if the GPU has none.
    pool: usize,
    module: usize,
    functions: Mutex<HashMap<&'static str, usize>>,
    /// How many blocks it can run at once, at least.
    multiprocessors: u32,
    /// The first number of its compute capability.
    generation: i32,
    staging: Mutex<Staging>,
    /// What launches are recorded on while a graph is captured; otherwise work is done on dfdx's stream.
    recorder: usize,
}

thread_local! {
    static CURRENT: RefCell<Option<(Arc<Context>, bool)>> = const { RefCell::new(None) };
}

/// At most how many GPUs a process works on.
const MOST: usize = 64;
static OPEN: [OnceLock<Arc<Context>>; MOST] = [const { OnceLock::new() }; MOST];

impl Context {
    /// Opens a GPU that dfdx has opened, and makes it the thread's own.
    pub(super) fn open(ordinal: usize) -> Result<()> {
        let place =
            OPEN.get(ordinal).ok_or_else(|| Error::new(Kind::Usage, format!("GPU {ordinal} of at most {MOST}")))?;
        if place.get().is_none() {
            let context = Arc::new(Self::new(ordinal)?);
            // Another thread may have been first; then both are as good.
            drop(place.set(context));
        }
        let context = Arc::clone(place.get().expect("it was just set"));
        // SAFETY: the context is the device's own, which dfdx holds.
        check(unsafe { sys::cuCtxSetCurrent(context.primary as sys::CUcontext) })?;
        CURRENT.set(Some((context, false)));
        Ok(())
    }

    fn new(ordinal: usize) -> Result<Self> {
        let (mut device, mut primary, mut module, mut multiprocessors) =
            (0, std::ptr::null_mut(), std::ptr::null_mut(), 0);
        let mut pool = std::ptr::null_mut();
        let (mut recorder, mut generation) = (std::ptr::null_mut(), 0);
        let attribute = sys::CUdevice_attribute_enum::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
        let major = sys::CUdevice_attribute_enum::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
        let threshold = sys::CUmemPool_attribute_enum::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        // Memory that tensors give back stays with the process, to be used again.
        let mut all = u64::MAX;
        // SAFETY: all write to the places given; the image is embedded and stays.
        unsafe {
            check(sys::cuDeviceGet(&mut device, ordinal as i32))?;
            check(sys::cuDevicePrimaryCtxRetain(&mut primary, device))?;
            check(sys::cuCtxSetCurrent(primary))?;
            check(sys::cuModuleLoadData(&mut module, IMAGE.as_ptr().cast()))?;
            check(sys::cuDeviceGetAttribute(&mut multiprocessors, attribute, device))?;
            check(sys::cuDeviceGetAttribute(&mut generation, major, device))?;
            if sys::cuDeviceGetDefaultMemPool(&mut pool, device) == sys::cudaError_enum::CUDA_SUCCESS {
                check(sys::cuMemPoolSetAttribute(pool, threshold, std::ptr::from_mut(&mut all).cast()))?;
            } else {
                pool = std::ptr::null_mut();
            }
            check(sys::cuStreamCreate(&mut recorder, sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32))?;
        }
        Ok(Self {
            primary: primary as usize,
            pool: pool as usize,
            module: module as usize,
            functions: Mutex::default(),
            staging: Mutex::new(Staging::new()?),
            multiprocessors: multiprocessors.max(1) as u32,
            generation,
            recorder: recorder as usize,
        })
    }

    fn function(&self, name: &'static str) -> Result<sys::CUfunction> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = functions.get(name) {
            return Ok(*function as sys::CUfunction);
        }
        let mut function = std::ptr::null_mut();
        let text = CString::new(name).expect("names of kernels have no zeros");
        // SAFETY: the module stays loaded.
        let status = unsafe { sys::cuModuleGetFunction(&mut function, self.module as sys::CUmodule, text.as_ptr()) };
        if status != sys::cudaError_enum::CUDA_SUCCESS {
            return Err(Error::new(Kind::Internal, format!("there is no CUDA kernel `{name}`")));
        }
        functions.insert(name, function as usize);
        Ok(function)
    }
}

fn with<R>(work: impl FnOnce(&Context) -> R) -> Option<R> {
    CURRENT.with_borrow(|current| current.as_ref().map(|(context, _)| work(context)))
}

/// The thread's GPU, and the stream that work goes to.
fn current() -> Result<(Arc<Context>, sys::CUstream)> {
    let current = CURRENT.with_borrow(Clone::clone);
    let (context, recording) = current.ok_or_else(|| Error::new(Kind::Internal, "this thread has opened no GPU"))?;
    let stream = if recording { context.recorder as sys::CUstream } else { std::ptr::null_mut() };
    Ok((context, stream))
}

/// See [`launch`].
pub(crate) fn run(name: &'static str, blocks: Sizes, threads: Sizes, arguments: &mut [*mut c_void]) -> Result<()> {
    let (context, stream) = current()?;
    let function = context.function(name)?;
    let ([gx, gy, gz], [bx, by, bz]) = (blocks.0, threads.0);
    // SAFETY: the arguments are those of the kernel, by the caller's word, and the driver copies them at once. What the kernel
    // writes is given by pointers that are valid until the stream has come past it: memory is freed in the stream's order.
    let status = unsafe {
        sys::cuLaunchKernel(function, gx, gy, gz, bx, by, bz, 0, stream, arguments.as_mut_ptr(), std::ptr::null_mut())
    };
    check(status).map_err(|error| Error { message: format!("kernel `{name}`: {}", error.message), ..error })
}

/// Copies `count` values on the GPU.
pub(crate) fn copy(from: Pointer, to: Pointer, count: usize) -> Result<()> {
    let (_, stream) = current()?;
    // SAFETY: as in `fill_zeros`, for both.
    check(unsafe { sys::cuMemcpyDtoDAsync_v2(to.0, from.0, 4 * count, stream) })
}

/// Sends values from the host; neither it nor the GPU waits.
pub(crate) fn send(values: &[f32], to: Pointer) -> Result<()> {
    let (context, _) = current()?;
    context.staging.lock().unwrap_or_else(PoisonError::into_inner).send(values, to)
}

/// Notes that the tensor at `pointer` may be overwritten as soon as what is queued by now is done.
pub(crate) fn taken(pointer: Pointer) -> Result<()> {
    let (context, _) = current()?;
    context.staging.lock().unwrap_or_else(PoisonError::into_inner).taken(pointer)
}

/// Notes that somebody is to read the tensor at `pointer`.
pub(super) fn read(pointer: Pointer) {
    // Without a GPU there is no tensor of one.
    with(|context| context.staging.lock().unwrap_or_else(PoisonError::into_inner).read(pointer)).unwrap_or_default();
}

/// Gives memory that tensors have given back to the driver.
pub(super) fn trim() -> Result<()> {
    let (context, stream) = current()?;
    if context.pool == 0 {
        return Ok(());
    }
    // SAFETY: the pool is the device's own. What is still in use stays.
    unsafe {
        check(sys::cuStreamSynchronize(stream))?;
        check(sys::cuMemPoolTrimTo(context.pool as sys::CUmemoryPool, 0))
    }
}

/// Memory of a GPU that is freed when it goes.
#[derive(Debug)]
pub(crate) struct Memory {
    pointer: Pointer,
    context: Arc<Context>,
}

impl Memory {
    /// Room for `length` values, which are anything.
    pub(crate) fn new(length: usize) -> Result<Self> {
        let (context, _) = current()?;
        let mut pointer = 0;
        // SAFETY: it writes the address.
        check(unsafe { sys::cuMemAlloc_v2(&mut pointer, 4 * length.max(1)) })?;
        Ok(Self { pointer: Pointer(pointer), context })
    }

    /// Its address.
    pub(crate) fn pointer(&self) -> Pointer {
        self.pointer
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was allocated in this context and is freed once; the driver waits for work that uses it.
        unsafe {
            let _ = sys::cuCtxSetCurrent(self.context.primary as sys::CUcontext);
            let _ = sys::cuMemFree_v2(self.pointer.0);
        }
    }
}

/// Work that was recorded once, to be done again at one stroke.
#[derive(Debug)]
pub(crate) struct Graph(usize);

impl Graph {
    /// Records what `work` launches, without doing it.
    pub(crate) fn record(work: impl FnOnce() -> Result<()>) -> Result<Self> {
        let (context, _) = current()?;
        let stream = context.recorder as sys::CUstream;
        let (mut graph, mut ready) = (std::ptr::null_mut(), std::ptr::null_mut());
        let mode = sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is only used for recording, by one thread at a time (a GPU does one stage at a time).
        check(unsafe { sys::cuStreamBeginCapture_v2(stream, mode) })?;
        CURRENT.set(Some((Arc::clone(&context), true)));
        let worked = work();
        CURRENT.set(Some((context, false)));
        // SAFETY: it writes the graph, which is ours, also when the work failed.
        let ended = check(unsafe { sys::cuStreamEndCapture(stream, &mut graph) });
        worked.and(ended)?;
        // SAFETY: both are ours; the graph is not needed once it is instantiated.
        unsafe {
            let made = check(sys::cuGraphInstantiateWithFlags(&mut ready, graph, 0));
            let _ = sys::cuGraphDestroy(graph);
            made?;
        }
        Ok(Self(ready as usize))
    }

    /// Does it.
    pub(crate) fn launch(&self) -> Result<()> {
        let (_, stream) = current()?;
        // SAFETY: it is instantiated, and the memory it was recorded with belongs to the engine that holds it.
        check(unsafe { sys::cuGraphLaunch(self.0 as sys::CUgraphExec, stream) })
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: it is ours, and no longer running when the stream has come past it.
        unsafe {
            let _ = sys::cuStreamSynchronize(std::ptr::null_mut());
            let _ = sys::cuGraphExecDestroy(self.0 as sys::CUgraphExec);
        }
    }
}
