// Optimizer steps: row blockIdx.y of the blocks works on tensor blockIdx.y of a table.
#include "kernel.h"

constexpr int STEPPED_TENSORS = 64;

struct SgdTensors {
    float* weights[STEPPED_TENSORS];
    const float* gradients[STEPPED_TENSORS];
    float* velocities[STEPPED_TENSORS];
    long lengths[STEPPED_TENSORS];
    float l2[STEPPED_TENSORS];
};

KERNEL(sgd_step, SgdTensors tensors, float lr, float momentum, int nesterov) {
    int tensor = blockIdx.y;
    float *weights = tensors.weights[tensor], *velocities = tensors.velocities[tensor], l2 = tensors.l2[tensor];
    const float* gradients = tensors.gradients[tensor];
    for (long i = first_index(); i < tensors.lengths[tensor]; i += index_stride()) {
        float weight = weights[i], gradient = gradients[i] + l2 * weight;
        float velocity = momentum * velocities[i] + gradient;
        velocities[i] = velocity;
        weights[i] = weight - lr * (nesterov ? gradient + momentum * velocity : velocity);
    }
}

struct AdamTensors {
    float* weights[STEPPED_TENSORS];
    const float* gradients[STEPPED_TENSORS];
    float* means[STEPPED_TENSORS];
    float* variances[STEPPED_TENSORS];
    long lengths[STEPPED_TENSORS];
    float l2[STEPPED_TENSORS];
    float shrink[STEPPED_TENSORS];
};

// What a step of Adam multiplies by, for all tensors.
struct AdamFactors {
    float beta1, rest1, beta2, rest2, step_size, root, epsilon;
};

KERNEL(adam_step, AdamTensors tensors, AdamFactors by) {
    int tensor = blockIdx.y;
    float *weights = tensors.weights[tensor], *means = tensors.means[tensor], *variances = tensors.variances[tensor];
    const float* gradients = tensors.gradients[tensor];
    float l2 = tensors.l2[tensor], shrink = tensors.shrink[tensor];
    for (long i = first_index(); i < tensors.lengths[tensor]; i += index_stride()) {
        float weight = weights[i] * shrink, gradient = gradients[i] + l2 * weight;
        float mean = by.beta1 * means[i] + by.rest1 * gradient;
        float variance = by.beta2 * variances[i] + by.rest2 * gradient * gradient;
        means[i] = mean;
        variances[i] = variance;
        weights[i] = weight - by.step_size * mean / (sqrtf(variance) / by.root + by.epsilon);
    }
}
