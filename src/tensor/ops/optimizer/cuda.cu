// Optimizer steps: what is done to one value apart from the loop over them.
#include "kernel.h"

__device__ inline void sgd_value(float* weight, float gradient, float* velocity, float lr, float momentum, float l2,
                                 int nesterov) {
    gradient += l2 * *weight;
    *velocity = momentum * *velocity + gradient;
    *weight -= lr * (nesterov ? gradient + momentum * *velocity : *velocity);
}

KERNEL(sgd_step, float* weights, const float* gradients, float* velocities, long count, float lr, float momentum,
       float l2, int nesterov) {
    for (long i = first_index(); i < count; i += index_stride())
        sgd_value(weights + i, gradients[i], velocities + i, lr, momentum, l2, nesterov);
}

// What a step of Adam multiplies by: all that does not depend on the value.
struct AdamFactors {
    float shrink, l2, beta1, rest1, beta2, rest2, step_size, root, epsilon;
};

__device__ inline void adam_value(float* weight, float gradient, float* mean, float* variance, const AdamFactors& by) {
    *weight *= by.shrink;
    gradient += by.l2 * *weight;
    *mean = by.beta1 * *mean + by.rest1 * gradient;
    *variance = by.beta2 * *variance + by.rest2 * gradient * gradient;
    *weight -= by.step_size * *mean / (sqrtf(*variance) / by.root + by.epsilon);
}

KERNEL(adam_step, float* weights, const float* gradients, float* means, float* variances, long count, AdamFactors by) {
    for (long i = first_index(); i < count; i += index_stride())
        adam_value(weights + i, gradients[i], means + i, variances + i, by);
}
