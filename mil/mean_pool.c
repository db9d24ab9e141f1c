/* The mean of the bag: a slide embedding without weights.  Sums in double, tiles in order. */
#include "mil/aggregator.h"
#include "src/base/alloc.h"

#define BLOCK_ROWS INT64_C(1024)

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    (void)dict;
    (void)error;
    *shape = (mt_aggregator_shape){.dim = -1};
    return g_new0(char, 1);
}

static bool add_rows(const mt_bag *bag, float *block, double *sum, GError **error)
{
    for (int64_t first = 0; first < bag->n; first += BLOCK_ROWS) {
        int64_t rows = MIN(BLOCK_ROWS, bag->n - first);
        if (!mt_bag_read(bag, first, rows, block, error))
            return false;
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < bag->dim; j++)
                sum[j] += block[i * bag->dim + j];
    }
    return true;
}

static bool predict(const void *self, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    float  *block = mt_alloc(MIN(BLOCK_ROWS, bag->n) * bag->dim, sizeof(float), error);
    double *sum = block != NULL ? mt_alloc(bag->dim, sizeof(double), error) : NULL;

    (void)self;
    (void)options;
    raw->n = bag->n;
    raw->dim = bag->dim;
    raw->embedding = sum != NULL ? mt_alloc(bag->dim, sizeof(float), error) : NULL;
    bool ok = raw->embedding != NULL && add_rows(bag, block, sum, error);
    for (int64_t j = 0; ok && j < bag->dim; j++)
        raw->embedding[j] = (float)(sum[j] / (double)bag->n);
    mt_free(sum);
    mt_free(block);
    return ok;
}

const mt_aggregator mt_aggregator_mean = {"mean", NULL, build, predict, g_free};
