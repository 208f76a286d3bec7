// The part of the CUDA driver's interface that pleach uses, computed by the processor at once: for tests on machines
// without a GPU. Memory is the processor's and freed memory is filled with a pattern; a kernel runs when it is launched,
// unless a stream is being captured, in which case it runs when the graph is launched.
#include "emulator.h"

#include <cstdlib>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace {

std::map<std::string, Bind>& kernels() {
    static std::map<std::string, Bind> all;
    return all;
}

// --- Threads that take turns -------------------------------------------------------------------------------------

constexpr size_t STACK = 64 * 1024;
constexpr int MOST = 1024;

#if defined(__x86_64__)
// Saves what a call must preserve, and goes on where `to` stopped.
extern "C" void pleach_switch(void** from, void* to);
asm(R"(
.text
.globl pleach_switch
pleach_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");
#else
#error "the emulator switches between threads on x86-64 only"
#endif

struct Turn {
    void* stack = nullptr;
    char* memory = nullptr;
    bool over = false;
    dim3 index;
};
Turn turns[MOST];
void* scheduler = nullptr;
Turn* current = nullptr;
const Call* running = nullptr;

void run_thread() {
    (*running)();
    current->over = true;
    void* nowhere;
    pleach_switch(&nowhere, scheduler);
    std::abort();
}

void run_block(int threads) {
    int index = 0;
    for (unsigned z = 0; z < blockDim.z; z++)
        for (unsigned y = 0; y < blockDim.y; y++)
            for (unsigned x = 0; x < blockDim.x; x++) {
                Turn& turn = turns[index++];
                if (!turn.memory) turn.memory = static_cast<char*>(std::aligned_alloc(64, STACK));
                turn.over = false;
                turn.index.x = x, turn.index.y = y, turn.index.z = z;
                void** top = reinterpret_cast<void**>(turn.memory + STACK);
                *--top = nullptr;  // as after a call: 16-byte alignment less 8
                *--top = reinterpret_cast<void*>(run_thread);
                for (int i = 0; i < 6; i++) *--top = nullptr;
                turn.stack = top;
            }
    // Each round ends when all that are not over wait; those that wait then wait for the same thing.
    for (bool left = true; left;) {
        left = false;
        for (int i = 0; i < threads; i++) {
            if (turns[i].over) continue;
            current = &turns[i];
            threadIdx = current->index;
            pleach_switch(&scheduler, current->stack);
            left = left || !turns[i].over;
        }
    }
}

struct Launch {
    Call call;
    dim3 grid, block;
};

void run(const Launch& launch) {
    static std::mutex one;
    std::lock_guard<std::mutex> guard(one);
    gridDim = launch.grid;
    blockDim = launch.block;
    running = &launch.call;
    for (unsigned z = 0; z < gridDim.z; z++)
        for (unsigned y = 0; y < gridDim.y; y++)
            for (unsigned x = 0; x < gridDim.x; x++) {
                blockIdx.x = x, blockIdx.y = y, blockIdx.z = z;
                run_block(blockDim.x * blockDim.y * blockDim.z);
            }
}

// --- Memory, streams and graphs ----------------------------------------------------------------------------------

std::mutex memory_lock;
std::map<uint64_t, size_t> allocated;
size_t used = 0;
size_t total() {
    const char* set = std::getenv("PLEACH_EMULATED_MEMORY");
    return set ? std::strtoull(set, nullptr, 10) : size_t(1) << 32;
}

struct Graph {
    std::vector<std::function<void()>> steps;
};
struct Stream {
    Graph* captured = nullptr;
};

int submit(void* stream, std::function<void()> step) {
    auto* own = static_cast<Stream*>(stream);
    if (own && own->captured)
        own->captured->steps.push_back(std::move(step));
    else
        step();
    return 0;
}

int allocate(uint64_t* pointer, size_t bytes) {
    std::lock_guard<std::mutex> guard(memory_lock);
    if (used + bytes > total()) return 2;
    void* memory = std::aligned_alloc(256, (bytes + 511) / 256 * 256);
    if (!memory) return 2;
    std::memset(memory, 0xff, bytes);  // NaN
    *pointer = reinterpret_cast<uint64_t>(memory);
    allocated[*pointer] = bytes;
    used += bytes;
    return 0;
}

int release(uint64_t pointer) {
    std::lock_guard<std::mutex> guard(memory_lock);
    auto found = allocated.find(pointer);
    if (found == allocated.end()) return 1;
    used -= found->second;
    std::memset(reinterpret_cast<void*>(pointer), 0xff, found->second);
    allocated.erase(found);
    std::free(reinterpret_cast<void*>(pointer));
    return 0;
}

void* at(uint64_t pointer) { return reinterpret_cast<void*>(pointer); }

}  // namespace

void __syncthreads() { pleach_switch(&current->stack, scheduler); }

Registered::Registered(const char* name, Bind bind) { kernels()[name] = std::move(bind); }

