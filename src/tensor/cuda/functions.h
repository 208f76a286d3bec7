// Activation functions, and their slopes with PyTorch's choices at the kinks. NaN goes through all of them.
#pragma once
#include "kernel.h"

// As in functions.rs.
enum Function { NOTHING, RELU, RELU6, SILU, HARD_SWISH, SIGMOID };

__device__ inline float sigmoid_of(float x) { return 1.0f / (1.0f + expf(-x)); }

__device__ inline float value_of(int function, float x) {
    switch (function) {
        case RELU: return x <= 0.0f ? 0.0f : x;
        case RELU6: return x <= 0.0f ? 0.0f : x >= 6.0f ? 6.0f : x;
        case SILU: return x * sigmoid_of(x);
        case HARD_SWISH: {
            float gate = x + 3.0f;
            gate = gate <= 0.0f ? 0.0f : gate >= 6.0f ? 6.0f : gate;
            return x * gate / 6.0f;
        }
        case SIGMOID: return sigmoid_of(x);
        default: return x;
    }
}

__device__ inline float slope_of(int function, float x) {
    switch (function) {
        case RELU: return x <= 0.0f ? 0.0f : 1.0f;
        case RELU6: return x <= 0.0f || x >= 6.0f ? 0.0f : 1.0f;
        case SILU: {
            float s = sigmoid_of(x);
            return s * (1.0f + x * (1.0f - s));
        }
        case HARD_SWISH: return x <= -3.0f ? 0.0f : x >= 3.0f ? 1.0f : x / 3.0f + 0.5f;
        case SIGMOID: {
            float s = sigmoid_of(x);
            return s * (1.0f - s);
        }
        default: return 1.0f;
    }
}

// g times the slope; what does not pass is zero, whatever it was.
__device__ inline float weighed(int function, float g, float x) {
    if (function == NOTHING) return g;
    float slope = slope_of(function, x);
    return slope == 0.0f ? 0.0f : g * slope;
}

// Writes a gradient, or adds it to what is there.
__device__ inline void give(float* to, float value, int sum) { *to = sum ? *to + value : value; }
