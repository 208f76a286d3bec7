// Gradients in place.
#include "rows.h"

KERNEL(gradient_add, float* gradient, const float* values, long count) {
    for (long i = first_index(); i < count; i += index_stride()) gradient[i] += values[i];
}

KERNEL(gradient_scale, float* gradient, float factor, long count) {
    for (long i = first_index(); i < count; i += index_stride()) gradient[i] *= factor;
}

// Multiplied as it is: what is no number is not hidden by a mask.
KERNEL(gradient_mask, float* gradient, const float* mask, long count) {
    for (long i = first_index(); i < count; i += index_stride()) gradient[i] *= mask[i];
}

constexpr int SQUARED_TENSORS = 64;

struct SquaredTensors {
    const float* gradients[SQUARED_TENSORS];
    long lengths[SQUARED_TENSORS];
    // Where the sums of each are, one of every part.
    double* sums[SQUARED_TENSORS];
    int parts[SQUARED_TENSORS];
};

// A block a part of the sum of tensor blockIdx.y.
KERNEL(gradient_squares, SquaredTensors tensors) {
    int tensor = blockIdx.y, parts = tensors.parts[tensor];
    // All threads of the block.
    if ((int)blockIdx.x >= parts) return;
    const float* gradient = tensors.gradients[tensor];
    double sum = 0.0;
    for (long i = first_index(); i < tensors.lengths[tensor]; i += (long)blockDim.x * parts)
        sum += (double)gradient[i] * (double)gradient[i];
    sum = block_total(sum);
    if (threadIdx.x == 0) tensors.sums[tensor][blockIdx.x] = sum;
}
