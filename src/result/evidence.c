#include "src/result/evidence.h"

#include "src/base/alloc.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

/* What the result has, read once. */
typedef struct evidence {
    mt_tensor *valid, *attention, *logits, *tile_scores, *scores; /* NULL: not there */
    char     **labels;
    int64_t    n, n_classes;
    int64_t    c; /* the class; -1: the case has none */
    int64_t    k; /* column of the attention */
} evidence;

static void evidence_clear(evidence *e)
{
    mt_tensor *tensors[] = {e->valid, e->attention, e->logits, e->tile_scores, e->scores};

    for (size_t i = 0; i < G_N_ELEMENTS(tensors); i++)
        if (tensors[i] != NULL)
            mt_tensor_unref(tensors[i]);
    g_strfreev(e->labels);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(evidence, evidence_clear)

/* *tensor stays NULL when the object is absent; n rows of `dtype` are wanted, finite unless it may be -inf. */
static bool read_part(const mt_result *result, const char *object, mt_dtype dtype, int rank, int64_t n, bool finite, mt_tensor **tensor,
                      GError **error)
{
    if (!mt_result_has(result, object))
        return true;
    *tensor = mt_result_read(result, object, error);
    if (*tensor == NULL)
        return false;
    if ((*tensor)->dtype != dtype || (*tensor)->rank != rank || (n >= 0 && (*tensor)->shape[0] != n)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a heatmap of %s: %s does not have the type and the rows of %s",
                    mt_result_path(result), object, MT_OBJECT_COORDS);
        return false;
    }
    for (int64_t i = 0; dtype == MT_F32 && i < mt_tensor_count(*tensor); i++) {
        float value = ((const float *)(*tensor)->data)[i];
        if (isnan(value) || (finite && isinf(value))) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a heatmap of %s: %s has values that are not numbers", mt_result_path(result),
                        object);
            return false;
        }
    }
    return true;
}

static bool are_heads(char **labels)
{
    return labels != NULL && labels[0] != NULL && strcmp(labels[0], MT_HEAD_LABEL "0") == 0;
}

/* Heads of a transformer are no classes: their mean is the attention of every class, also where its rank is wanted. */
static bool join_heads(evidence *e, const mt_result *result, GError **error)
{
    g_auto(GStrv) labels = e->attention != NULL ? mt_result_attr_strings(result, MT_OBJECT_ATTENTION, MT_ATTR_LABELS) : NULL;

    if (!are_heads(labels))
        return true;
    int64_t    k = e->attention->shape[1];
    mt_tensor *mean = mt_tensor_new(MT_F32, 2, (int64_t[]){e->n, 1}, error);
    for (int64_t i = 0; mean != NULL && i < e->n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < k; j++)
            sum += ((const float *)e->attention->data)[i * k + j];
        ((float *)mean->data)[i] = (float)(sum / (double)k);
    }
    mt_tensor_unref(e->attention);
    g_clear_pointer(&e->logits, mt_tensor_unref);
    e->attention = mean;
    return mean != NULL;
}

static bool read_parts(evidence *e, const mt_result *result, GError **error)
{
    const char *source;

    if (!read_part(result, MT_OBJECT_VALID, MT_U8, 1, e->n, true, &e->valid, error) ||
        !read_part(result, MT_OBJECT_ATTENTION, MT_F32, 2, e->n, true, &e->attention, error) ||
        !read_part(result, MT_OBJECT_ATTENTION_LOGITS, MT_F32, 2, e->n, false, &e->logits, error) ||
        !read_part(result, MT_OBJECT_TILE_SCORES, MT_F32, 2, e->n, true, &e->tile_scores, error) ||
        !read_part(result, MT_OBJECT_SCORES, MT_F32, 1, -1, true, &e->scores, error) || !join_heads(e, result, error))
        return false;
    source = e->scores != NULL ? MT_OBJECT_SCORES : e->tile_scores != NULL ? MT_OBJECT_TILE_SCORES : MT_OBJECT_ATTENTION;
    e->labels = mt_result_attr_strings(result, source, MT_ATTR_LABELS);
    if (are_heads(e->labels))
        g_clear_pointer(&e->labels, g_strfreev);
    if (e->labels == NULL)
        e->labels = g_new0(char *, 1);
    e->n_classes = (int64_t)g_strv_length(e->labels);
    if ((e->scores != NULL && e->scores->shape[0] != e->n_classes) ||
        (e->tile_scores != NULL && e->tile_scores->shape[1] != e->n_classes)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a heatmap of %s: its scores and labels are not equally many",
                    mt_result_path(result));
        return false;
    }
    return true;
}

