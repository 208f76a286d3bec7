// What kernels share that work on rows: a block takes one row after another, and its threads the row's values.
#pragma once
#include "kernel.h"

// The sum of one number of every thread of a block, the same in all of them.
__device__ inline double block_total(double value) {
    __shared__ double shared[THREADS];
    return block_sum(value, shared);
}

// What log softmax(row / temperature) is computed from.
struct RowSoftmax {
    double largest, log_sum, temperature;

    __device__ double log_p(float z) const { return ((double)z - largest) / temperature - log_sum; }
};

// Of one row, where class `without` is left out (-1 for none); all threads of the block must call it.
__device__ inline RowSoftmax row_softmax(const float* row, long classes, double temperature, long without) {
    __shared__ float shared[THREADS];
    float largest = -INFINITY;
    for (long k = threadIdx.x; k < classes; k += blockDim.x)
        if (k != without && row[k] > largest) largest = row[k];
    RowSoftmax softmax = {block_max(largest, shared), 0.0, temperature};
    double sum = 0.0;
    for (long k = threadIdx.x; k < classes; k += blockDim.x)
        if (k != without) sum += exp(softmax.log_p(row[k]));
    softmax.log_sum = log(block_total(sum));
    return softmax;
}
