//! Which GPUs there are, and opening one.

use std::ffi::CStr;
use std::fmt;
use std::path::Path;

use cudarc::driver::sys::{self, CUdevice_attribute_enum as Attribute, cudaError_enum as Status};
use dfdx::tensor::Cuda;

use super::driver;
use super::launch::Context;
use crate::error::{Error, Kind, Result};
use crate::tensor::device::Gpu;

/// The oldest GPUs that kernels are compiled for: Volta.
pub const OLDEST: (i32, i32) = (7, 0);

/// Why there is no GPU to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absent {
    /// The program was built where there was no compiler for kernels.
    NoKernels,
    /// The driver's library cannot be opened.
    NoDriver(String),
    /// The driver does not start, with its own words.
    DriverFailed(String),
    /// The driver has no GPU.
    NoGpu,
    /// All GPUs are older than [`OLDEST`]; the newest of them.
    TooOld(Gpu),
}

impl fmt::Display for Absent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKernels => write!(formatter, "this pleach was built without a CUDA compiler and has no kernels"),
            Self::NoDriver(why) => write!(formatter, "there is no NVIDIA driver: {why}"),
            Self::DriverFailed(why) => write!(formatter, "the NVIDIA driver does not start: {why}"),
            Self::NoGpu => write!(formatter, "the NVIDIA driver sees no GPU"),
            Self::TooOld(Gpu { name, capability: (major, minor), .. }) => write!(
                formatter,
                "the GPU {name} is too old: its compute capability is {major}.{minor}, and {}.{} is the least",
                OLDEST.0, OLDEST.1
            ),
        }
    }
}

/// The library that the driver's functions are taken from.
fn library() -> &'static Path {
    #[cfg(feature = "emulated-cuda")]
    return Path::new(env!("PLEACH_EMULATED_DRIVER"));
    #[cfg(not(feature = "emulated-cuda"))]
    Path::new(driver::LIBRARY)
}

/// The GPUs that can be opened, at least one.
///
/// # Errors
/// Why there is none.
pub fn found() -> Result<Vec<Gpu>, Absent> {
    if super::launch::IMAGE.is_empty() {
        return Err(Absent::NoKernels);
    }
    driver::load(library()).map_err(Absent::NoDriver)?;
    // SAFETY: it takes no pointer.
    match unsafe { sys::cuInit(0) } {
        Status::CUDA_SUCCESS => {}
        Status::CUDA_ERROR_NO_DEVICE => return Err(Absent::NoGpu),
        other => return Err(Absent::DriverFailed(word(other))),
    }
    let mut count = 0;
    // SAFETY: it writes the count.
    check(unsafe { sys::cuDeviceGetCount(&mut count) }).map_err(|error| Absent::DriverFailed(error.message))?;
    let all: Vec<Gpu> = (0..count).filter_map(|ordinal| describe(ordinal).ok()).collect();
    let newest = all.iter().max_by_key(|found| found.capability).cloned().ok_or(Absent::NoGpu)?;
    let usable: Vec<Gpu> = all.into_iter().filter(|found| found.capability >= OLDEST).collect();
    if usable.is_empty() { Err(Absent::TooOld(newest)) } else { Ok(usable) }
}

fn describe(ordinal: i32) -> Result<Gpu> {
    let (mut device, mut memory, mut name) = (0, 0, [0; 128]);
    let attribute = |attribute, device| {
        let mut value = 0;
        // SAFETY: it writes the value.
        check(unsafe { sys::cuDeviceGetAttribute(&mut value, attribute, device) }).map(|()| value)
    };
    // SAFETY: they write to the places given, the name at most its length.
    unsafe {
        check(sys::cuDeviceGet(&mut device, ordinal))?;
        check(sys::cuDeviceTotalMem_v2(&mut memory, device))?;
        check(sys::cuDeviceGetName(name.as_mut_ptr(), name.len() as i32 - 1, device))?;
    }
    // SAFETY: the driver ends the name with a zero, and the last byte is one in any case.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
    let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device)?;
    let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device)?;
    Ok(Gpu { ordinal: ordinal as usize, name, capability: (major, minor), memory: memory as u64 })
}

/// Opens a GPU for the thread that calls; all that it does on tensors from now on, it does there.
///
/// # Errors
/// When there is no such GPU ([`Kind::Usage`]) or it has no room.
pub fn open(ordinal: usize) -> Result<Cuda> {
    let gpus = found().map_err(|absent| Error::new(Kind::Usage, absent.to_string()))?;
    if !gpus.iter().any(|found| found.ordinal == ordinal) {
        let known: Vec<String> = gpus.iter().map(|found| format!("cuda:{} ({})", found.ordinal, found.name)).collect();
        let message = format!("there is no GPU `cuda:{ordinal}`");
        return Err(Error::new(Kind::Usage, message).hint(format!("there are {}", known.join(", "))));
    }
    let device = Cuda::try_build(ordinal, 0).map_err(super::error)?;
    Context::open(ordinal)?;
    Ok(device)
}

/// How much memory of the thread's GPU is free, and how much there is; in bytes.
///
/// # Errors
/// When the driver fails.
pub fn memory() -> Result<(u64, u64)> {
    let (mut free, mut all) = (0, 0);
    // SAFETY: it writes to the places given.
    check(unsafe { sys::cuMemGetInfo_v2(&mut free, &mut all) })?;
    Ok((free as u64, all as u64))
}

/// A driver's status in pleach's terms.
pub(super) fn check(status: sys::CUresult) -> Result<()> {
    match status {
        Status::CUDA_SUCCESS => Ok(()),
        Status::CUDA_ERROR_OUT_OF_MEMORY => {
            let room =
                memory().map_or(String::new(), |(free, all)| format!(": {} of {} MiB are free", free >> 20, all >> 20));
            Err(Error::new(Kind::DeviceMemory, format!("the GPU has no room{room}")).hint("use a smaller batch"))
        }
        // Most of these stay until the process ends, so whatever is to run on this GPU fails as well.
        other => Err(Error::new(Kind::Stage, format!("the GPU failed: {}", word(other)))
            .hint("run again: finished stages and epochs are kept; if it fails at the same place, please report it")),
    }
}

/// The driver's words for a status.
fn word(status: sys::CUresult) -> String {
    let mut text = std::ptr::null();
    // SAFETY: it writes a pointer to a text that stays, or fails and leaves it.
    let known = unsafe { sys::cuGetErrorString(status, &mut text) } == Status::CUDA_SUCCESS && !text.is_null();
    // SAFETY: as above; the text ends with a zero.
    let words = known.then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned());
    format!("{} (error {})", words.unwrap_or_else(|| "it does not say why".to_owned()), status as u32)
}