static int64_t find_class(const evidence *e, const mt_result *result, const char *label)
{
    g_autofree char *positive = label == NULL ? mt_result_attr_string(result, MT_OBJECT_SCORES, MT_ATTR_POSITIVE) : NULL;
    const char      *wanted = label != NULL ? label : positive;
    int64_t          best = e->n_classes > 0 ? 0 : -1;

    for (int64_t i = 0; wanted != NULL && i < e->n_classes; i++)
        if (strcmp(e->labels[i], wanted) == 0)
            return i;
    if (label != NULL)
        return -1;
    for (int64_t i = 1; e->scores != NULL && i < e->n_classes; i++)
        if (((const float *)e->scores->data)[i] > ((const float *)e->scores->data)[best])
            best = i;
    return best;
}

static bool choose_class(evidence *e, const mt_result *result, const char *label, GError **error)
{
    const mt_tensor *gate = e->attention != NULL ? e->attention : e->logits;

    e->c = find_class(e, result, label);
    if (e->c < 0 && label != NULL) {
        g_autofree char *all = g_strjoinv(", ", e->labels);
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "draw a heatmap of %s: it has no class %s: choose one of: %s", mt_result_path(result),
                    label, e->n_classes > 0 ? all : "(none)");
        return false;
    }
    e->k = gate != NULL && gate->shape[1] > 1 ? e->c : 0;
    if ((gate != NULL && (e->k < 0 || gate->shape[1] <= e->k)) ||
        (e->logits != NULL && e->attention != NULL && e->logits->shape[1] != e->attention->shape[1])) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a heatmap of %s: its attention has no column for the class",
                    mt_result_path(result));
        return false;
    }
    return true;
}

static bool is_valid(const evidence *e, int64_t i)
{
    return e->valid == NULL || ((const uint8_t *)e->valid->data)[i] != 0;
}

static float cell(const mt_tensor *table, int64_t i, int64_t column)
{
    return ((const float *)table->data)[i * table->shape[1] + column];
}

static double largest_attention(const evidence *e)
{
    double largest = 0;

    for (int64_t i = 0; i < e->n; i++)
        largest = MAX(largest, cell(e->attention, i, e->k));
    return largest;
}

static const char *absolute_meaning(const evidence *e)
{
    if (e->tile_scores != NULL)
        return e->attention != NULL ? "tile score x attention" : "tile score";
    return e->attention != NULL ? "case score x attention" : "case score";
}

static bool fill_evidence(mt_heatmap *heatmap, const evidence *e, const mt_result *result, GError **error)
{
    double score = e->scores != NULL && e->c >= 0 ? ((const float *)e->scores->data)[e->c] : (double)NAN;
    double largest = e->attention != NULL ? largest_attention(e) : 0;

    if (e->tile_scores == NULL && isnan(score)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "draw a heatmap of %s: it has no scores (withheld, or its head gives none): use --scale percentile",
                    mt_result_path(result));
        return false;
    }
    heatmap->meaning = g_strdup(absolute_meaning(e));
    for (int64_t i = 0; i < e->n; i++) {
        double attention = e->attention != NULL ? cell(e->attention, i, e->k) : 1;
        double value = score;
        if (e->tile_scores != NULL)
            value = cell(e->tile_scores, i, e->c) * (e->attention != NULL ? MIN(1, (double)heatmap->n_valid * attention) : 1);
        else if (e->attention != NULL)
            value = largest > 0 ? score * attention / largest : 0;
        heatmap->tile_numbers[i] = (float)value;
    }
    return true;
}

/* A column as it stands. */
static void fill_column(mt_heatmap *heatmap, const mt_tensor *table, int64_t column)
{
    for (int64_t i = 0; i < heatmap->n_tiles; i++)
        heatmap->tile_numbers[i] = cell(table, i, column);
}

static bool fill_absolute(mt_heatmap *heatmap, const evidence *e, const mt_result *result, GError **error)
{
    if (heatmap->source == MT_HEAT_EVIDENCE)
        return fill_evidence(heatmap, e, result, error);
    if (heatmap->source == MT_HEAT_TILE_SCORE) {
        heatmap->meaning = g_strdup("tile score");
        fill_column(heatmap, e->tile_scores, e->c);
        return true;
    }
    heatmap->meaning = g_strdup("attention, 1 is the largest in this case");
    fill_column(heatmap, e->attention, e->k);
    heatmap->range[1] = largest_attention(e);
    return true;
}

typedef struct ranked {
    float   value;
    int64_t index;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    return (x->value > y->value) - (x->value < y->value);
}

