// Tensors changed in place.
#include "kernel.h"

// x *= factor, value by value; a factor of 0 gives +0, whatever the value.
KERNEL(mask, float* x, const float* factors, long count) {
    for (long i = first_index(); i < count; i += index_stride()) x[i] = factors[i] == 0.0f ? 0.0f : x[i] * factors[i];
}
