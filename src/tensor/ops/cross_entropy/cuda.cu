// Cross entropy: a block a row. Labels are those of the row, `second` and `shares` are none where images are not mixed.
#include "rows.h"

KERNEL(cross_entropy, const float* logits, const int* labels, const int* second, const float* shares, double smoothing,
       long rows, long classes, double* losses, float* gradient) {
    for (long row = blockIdx.x; row < rows; row += gridDim.x) {
        const float* z = logits + row * classes;
        RowSoftmax p = row_softmax(z, classes, 1.0, -1);
        long first = labels[row], other = second ? second[row] : first;
        double share = shares ? shares[row] : 0.0, loss = 0.0;
        for (long k = threadIdx.x; k < classes; k += blockDim.x) {
            double log_p = p.log_p(z[k]);
            double hard = (k == first ? 1.0 - share : 0.0) + (k == other ? share : 0.0);
            double target = (1.0 - smoothing) * hard + smoothing / classes;
            // A class of no weight adds nothing, also when its probability underflows to 0.
            if (target != 0.0) loss -= target * log_p;
            if (gradient) gradient[row * classes + k] = (float)((exp(log_p) - target) / rows);
        }
        loss = block_total(loss);
        if (threadIdx.x == 0) losses[row] = loss;
    }
}
