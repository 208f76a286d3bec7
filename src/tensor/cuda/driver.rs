//! The driver's functions, bound when a device is first asked for and not when the program starts.
//!
//! dfdx and cudarc declare CUDA's functions as symbols of a shared library, and a program linked with that library does
//! not start where it is missing. Here every such symbol is defined as a jump through a table. The table is filled from
//! the driver (`libcuda.so.1`) by [`load`]; until then, and for functions that a driver lacks, its entries return
//! [`NOT_LOADED`], an error like any other.
//!
//! cuBLAS and NVRTC are not used, but dfdx asks cuBLAS for a handle when it opens a device: [`blas`] answers.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

/// What a function returns that is not there: `CUDA_ERROR_STUB_LIBRARY`.
pub const NOT_LOADED: i32 = 34;

/// Where the driver is looked for.
#[cfg_attr(feature = "emulated-cuda", allow(dead_code, reason = "the emulator takes its place"))]
pub const LIBRARY: &str = "libcuda.so.1";

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the feature `cuda` is for x86-64 and AArch64");

extern "C" fn not_loaded() -> i32 {
    NOT_LOADED
}

macro_rules! functions {
    ($($name:ident)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(usize)]
        enum Place { $($name,)* Count }

        static TABLE: [AtomicPtr<()>; Place::Count as usize] =
            [const { AtomicPtr::new(not_loaded as *mut ()) }; Place::Count as usize];

        const NAMES: [&str; Place::Count as usize] = [$(stringify!($name)),*];

        mod jumps {
            use super::{Place, TABLE};
            $(
                // SAFETY: no other definition of the symbol is linked: cudarc is built to link no library. The jump leaves
                // every register and the stack as the caller set them, so it is the function of the table, whatever its
                // arguments.
                #[unsafe(no_mangle)]
                #[unsafe(naked)]
                unsafe extern "C" fn $name() {
                    #[cfg(target_arch = "x86_64")]
                    std::arch::naked_asm!(
                        "jmp qword ptr [rip + {table} + {offset}]",
                        table = sym TABLE,
                        offset = const 8 * Place::$name as usize,
                    );
                    #[cfg(target_arch = "aarch64")]
                    std::arch::naked_asm!(
                        "adrp x16, {table}",
                        "add x16, x16, :lo12:{table}",
                        "ldr x16, [x16, #{offset}]",
                        "br x16",
                        table = sym TABLE,
                        offset = const 8 * Place::$name as usize,
                    );
                }
            )*
        }
    };
}

functions! {
    cuCtxGetCurrent cuCtxSetCurrent cuDestroyExternalMemory cuDeviceGet cuDeviceGetAttribute cuDeviceGetCount
    cuDeviceGetDefaultMemPool cuDeviceGetName cuDevicePrimaryCtxRelease_v2 cuDevicePrimaryCtxRetain cuDeviceTotalMem_v2
    cuDriverGetVersion cuEventCreate cuEventDestroy_v2 cuEventElapsedTime cuEventQuery cuEventRecord cuEventSynchronize
    cuExternalMemoryGetMappedBuffer cuGetErrorName cuGetErrorString cuGraphDestroy cuGraphExecDestroy
    cuGraphInstantiateWithFlags cuGraphLaunch cuImportExternalMemory cuInit cuLaunchKernel cuMemAllocAsync
    cuMemAllocHost_v2 cuMemAlloc_v2 cuMemFreeAsync cuMemFreeHost cuMemFree_v2 cuMemGetInfo_v2 cuMemPoolSetAttribute
    cuMemPoolTrimTo cuMemcpyDtoDAsync_v2 cuMemcpyDtoD_v2 cuMemcpyDtoHAsync_v2 cuMemcpyDtoH_v2 cuMemcpyHtoDAsync_v2
    cuMemcpyHtoD_v2 cuMemsetD8Async cuMemsetD8_v2 cuModuleGetFunction cuModuleLoad cuModuleLoadData cuModuleUnload
    cuOccupancyAvailableDynamicSMemPerBlock cuOccupancyMaxActiveBlocksPerMultiprocessor
    cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags cuOccupancyMaxActiveClusters cuOccupancyMaxPotentialBlockSize
    cuOccupancyMaxPotentialBlockSizeWithFlags cuOccupancyMaxPotentialClusterSize cuProfilerStart cuProfilerStop
    cuStreamBeginCapture_v2 cuStreamCreate cuStreamDestroy_v2 cuStreamEndCapture cuStreamSynchronize cuStreamWaitEvent
}

/// Binds the driver's functions, once in a process.
///
/// # Errors
/// That the library could not be opened.
pub fn load(library: &Path) -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(|| bind(library).map_err(|_| format!("{} cannot be opened", library.display()))).clone()
}

fn bind(library: &Path) -> Result<(), libloading::Error> {
    // SAFETY: what a driver's library runs when it is opened is the driver's, as for every program linked with it.
    let library = unsafe { libloading::Library::new(library)? };
    for (entry, name) in TABLE.iter().zip(NAMES) {
        // SAFETY: the address is only jumped to, by callers who declare the function as the driver's header does.
        if let Ok(function) = unsafe { library.get::<*mut ()>(name) } {
            entry.store(*function, Ordering::Release);
        }
    }
    // Its functions may be called until the process ends.
    std::mem::forget(library);
    Ok(())
}

/// cuBLAS and NVRTC, which are never used: a handle that is none, and otherwise an error.
mod blas {
    /// `CUBLAS_STATUS_NOT_SUPPORTED`.
    const NOT_SUPPORTED: i32 = 15;
    /// `NVRTC_ERROR_INTERNAL_ERROR`.
    const NO_COMPILER: i32 = 11;

    macro_rules! answers {
        ($($name:ident: $answer:expr;)*) => {
            $(
                // SAFETY: no other definition of the symbol is linked: cudarc is built to link no library. It reads no
                // argument.
                #[unsafe(no_mangle)]
                extern "C" fn $name() -> i32 {
                    $answer
                }
            )*
        };
    }

    answers! {
        cublasDestroy_v2: 0;
        cublasSetStream_v2: 0;
        cublasDgemmStridedBatched: NOT_SUPPORTED;
        cublasDgemm_v2: NOT_SUPPORTED;
        cublasDgemv_v2: NOT_SUPPORTED;
        cublasGemmEx: NOT_SUPPORTED;
        cublasGemmStridedBatchedEx: NOT_SUPPORTED;
        cublasSgemmStridedBatched: NOT_SUPPORTED;
        cublasSgemm_v2: NOT_SUPPORTED;
        cublasSgemv_v2: NOT_SUPPORTED;
        nvrtcCompileProgram: NO_COMPILER;
        nvrtcCreateProgram: NO_COMPILER;
        nvrtcDestroyProgram: NO_COMPILER;
        nvrtcGetPTX: NO_COMPILER;
        nvrtcGetPTXSize: NO_COMPILER;
        nvrtcGetProgramLog: NO_COMPILER;
        nvrtcGetProgramLogSize: NO_COMPILER;
    }

    // SAFETY: as above; the caller gives a place for the handle, which is only ever handed back to functions above.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn cublasCreate_v2(handle: *mut usize) -> i32 {
        // SAFETY: see above. cudarc reads the place, so something has to be in it.
        unsafe { *handle = 1 };
        0
    }
}
