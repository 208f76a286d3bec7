// How many images are right: a block a row.
#include "rows.h"

// 1 for a row that ranks its label first, else 0.
KERNEL(ranking, const float* logits, const int* labels, long rows, long classes, double* right) {
    for (long row = blockIdx.x; row < rows; row += gridDim.x) {
        const float* z = logits + row * classes;
        long label = labels[row];
        double ahead = 0.0;
        for (long k = threadIdx.x; k < classes; k += blockDim.x)
            if (z[k] > z[label] || (z[k] == z[label] && k < label) || z[k] != z[k]) ahead += 1.0;
        ahead = block_total(ahead);
        if (threadIdx.x == 0) right[row] = ahead == 0.0 ? 1.0 : 0.0;
    }
}