extern "C" {

int cuInit(unsigned) { return 0; }
int cuDriverGetVersion(int* version) { return *version = 13000, 0; }
int cuDeviceGetCount(int* count) { return *count = 1, 0; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, ordinal == 0 ? 0 : 101; }
int cuDeviceGetName(char* name, int length, int) { return std::snprintf(name, length, "emulated"), 0; }
int cuDeviceTotalMem_v2(size_t* bytes, int) { return *bytes = total(), 0; }
int cuDeviceGetAttribute(int* value, int attribute, int) {
    switch (attribute) {
        case 16: *value = 2; break;   // multiprocessors
        case 75: *value = 9; break;   // compute capability, major
        case 76: *value = 0; break;   // and minor
        case 115: *value = 1; break;  // memory pools
        default: *value = 0;
    }
    return 0;
}
int cuDevicePrimaryCtxRetain(void** context, int) { return *context = &allocated, 0; }
int cuDevicePrimaryCtxRelease_v2(int) { return 0; }
int cuCtxSetCurrent(void*) { return 0; }
int cuCtxGetCurrent(void** context) { return *context = &allocated, 0; }
int cuDeviceGetDefaultMemPool(void** pool, int) { return *pool = &used, 0; }
int cuMemPoolSetAttribute(void*, int, void*) { return 0; }
int cuMemPoolTrimTo(void*, size_t) { return 0; }
int cuGetErrorName(int, const char** name) { return *name = "CUDA_ERROR_EMULATED", 0; }
int cuGetErrorString(int error, const char** text) {
    return *text = error == 2 ? "out of memory" : "an error of the emulator", 0;
}

int cuEventCreate(void** event, unsigned) { return *event = &used, 0; }
int cuEventDestroy_v2(void*) { return 0; }
int cuEventRecord(void*, void*) { return 0; }
int cuEventQuery(void*) { return 0; }
int cuEventSynchronize(void*) { return 0; }
int cuEventElapsedTime(float* milliseconds, void*, void*) { return *milliseconds = 0, 0; }
int cuStreamCreate(void** stream, unsigned) { return *stream = new Stream, 0; }
int cuStreamDestroy_v2(void* stream) { return delete static_cast<Stream*>(stream), 0; }
int cuStreamSynchronize(void*) { return 0; }
int cuStreamWaitEvent(void*, void*, unsigned) { return 0; }
int cuStreamBeginCapture_v2(void* stream, int) {
    if (!stream) return 900;
    return static_cast<Stream*>(stream)->captured = new Graph, 0;
}
int cuStreamEndCapture(void* stream, void** graph) {
    *graph = std::exchange(static_cast<Stream*>(stream)->captured, nullptr);
    return 0;
}
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
    return *executable = new Graph(*static_cast<Graph*>(graph)), 0;
}
int cuGraphDestroy(void* graph) { return delete static_cast<Graph*>(graph), 0; }
int cuGraphExecDestroy(void* graph) { return delete static_cast<Graph*>(graph), 0; }
int cuGraphLaunch(void* graph, void*) {
    for (auto& step : static_cast<Graph*>(graph)->steps) step();
    return 0;
}

int cuMemAlloc_v2(uint64_t* pointer, size_t bytes) { return bytes == 0 ? 1 : allocate(pointer, bytes); }
int cuMemAllocAsync(uint64_t* pointer, size_t bytes, void*) { return allocate(pointer, bytes); }
int cuMemFree_v2(uint64_t pointer) { return release(pointer); }
int cuMemFreeAsync(uint64_t pointer, void*) { return release(pointer); }
int cuMemAllocHost_v2(void** pointer, size_t bytes) { return (*pointer = std::malloc(bytes)) ? 0 : 2; }
int cuMemFreeHost(void* pointer) { return std::free(pointer), 0; }
int cuMemGetInfo_v2(size_t* free, size_t* all) { return *free = total() - used, *all = total(), 0; }
int cuMemsetD8_v2(uint64_t pointer, unsigned char value, size_t bytes) {
    return std::memset(at(pointer), value, bytes), 0;
}
int cuMemsetD8Async(uint64_t pointer, unsigned char value, size_t bytes, void* stream) {
    return submit(stream, [=] { std::memset(at(pointer), value, bytes); });
}
int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) { return std::memcpy(at(to), from, bytes), 0; }
int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream) {
    return submit(stream, [=] { std::memcpy(at(to), from, bytes); });
}
int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) { return std::memcpy(to, at(from), bytes), 0; }
int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream) {
    return submit(stream, [=] { std::memcpy(to, at(from), bytes); });
}
int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) { return std::memmove(at(to), at(from), bytes), 0; }
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream) {
    return submit(stream, [=] { std::memmove(at(to), at(from), bytes); });
}

int cuModuleLoadData(void** module, const void*) { return *module = &kernels(), 0; }
int cuModuleLoad(void** module, const char*) { return *module = &kernels(), 0; }
int cuModuleUnload(void*) { return 0; }
int cuModuleGetFunction(void** function, void*, const char* name) {
    auto found = kernels().find(name);
    if (found == kernels().end()) return 500;
    return *function = &found->second, 0;
}
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void* stream, void** arguments, void**) {
    if (gx * gy * gz == 0 || bx * by * bz == 0 || bx * by * bz > MOST || gy > 65535 || gz > 65535 || shared > 49152)
        return 1;
    Launch launch{(*static_cast<Bind*>(function))(arguments), {gx, gy, gz}, {bx, by, bz}};
    return submit(stream, [launch] { run(launch); });
}
}
