// Distillation by correlation: probabilities, then every row and every column, then back through the probabilities.
#include "rows.h"

KERNEL(correlation_softmax, const float* logits, double* p, double temperature, long rows, long classes) {
    for (long row = blockIdx.x; row < rows; row += gridDim.x) {
        const float* z = logits + row * classes;
        RowSoftmax softmax = row_softmax(z, classes, temperature, -1);
        for (long k = threadIdx.x; k < classes; k += blockDim.x) p[row * classes + k] = exp(softmax.log_p(z[k]));
    }
}

// What the gradient of weight * (1 − r) / lines for a value x, whose counterpart is y, is computed from: it is
// (x − x_mean) * of_x − (y − y_mean) * of_y.
struct CorrelationLine {
    double x_mean, y_mean, of_x, of_y;

    __device__ double slope(double x, double y) const { return (x - x_mean) * of_x - (y - y_mean) * of_y; }
};

// A block a line, which begins at line * stride and has a value every `step`. The loss is weight * (1 − r) / lines.
KERNEL(correlation_lines, const double* own, const double* others, double weight, long lines, long stride, long step,
       long count, double* losses, CorrelationLine* kept) {
    for (long line = blockIdx.x; line < lines; line += gridDim.x) {
        const double *x = own + line * stride, *y = others + line * stride;
        double x_sum = 0.0, y_sum = 0.0;
        for (long i = threadIdx.x; i < count; i += blockDim.x) x_sum += x[i * step], y_sum += y[i * step];
        double x_mean = block_total(x_sum) / count, y_mean = block_total(y_sum) / count;
        double x_squares = 0.0, y_squares = 0.0, products = 0.0;
        for (long i = threadIdx.x; i < count; i += blockDim.x) {
            double from_x = x[i * step] - x_mean, from_y = y[i * step] - y_mean;
            x_squares += from_x * from_x, y_squares += from_y * from_y, products += from_x * from_y;
        }
        double norm = sqrt(block_total(x_squares)), other = sqrt(block_total(y_squares));
        double product = block_total(products), whole = norm * other + 1e-8, factor = weight / lines;
        bool varies = norm != 0.0 && other != 0.0;
        if (threadIdx.x == 0) {
            losses[line] = factor * (1.0 - (varies ? product / whole : 0.0));
            double along = varies ? product * other / (norm * whole * whole) : 0.0;
            kept[line] = {x_mean, y_mean, factor * along, varies ? factor / whole : 0.0};
        }
    }
}

KERNEL(correlation_gradient, const double* own, const double* others, const CorrelationLine* kept_rows,
       const CorrelationLine* kept_columns, double temperature, long rows, long classes, float* gradient) {
    for (long row = blockIdx.x; row < rows; row += gridDim.x) {
        const double *p = own + row * classes, *target = others + row * classes;
        CorrelationLine line = kept_rows[row];
        double mean = 0.0;
        for (long k = threadIdx.x; k < classes; k += blockDim.x)
            mean += p[k] * (line.slope(p[k], target[k]) + kept_columns[k].slope(p[k], target[k]));
        mean = block_total(mean);
        for (long k = threadIdx.x; k < classes; k += blockDim.x) {
            double slope = line.slope(p[k], target[k]) + kept_columns[k].slope(p[k], target[k]);
            gradient[row * classes + k] = (float)(temperature * p[k] * (slope - mean));
        }
    }
}
