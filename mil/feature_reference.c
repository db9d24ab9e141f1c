#include "mil/feature_reference.h"

#include "mil/head_card.h"
#include "mil/safetensors.h"
#include "mil/safetensors_writer.h"
#include "src/base/alloc.h"
#include "src/base/hash.h"

#include <math.h>
#include <string.h>

#define BLOCK 256

struct mt_feature_reference {
    int64_t    dim;
    mt_tensor *mean, *inverse, *quantile; /* float32, as the file has them; what is computed with them is double */
    mt_tensor *distances; /* of the bags it was made of, each left out, rising, in units of the quantile; NULL: not in the file */
};

void mt_feature_reference_free(mt_feature_reference *reference)
{
    mt_tensor **parts[] = {&reference->mean, &reference->inverse, &reference->quantile, &reference->distances};

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
        g_clear_pointer(parts[i], mt_tensor_unref);
    g_free(reference);
}

mt_feature_reference *mt_feature_reference_copy(const mt_feature_reference *reference)
{
    mt_feature_reference *copy = g_memdup2(reference, sizeof *reference);

    mt_tensor_ref(copy->mean);
    mt_tensor_ref(copy->inverse);
    mt_tensor_ref(copy->quantile);
    if (copy->distances != NULL)
        mt_tensor_ref(copy->distances);
    return copy;
}

char *mt_feature_reference_hash(const mt_feature_reference *reference)
{
    const mt_tensor *parts[] = {reference->mean, reference->inverse, reference->quantile, reference->distances};
    mt_hasher       *hasher = mt_hasher_new();

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
        if (parts[i] != NULL)
            mt_hasher_update(hasher, parts[i]->data, mt_tensor_bytes(parts[i]));
    return mt_hasher_finish(hasher);
}

int64_t mt_feature_reference_dim(const mt_feature_reference *reference)
{
    return reference->dim;
}

bool mt_bag_mean(const mt_bag *bag, double *mean, GError **error)
{
    float *rows = mt_alloc(BLOCK * bag->dim, sizeof(float), error);
    bool   ok = rows != NULL;

    memset(mean, 0, (size_t)bag->dim * sizeof(double));
    for (int64_t first = 0; ok && first < bag->n; first += BLOCK) {
        int64_t count = MIN(BLOCK, bag->n - first);
        ok = mt_bag_read(bag, first, count, rows, error);
        for (int64_t i = 0; ok && i < count; i++)
            for (int64_t j = 0; j < bag->dim; j++)
                mean[j] += rows[i * bag->dim + j];
    }
    for (int64_t j = 0; j < bag->dim; j++)
        mean[j] /= (double)bag->n;
    mt_free(rows);
    return ok;
}

/* Of each feature: mean, variance (over n), and the sum over features of the variance's own variance. */
static double moments(const double *x, int64_t n, int64_t dim, double *mean, double *variance)
{
    double noise = 0;

    for (int64_t j = 0; j < dim; j++) {
        double sum = 0, squares = 0, fourth = 0;
        for (int64_t i = 0; i < n; i++)
            sum += x[i * dim + j];
        mean[j] = sum / (double)n;
        for (int64_t i = 0; i < n; i++)
            squares += (x[i * dim + j] - mean[j]) * (x[i * dim + j] - mean[j]);
        variance[j] = squares / (double)n;
        for (int64_t i = 0; i < n; i++) {
            double off = (x[i * dim + j] - mean[j]) * (x[i * dim + j] - mean[j]) - variance[j];
            fourth += off * off;
        }
        noise += fourth / (double)n / (double)n;
    }
    return noise;
}

static double average(const double *values, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

/* How much of each variance gives way to their mean: noise of the variances over their spread, as Ledoit and Wolf weigh a covariance. */
static double shrinkage(double noise, const double *variance, int64_t dim)
{
    double mean = average(variance, dim), spread = 0;

    for (int64_t j = 0; j < dim; j++)
        spread += (variance[j] - mean) * (variance[j] - mean);
    return spread > noise ? noise / spread : 1;
}

/* The distance of bag `x` from the others: their mean and variances follow from those of all. */
static double left_out(const double *x, int64_t n, int64_t dim, const double *mean, const double *variance, double shrink, double *rest)
{
    double more = (double)n / (double)(n - 1), sum = 0;

    for (int64_t j = 0; j < dim; j++)
        rest[j] = fmax(0, (variance[j] - (x[j] - mean[j]) * (x[j] - mean[j]) / (double)(n - 1)) * more);
    double level = average(rest, dim);
    for (int64_t j = 0; j < dim; j++) {
        double off = (x[j] - mean[j]) * more;
        sum += off * off / ((1 - shrink) * rest[j] + shrink * level);
    }
    return sqrt(sum / (double)dim);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Linear between the two nearest in order. */
static double quantile(double *values, int64_t n, double share)
{
    double  place = share * (double)(n - 1);
    int64_t below = (int64_t)floor(place);

    qsort(values, (size_t)n, sizeof(double), ascending);
    return below + 1 < n ? values[below] + (place - (double)below) * (values[below + 1] - values[below]) : values[n - 1];
}

static mt_tensor *vector(const double *values, int64_t n, GError **error)
{
    mt_tensor *tensor = mt_tensor_new(MT_F32, 1, &n, error);

    for (int64_t i = 0; tensor != NULL && i < n; i++)
        ((float *)tensor->data)[i] = (float)values[i];
    return tensor;
}

static bool check_means(const double *means, int64_t n, int64_t dim, GError **error)
{
    if (n < MT_REFERENCE_BAGS) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "what training bags look like: %" G_GINT64_FORMAT " bags, at least %d are wanted", n,
                    MT_REFERENCE_BAGS);
        return false;
    }
    for (int64_t i = dim; i < n * dim; i++)
        if (means[i] != means[i % dim])
            return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "what training bags look like: their mean features are all the same");
    return false;
}

