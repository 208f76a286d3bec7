// Decoupled distillation: a block a row.
#include "rows.h"

// Logarithms of the probabilities of one row.
struct DecoupledRow {
    // Of the right class, and of all others together.
    double right, wrong;
    // What the probability of a class is computed from, given that it is not the right one.
    RowSoftmax among;

    __device__ double among_log(const float* z, long k, long label) const { return k == label ? -INFINITY : among.log_p(z[k]); }
};

__device__ inline DecoupledRow decoupled_row(const float* z, long classes, double temperature, long label) {
    RowSoftmax all = row_softmax(z, classes, temperature, -1), among = row_softmax(z, classes, temperature, label);
    // log p_k = log(1 − p_y) + log q_k for any other class; the likeliest one is exact even where 1 − p_y vanishes.
    double wrong = (among.largest - all.largest) / temperature - all.log_sum + among.log_sum;
    return {all.log_p(z[label]), wrong, among};
}

// p log(p / q) from the logarithms of both; 0 where p is 0.
__device__ inline double divergence(double p, double q) { return exp(p) == 0.0 ? 0.0 : exp(p) * (p - q); }

KERNEL(decoupled, const float* student, const float* teacher, const int* labels, double temperature, double alpha,
       double beta, long rows, long classes, double* losses, float* gradient) {
    for (long row = blockIdx.x; row < rows; row += gridDim.x) {
        const float *z = student + row * classes, *teacher_z = teacher + row * classes;
        long label = labels[row];
        DecoupledRow own = decoupled_row(z, classes, temperature, label);
        DecoupledRow other = decoupled_row(teacher_z, classes, temperature, label);
        double right = divergence(other.right, own.right) + divergence(other.wrong, own.wrong);
        double binary = alpha * (exp(own.right) - exp(other.right)), among = 0.0;
        for (long k = threadIdx.x; k < classes; k += blockDim.x) {
            double q = own.among_log(z, k, label), target = other.among_log(teacher_z, k, label);
            among += divergence(target, q);
            double step = k == label ? binary : beta * (exp(q) - exp(target)) - binary * exp(q);
            if (gradient) gradient[row * classes + k] = (float)(temperature * step / rows);
        }
        among = block_total(among);
        if (threadIdx.x == 0) losses[row] = alpha * right + beta * among;
    }
}
