// The sum of losses, some terms at a time; one thread, so that a term may come twice.
#include "kernel.h"

constexpr int WEIGHTED_TERMS = 8;

struct WeightedTerms {
    float* places[WEIGHTED_TERMS];
    float weights[WEIGHTED_TERMS];
    int count;
};

KERNEL(weighted_sum, WeightedTerms terms, double* sum, float* loss) {
    for (int i = 0; i < terms.count; i++) *sum += (double)terms.weights[i] * (double)*terms.places[i];
    *loss = (float)*sum;
}

// The places are those of the gradients.
KERNEL(weighted_sum_backward, WeightedTerms terms, const float* dloss) {
    for (int i = 0; i < terms.count; i++) *terms.places[i] += terms.weights[i] * *dloss;
}
