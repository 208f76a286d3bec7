// The second stage of sums, and the way back of losses that keep their gradient.
#include "rows.h"

// scale * (the sum of all values), to one place in double, to another rounded; either may be none. One block.
KERNEL(sum_doubles, const double* values, long count, double scale, double* precise, float* rounded) {
    double sum = 0.0;
    for (long i = threadIdx.x; i < count; i += blockDim.x) sum += values[i];
    sum = block_total(sum) * scale;
    if (threadIdx.x == 0 && precise) *precise = sum;
    if (threadIdx.x == 0 && rounded) *rounded = (float)sum;
}

// to += factor * values, where the factor is on the device.
KERNEL(add_scaled, float* to, const float* factor, const float* values, long count) {
    for (long i = first_index(); i < count; i += index_stride()) to[i] += factor[0] * values[i];
}
