// Relational distillation. The products and distances of points are symmetric to the bit, cosines at a vertex in their
// two other points to rounding; so what the processor adds to three places is here gathered by each place.
#include "rows.h"

struct RelationPoints {
    const double *gram, *distances;
    long count;

    // The cosine at `i` between the ways to `j` and `k`, and the product of their lengths; 0 if there is no way.
    __device__ double cosine(long i, long j, long k, double* lengths) const {
        long n = count;
        *lengths = distances[i * n + j] * distances[i * n + k];
        if (!(*lengths > 0.0)) return 0.0;
        return (gram[j * n + k] - gram[i * n + j] - gram[i * n + k] + gram[i * n + i]) / *lengths;
    }
};

// Huber's function and its slope.
__device__ inline double huber(double error, double* slope) {
    *slope = fabs(error) < 1.0 ? error : error > 0.0 ? 1.0 : error < 0.0 ? -1.0 : error;
    return fabs(error) < 1.0 ? 0.5 * error * error : fabs(error) - 0.5;
}

KERNEL(relations_distances, const double* gram, long n, double* distances) {
    for (long index = first_index(); index < n * n; index += index_stride()) {
        long i = index / n, j = index % n;
        double square = gram[i * n + i] + gram[j * n + j] - 2.0 * gram[index];
        // NaN stays one.
        distances[index] = square < 0.0 ? 0.0 : sqrt(square);
    }
}

// How many distances are above 0, and their mean; 0 and 1 if there are none. One block.
KERNEL(relations_mean, const double* distances, long count, double* out) {
    double above = 0.0, sum = 0.0;
    for (long i = threadIdx.x; i < count; i += blockDim.x)
        if (distances[i] > 0.0) above += 1.0, sum += distances[i];
    above = block_total(above), sum = block_total(sum);
    if (threadIdx.x == 0) out[0] = above, out[1] = above > 0.0 ? sum / above : 1.0;
}

// For every pair: its part of the loss; of that of the gradient of the mean distance; the gradient of its distance for
// a fixed mean; and what the angles at i add to the gradients of products. The factors are those of a pair and of an angle.
KERNEL(relations_pairs, const double* gram, const double* distances, const double* mean, const double* other_gram,
       const double* other_distances, const double* other_mean, long n, double of_distance, double of_angle,
       double* losses, double* of_mean, double* slopes, double* products) {
    RelationPoints own = {gram, distances, n}, others = {other_gram, other_distances, n};
    for (long index = first_index(); index < n * n; index += index_stride()) {
        long i = index / n, j = index % n;
        double distance = distances[index], step, lengths, other_lengths;
        double loss = of_distance * huber(distance / mean[1] - other_distances[index] / other_mean[1], &step);
        of_mean[index] = -of_distance * step * distance / (mean[1] * mean[1]);
        double slope = of_distance * step / mean[1], product = 0.0, turn = 0.0;
        for (long k = 0; k < n; k++) {
            // In this order neighbouring threads read side by side.
            double cosine = own.cosine(i, k, j, &lengths);
            loss += of_angle * huber(cosine - others.cosine(i, k, j, &other_lengths), &step);
            if (lengths > 0.0) product += of_angle * step / lengths, turn += of_angle * step * cosine;
        }
        losses[index] = loss;
        // Each angle comes twice, with j and k changed about.
        slopes[index] = distance > 0.0 ? slope - 2.0 * turn / distance : 0.0;
        products[index] = product;
    }
}

// The gradient of the products: a block a row.
KERNEL(relations_gradient, const double* gram, const double* distances, const double* mean, const double* other_gram,
       const double* other_distances, long n, double of_angle, const double* of_mean, const double* slopes,
       const double* products, double* dgram) {
    RelationPoints own = {gram, distances, n}, others = {other_gram, other_distances, n};
    for (long i = blockIdx.x; i < n; i += gridDim.x) {
        double diagonal = 0.0;
        for (long j = threadIdx.x; j < n; j += blockDim.x) {
            long index = i * n + j;
            double opposite = 0.0, square = 0.0, square_back = 0.0, lengths, other_lengths, step;
            for (long vertex = 0; vertex < n; vertex++) {
                double cosine = own.cosine(vertex, i, j, &lengths);
                huber(cosine - others.cosine(vertex, i, j, &other_lengths), &step);
                if (lengths > 0.0) opposite += of_angle * step / lengths;
            }
            if (distances[index] > 0.0) {
                // The gradient of a squared distance, by the angles at i and by those at j.
                double of_each = of_mean[0] / mean[0];
                square = (slopes[index] + of_each) / (2.0 * distances[index]);
                square_back = (slopes[j * n + i] + of_each) / (2.0 * distances[index]);
            }
            dgram[index] = opposite - 2.0 * products[index] - 2.0 * square;
            diagonal += products[index] + square + square_back;
        }
        diagonal = block_total(diagonal);
        // The thread that wrote the place.
        if (threadIdx.x == i % blockDim.x) dgram[i * n + i] += diagonal;
    }
}
