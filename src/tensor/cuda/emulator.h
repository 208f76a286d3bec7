// CUDA's language for the processor, as far as the kernels use it: for tests on machines without a GPU.
//
// A block runs at a time, and its threads take turns: each runs until it waits for the others or ends. Shared memory is
// static, which is right while one block runs. Arithmetic is the processor's, so results differ in the last bits, and
// nothing is learnt about races between blocks or about speed.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <utility>

#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
extern dim3 threadIdx, blockIdx, blockDim, gridDim;

void __syncthreads();
using std::fabs;
inline float max(float a, float b) { return std::fmax(a, b); }
inline float min(float a, float b) { return std::fmin(a, b); }
inline int max(int a, int b) { return a > b ? a : b; }
inline int min(int a, int b) { return a < b ? a : b; }
inline long max(long a, long b) { return a > b ? a : b; }
inline long min(long a, long b) { return a < b ? a : b; }
inline double max(double a, double b) { return std::fmax(a, b); }

struct alignas(16) float4 {
    float x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

// A launch that has its arguments, and how to make one from what cuLaunchKernel is given.
using Call = std::function<void()>;
using Bind = std::function<Call(void**)>;

template <typename... A, size_t... I>
Bind binder(void (*kernel)(A...), std::index_sequence<I...>) {
    return [kernel](void** arguments) -> Call {
        std::tuple<A...> values(*static_cast<A*>(arguments[I])...);
        return [kernel, values] { std::apply(kernel, values); };
    };
}

struct Registered {
    Registered(const char* name, Bind bind);
    template <typename... A>
    Registered(const char* name, void (*kernel)(A...)) : Registered(name, binder(kernel, std::index_sequence_for<A...>{})) {}
};

#define KERNEL(name, ...)                         \
    static void name(__VA_ARGS__);                \
    static Registered registered_##name(#name, name); \
    static void name(__VA_ARGS__)
