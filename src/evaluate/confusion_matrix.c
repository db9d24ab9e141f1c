/* Decisions among more than two classes. */
#include "src/evaluate/confusion.h"
#include "src/evaluate/proportion.h"

#include <math.h>
#include <string.h>

bool mt_confusion_matrix(const int *called, const int *truth, int64_t n, int classes, int64_t *matrix, GError **error)
{
    if (classes < 2) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "a confusion matrix of %d classes: there must be two or more", classes);
        return false;
    }
    memset(matrix, 0, (size_t)classes * (size_t)classes * sizeof *matrix);
    for (int64_t i = 0; i < n; i++) {
        if (called[i] < 0 || called[i] >= classes || truth[i] < 0 || truth[i] >= classes) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "confusion matrix: row %" G_GINT64_FORMAT " is called class %d and is %d: there are %d, from 0", i, called[i],
                        truth[i], classes);
            return false;
        }
        matrix[(int64_t)truth[i] * classes + called[i]]++;
    }
    return true;
}

/* Sums of what the rates are made of. */
typedef struct matrix_sums {
    int64_t n, right;
    int     with_cases, occurring;
    double  recalls, f1, weighted_f1;
    double  together, true_squares, called_squares; /* sums of true x called, true^2, called^2 over classes */
} matrix_sums;

static void add_class(matrix_sums *sums, const int64_t *matrix, int classes, int c)
{
    int64_t row = 0, column = 0, right = matrix[(int64_t)c * classes + c];

    for (int other = 0; other < classes; other++) {
        row += matrix[(int64_t)c * classes + other];
        column += matrix[(int64_t)other * classes + c];
    }
    sums->n += row;
    sums->right += right;
    sums->together += (double)row * (double)column;
    sums->true_squares += (double)row * (double)row;
    sums->called_squares += (double)column * (double)column;
    if (row > 0) {
        sums->with_cases++;
        sums->recalls += (double)right / (double)row;
    }
    if (row + column > 0) {
        double f1 = 2 * (double)right / (double)(row + column);

        sums->occurring++;
        sums->f1 += f1;
        sums->weighted_f1 += f1 * (double)row;
    }
}

bool mt_matrix_measure(const int64_t *matrix, int classes, double level, mt_matrix_rates *rates, GError **error)
{
    matrix_sums sums = {0};
    double      n2, spread;

    *rates = (mt_matrix_rates){0};
    for (int c = 0; c < classes; c++)
        add_class(&sums, matrix, classes, c);
    if (!mt_proportion(sums.right, sums.n, level, MT_PROPORTION_WILSON, &rates->accuracy, error))
        return false;
    n2 = (double)sums.n * (double)sums.n;
    spread = sqrt(n2 - sums.true_squares) * sqrt(n2 - sums.called_squares);
    rates->balanced_accuracy = mt_estimate_ratio(sums.recalls, sums.with_cases);
    rates->macro_f1 = mt_estimate_ratio(sums.f1, sums.occurring);
    rates->weighted_f1 = mt_estimate_ratio(sums.weighted_f1, (double)sums.n);
    rates->mcc = mt_estimate_ratio((double)sums.right * (double)sums.n - sums.together, spread);
    return true;
}