mt_feature_reference *mt_feature_reference_fit(const double *means, int64_t n, int64_t dim, GError **error)
{
    if (!check_means(means, n, dim, error))
        return NULL;
    g_autoptr(mt_feature_reference) reference = g_new0(mt_feature_reference, 1);
    double *work = mt_alloc(3 * dim + n, sizeof(double), error);
    if (work == NULL)
        return NULL;
    double *mean = work, *variance = work + dim, *rest = work + 2 * dim, *distances = work + 3 * dim;
    double  shrink = shrinkage(moments(means, n, dim, mean, variance), variance, dim);
    for (int64_t i = 0; i < n; i++)
        distances[i] = left_out(means + i * dim, n, dim, mean, variance, shrink, rest);
    double unit = quantile(distances, n, MT_REFERENCE_SHARE), level = average(variance, dim);
    for (int64_t j = 0; j < dim; j++)
        variance[j] = 1 / ((1 - shrink) * variance[j] + shrink * level);
    reference->dim = dim;
    reference->mean = vector(mean, dim, error);
    reference->inverse = reference->mean != NULL ? vector(variance, dim, error) : NULL;
    reference->quantile = reference->inverse != NULL ? vector(&unit, 1, error) : NULL;
    for (int64_t i = 0; i < n; i++)
        distances[i] /= unit;
    reference->distances = reference->quantile != NULL && unit > 0 ? vector(distances, n, error) : NULL;
    mt_free(work);
    if (reference->quantile == NULL || (unit > 0 && reference->distances == NULL))
        return NULL;
    for (int64_t j = 0; j <= dim; j++)
        if (!isfinite(j < dim ? ((float *)reference->inverse->data)[j] : *(float *)reference->quantile->data)) {
            g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT,
                                "what training bags look like: features that all bags but one have in common are too many");
            return NULL;
        }
    return g_steal_pointer(&reference);
}

bool mt_feature_reference_write(const mt_feature_reference *reference, const char *path, GError **error)
{
    const mt_named_tensor tensors[] = {
        {"mean", reference->mean}, {"inverse", reference->inverse}, {"quantile", reference->quantile}, {"distances", reference->distances}};

    return mt_safetensors_write(path, tensors, reference->distances != NULL ? 4 : 3, NULL, error);
}

static mt_tensor *take(const mt_safetensors *file, const char *path, const char *name, int64_t n, GError **error)
{
    const mt_safetensors_entry *entry = mt_safetensors_find(file, name);

    if (entry == NULL || entry->rank != 1 || entry->count < 1 || (n >= 0 && entry->count != n)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read reference %s: '%s' is no vector of the head's width", path, name);
        return NULL;
    }
    return mt_safetensors_read(file, entry, error);
}

mt_feature_reference *mt_feature_reference_load(const char *path, int64_t dim, GError **error)
{
    g_autoptr(mt_safetensors) file = mt_safetensors_open(path, error);
    g_autoptr(mt_feature_reference) reference = g_new0(mt_feature_reference, 1);

    reference->mean = file != NULL ? take(file, path, "mean", dim, error) : NULL;
    if (reference->mean == NULL)
        return NULL;
    reference->dim = reference->mean->shape[0];
    reference->inverse = take(file, path, "inverse", reference->dim, error);
    reference->quantile = reference->inverse != NULL ? take(file, path, "quantile", 1, error) : NULL;
    if (reference->quantile == NULL)
        return NULL;
    if (mt_safetensors_find(file, "distances") != NULL && (reference->distances = take(file, path, "distances", -1, error)) == NULL)
        return NULL;
    bool ok = *(float *)reference->quantile->data > 0;
    for (int64_t j = 0; j < reference->dim; j++)
        ok &= ((float *)reference->inverse->data)[j] > 0;
    if (!ok) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read reference %s: 'inverse' and 'quantile' must be above 0", path);
        return NULL;
    }
    const float *d = reference->distances != NULL ? reference->distances->data : NULL;
    for (int64_t i = 0; d != NULL && i < reference->distances->shape[0]; i++)
        ok &= d[i] >= 0 && (i == 0 || d[i] >= d[i - 1]);
    if (ok)
        return g_steal_pointer(&reference);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read reference %s: 'distances' must rise from 0 or more", path);
    return NULL;
}

double mt_feature_reference_distance(const mt_feature_reference *reference, const double *mean)
{
    const float *center = reference->mean->data, *inverse = reference->inverse->data;
    double       sum = 0;

    for (int64_t j = 0; j < reference->dim; j++)
        sum += (mean[j] - center[j]) * (mean[j] - center[j]) * inverse[j];
    return sqrt(sum / (double)reference->dim) / *(const float *)reference->quantile->data;
}

double mt_feature_reference_percentile(const mt_feature_reference *reference, double distance)
{
    if (reference->distances == NULL)
        return NAN;
    const float *d = reference->distances->data;
    int64_t      n = reference->distances->shape[0], below = 0;
    double       step = 1 / (double)(n + 1);

    while (below < n && d[below] <= distance)
        below++;
    if (below == n) /* further than all: the rest of the way to 1 */
        return distance > 0 ? 1 - step * d[n - 1] / distance : 1 - step;
    double from = below > 0 ? d[below - 1] : 0;
    return step * ((double)below + (distance - from) / (d[below] - from));
}

char *mt_feature_reference_path(const char *head_path)
{
    g_autofree char *card = mt_head_card_path(head_path);

    return g_strdup_printf("%.*s.reference.safetensors", (int)(strlen(card) - strlen(".card")), card);
}