bool mt_evidence_rank(const float *values, int64_t stride, const uint8_t *valid, int64_t n, float *out, GError **error)
{
    ranked *sorted = mt_alloc(n, sizeof *sorted, error);
    int64_t m = 0;

    if (sorted == NULL)
        return false;
    for (int64_t i = 0; i < n; i++) {
        out[i] = NAN;
        if (valid == NULL || valid[i] != 0)
            sorted[m++] = (ranked){values[i * stride], i};
    }
    qsort(sorted, (size_t)m, sizeof *sorted, compare_ranked);
    for (int64_t first = 0, last; first < m; first = last) {
        for (last = first + 1; last < m && sorted[last].value == sorted[first].value;)
            last++;
        for (int64_t i = first; i < last; i++) /* ranks first+1 .. last share their mean */
            out[sorted[i].index] = (float)((double)(first + 1 + last) / 2 / (double)m);
    }
    mt_free(sorted);
    return true;
}

/* How many of the sorted numbers lie below `value`, or not above it. */
static int64_t count_to(const float *sorted, int64_t n, float value, bool equal)
{
    int64_t low = 0, high = n;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (sorted[middle] < value || (equal && sorted[middle] == value))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void mt_evidence_rank_among(const float *reference, int64_t n_reference, float *numbers, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t below = count_to(reference, n_reference, numbers[i], false), upto = count_to(reference, n_reference, numbers[i], true);
        numbers[i] = (float)((double)(below + upto + (upto > below)) / (2 * (double)n_reference));
    }
}

static const mt_tensor *ranked_table(mt_heat_source source, const evidence *e)
{
    if (source == MT_HEAT_TILE_SCORE)
        return e->tile_scores;
    return e->logits != NULL ? e->logits : e->attention != NULL ? e->attention : e->tile_scores;
}

static const char *object_of(const evidence *e, const mt_tensor *table)
{
    return table == e->tile_scores ? MT_OBJECT_TILE_SCORES : table == e->logits ? MT_OBJECT_ATTENTION_LOGITS : MT_OBJECT_ATTENTION;
}

static bool fill_percentile(mt_heatmap *heatmap, const evidence *e, const mt_result *result, const mt_heatmap_params *params,
                            GError **error)
{
    const mt_tensor         *table = ranked_table(heatmap->source, e);
    const mt_heat_reference *reference = params->reference;
    const uint8_t           *valid = e->valid != NULL ? e->valid->data : NULL;
    int64_t                  column = table == e->tile_scores ? e->c : e->k;

    heatmap->meaning = g_strdup_printf("rank of the %s %s", table == e->tile_scores ? "tile score" : "attention",
                                       reference != NULL ? "among the reference" : "in this case");
    if (reference == NULL)
        return mt_evidence_rank((const float *)table->data + column, table->shape[1], valid, e->n, heatmap->tile_numbers, error);
    if (!mt_heat_reference_fits(reference, result, heatmap->label, object_of(e, table), error))
        return false;
    fill_column(heatmap, table, column);
    mt_evidence_rank_among(reference->numbers, reference->n, heatmap->tile_numbers, e->n);
    return true;
}

static bool fill_zscore(mt_heatmap *heatmap, const evidence *e, const mt_result *result, GError **error)
{
    const mt_tensor *table = ranked_table(heatmap->source, e);
    int64_t          column = table == e->tile_scores ? e->c : e->k, n = heatmap->n_valid;
    double           sum = 0, squares = 0;

    heatmap->meaning = g_strdup_printf("z-score of the %s in this case", table == e->tile_scores ? "tile score" : "attention");
    fill_column(heatmap, table, column);
    for (int64_t i = 0; i < e->n; i++)
        sum += is_valid(e, i) ? (double)heatmap->tile_numbers[i] : 0;
    for (int64_t i = 0; i < e->n; i++)
        squares += is_valid(e, i) ? pow((double)heatmap->tile_numbers[i] - sum / (double)n, 2) : 0;
    if (n > 0 && !isfinite(squares)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "draw a heatmap of %s: the attention of a tile is no number: use --scale percentile",
                    mt_result_path(result));
        return false;
    }
    double mean = n > 0 ? sum / (double)n : 0, deviation = n > 0 ? sqrt(squares / (double)n) : 0;
    for (int64_t i = 0; i < e->n; i++)
        heatmap->tile_numbers[i] = deviation > 0 ? (float)(((double)heatmap->tile_numbers[i] - mean) / deviation) : 0;
    heatmap->range[0] = -3;
    heatmap->range[1] = 3;
    return true;
}

