// The distillation loss: a block a row.
#include "rows.h"

KERNEL(distillation, const float* student, const float* teacher, double temperature, long rows, long classes,
       double* losses, float* gradient) {
    for (long row = blockIdx.x; row < rows; row += gridDim.x) {
        const float *own = student + row * classes, *other = teacher + row * classes;
        RowSoftmax s = row_softmax(own, classes, temperature, -1), t = row_softmax(other, classes, temperature, -1);
        double loss = 0.0;
        for (long k = threadIdx.x; k < classes; k += blockDim.x) {
            double log_s = s.log_p(own[k]), log_t = t.log_p(other[k]), probability = exp(log_t);
            if (probability != 0.0) loss += probability * (log_t - log_s);
            if (gradient) gradient[row * classes + k] = (float)(temperature * (exp(log_s) - probability) / rows);
        }
        loss = block_total(loss);
        if (threadIdx.x == 0) losses[row] = loss;
    }
}
