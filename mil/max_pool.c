/* The largest value of each feature over the bag: a slide embedding without weights. */
#include "mil/aggregator.h"
#include "src/base/alloc.h"

#include <math.h>

#define BLOCK_ROWS INT64_C(1024)

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    (void)dict;
    (void)error;
    *shape = (mt_aggregator_shape){.dim = -1};
    return g_new0(char, 1);
}

/* NaN wins, so that it is seen: a plain comparison would drop it. */
static float larger(float a, float b)
{
    return a > b || isnan(a) ? a : b;
}

static bool take_rows(const mt_bag *bag, float *block, float *top, GError **error)
{
    for (int64_t first = 0; first < bag->n; first += BLOCK_ROWS) {
        int64_t rows = MIN(BLOCK_ROWS, bag->n - first);
        if (!mt_bag_read(bag, first, rows, block, error))
            return false;
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < bag->dim; j++)
                top[j] = first + i == 0 ? block[j] : larger(top[j], block[i * bag->dim + j]);
    }
    return true;
}

static bool predict(const void *self, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    float *block = mt_alloc(MIN(BLOCK_ROWS, bag->n) * bag->dim, sizeof(float), error);

    (void)self;
    (void)options;
    raw->n = bag->n;
    raw->dim = bag->dim;
    raw->embedding = block != NULL ? mt_alloc(bag->dim, sizeof(float), error) : NULL;
    bool ok = raw->embedding != NULL && take_rows(bag, block, raw->embedding, error);
    mt_free(block);
    return ok;
}

const mt_aggregator mt_aggregator_max = {"max", NULL, build, predict, g_free};
