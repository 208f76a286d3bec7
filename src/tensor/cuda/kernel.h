// What every kernel file includes: how a kernel is defined, and what kernels share. The same sources are compiled by nvcc
// for GPUs and, for the tests, by a C++ compiler for the processor (see emulator.h).
#pragma once

#ifdef PLEACH_EMULATED
#include "emulator.h"
#else
// A kernel that the host finds by its name.
#define KERNEL(name, ...) extern "C" __global__ void name(__VA_ARGS__)
#endif

// Threads of a block in all kernels of one dimension.
constexpr int THREADS = 256;

// The first index of a thread in a loop over everything, and how far apart its indices are.
__device__ inline long first_index() { return blockIdx.x * (long)blockDim.x + threadIdx.x; }
__device__ inline long index_stride() { return (long)blockDim.x * gridDim.x; }

// The sum of one number of every thread of a block, the same in all of them, always added in the same order.
template <typename T>
__device__ inline T block_sum(T value, T* shared) {
    int thread = threadIdx.x;
    shared[thread] = value;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (thread < half) shared[thread] += shared[thread + half];
        __syncthreads();
    }
    T sum = shared[0];
    __syncthreads();
    return sum;
}

// The largest of one number of every thread of a block; NaN if one is.
__device__ inline float block_max(float value, float* shared) {
    int thread = threadIdx.x;
    shared[thread] = value;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (thread < half) {
            float other = shared[thread + half];
            if (other > shared[thread] || other != other) shared[thread] = other;
        }
        __syncthreads();
    }
    float largest = shared[0];
    __syncthreads();
    return largest;
}