/* Numbers to what is drawn; unread tiles have neither. */
static void draw_numbers(mt_heatmap *heatmap, const evidence *e, const mt_heatmap_params *params)
{
    if (params->range[1] > params->range[0])
        memcpy(heatmap->range, params->range, sizeof heatmap->range);
    double low = heatmap->range[0], width = heatmap->range[1] - low;
    for (int64_t i = 0; i < e->n; i++) {
        if (!is_valid(e, i))
            heatmap->tile_numbers[i] = NAN;
        double share = width > 0 ? ((double)heatmap->tile_numbers[i] - low) / width : 0;
        heatmap->tile_values[i] = is_valid(e, i) ? (float)CLAMP(share, 0, 1) : NAN;
    }
}

static bool lacks(const mt_result *result, const char *what, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "draw a heatmap of %s: it has no %s", mt_result_path(result), what);
    return true;
}

/* Whether there is anything to draw of what was asked for. */
static bool check_source(mt_heatmap *heatmap, const evidence *e, const mt_result *result, GError **error)
{
    bool single = e->n == 1 && e->scores != NULL && heatmap->scale == MT_HEAT_ABSOLUTE;

    if (heatmap->source == MT_HEAT_AUTO)
        heatmap->source = MT_HEAT_EVIDENCE;
    if (e->n == 0)
        return true;
    if (heatmap->source == MT_HEAT_ATTENTION && e->attention == NULL && lacks(result, "attention", error))
        return false;
    if (heatmap->source == MT_HEAT_TILE_SCORE && e->tile_scores == NULL && lacks(result, "tile scores", error))
        return false;
    if (e->attention != NULL || e->logits != NULL || e->tile_scores != NULL || single)
        return true;
    g_set_error(
        error, MT_ERROR, MT_ERROR_INPUT,
        "draw a heatmap of %s: it has no attention and no tile scores, so there is nothing to draw: run it with a head (-m HEAD) that "
        "has attention",
        mt_result_path(result));
    return false;
}

bool mt_evidence_fill(mt_heatmap *heatmap, const mt_result *result, const mt_heatmap_params *params, GError **error)
{
    g_auto(evidence) e = {.n = heatmap->n_tiles, .c = -1};
    bool ok = false;

    if (!read_parts(&e, result, error))
        return false;
    heatmap->range[1] = 1;
    heatmap->labels = g_strdupv(e.labels);
    heatmap->tile_values = mt_alloc(e.n, sizeof(float), error);
    heatmap->tile_numbers = heatmap->tile_values != NULL ? mt_alloc(e.n, sizeof(float), error) : NULL;
    if (heatmap->tile_numbers == NULL || !check_source(heatmap, &e, result, error))
        return false;
    for (int64_t i = 0; i < e.n; i++)
        heatmap->n_valid += is_valid(&e, i);
    if (e.n == 0) {
        heatmap->meaning = g_strdup("no tiles");
        return true;
    }
    if (!choose_class(&e, result, params->label, error))
        return false;
    heatmap->label = e.c >= 0 ? g_strdup(e.labels[e.c]) : NULL;
    switch (heatmap->scale) {
    case MT_HEAT_ABSOLUTE:
        ok = fill_absolute(heatmap, &e, result, error);
        break;
    case MT_HEAT_PERCENTILE:
        ok = fill_percentile(heatmap, &e, result, params, error);
        break;
    case MT_HEAT_ZSCORE:
        ok = fill_zscore(heatmap, &e, result, error);
        break;
    }
    if (ok)
        draw_numbers(heatmap, &e, params);
    return ok;
}

bool mt_evidence_ranked(const mt_result *result, const mt_heatmap_params *params, GArray *numbers, char **label, const char **object,
                        GError **error)
{
    int64_t    shape[MT_MAX_RANK] = {0};
    mt_heatmap asked = {.scale = MT_HEAT_PERCENTILE, .source = params->source};
    bool       has = mt_result_has(result, MT_OBJECT_COORDS);

    if (has && mt_result_shape(result, MT_OBJECT_COORDS, shape, error) < 0)
        return false;
    g_auto(evidence) e = {.n = shape[0], .c = -1};
    *label = NULL, *object = NULL;
    if (e.n == 0)
        return true;
    if (!read_parts(&e, result, error) || !check_source(&asked, &e, result, error) || !choose_class(&e, result, params->label, error))
        return false;
    const mt_tensor *table = ranked_table(asked.source, &e);
    for (int64_t i = 0; i < e.n; i++)
        if (is_valid(&e, i)) {
            float number = cell(table, i, table == e.tile_scores ? e.c : e.k);
            g_array_append_val(numbers, number);
        }
    *label = e.c >= 0 ? g_strdup(e.labels[e.c]) : NULL;
    *object = object_of(&e, table);
    return true;
}
