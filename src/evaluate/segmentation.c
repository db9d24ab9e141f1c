/* Predicted masks against reference masks: every class of every case, then the classes over the cases. */
#include "src/base/alloc.h"
#include "src/evaluate/label_map.h"
#include "src/evaluate/overlap.h"
#include "src/evaluate/place_cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DICE, IOU, DISTANCE, N_MEASURES };

static const char *const MEASURES[N_MEASURES] = {"dice", "iou", "hausdorff_95_mm"};
static const char *const UNDEFINED[N_MEASURES] = {"no case has the class in either mask", "no case has the class in either mask",
                                                  "no case has the class in both masks"};

static int n_measures(const mt_place_evaluation *e)
{
    return e->distance ? N_MEASURES : DISTANCE;
}

static bool in_class(const mt_mask_class *c, uint16_t label)
{
    return c->value == 0 ? label != 0 : label == c->value;
}

static void add_class(mt_place_evaluation *e, const char *name, int value)
{
    mt_mask_class c = {.name = g_strdup(name), .value = value};

    g_array_append_val(e->classes, c);
}

/* "1=liver,2=tumour", or one name for all that is not 0. */
static bool parse_classes(mt_place_evaluation *e, const char *text, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    guint n = g_strv_length(parts);

    for (char **part = parts; *part != NULL; part++) {
        char   *name = strchr(*part, '='), *end = NULL;
        guint64 value = name != NULL ? g_ascii_strtoull(*part, &end, 10) : 0;
        bool    good =
            name == NULL ? n == 1 && **part != '\0' : end == name && end != *part && value >= 1 && value <= 65535 && name[1] != '\0';
        for (guint i = 0; i < e->classes->len && good; i++) {
            const mt_mask_class *c = &g_array_index(e->classes, mt_mask_class, i);
            good = c->value != (int)value && strcmp(c->name, name + 1) != 0;
        }
        if (!good) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                        "--classes %s: numbers with names are wanted, each once, as 1=liver,2=tumour, or one name for all that is not 0",
                        text);
            return false;
        }
        add_class(e, name != NULL ? name + 1 : *part, (int)value);
    }
    return true;
}

/* Without names the classes are the values of the references. */
static bool find_classes(mt_place_evaluation *e, const mt_place_params *params, const GPtrArray *pairs, GError **error)
{
    g_autofree bool *seen = g_new0(bool, 65536);

    if (params->classes != NULL)
        return parse_classes(e, params->classes, error);
    for (guint i = 0; i < pairs->len; i++) {
        g_autoptr(mt_label_map) map = mt_label_map_read(((const mt_place_pair *)pairs->pdata[i])->reference, params->mask_mpp, error);
        if (map == NULL)
            return false;
        for (int64_t k = 0; k < map->width * map->height * map->depth; k++)
            seen[map->labels[k]] = true;
    }
    for (int value = 1; value < 65536; value++)
        if (seen[value]) {
            g_autofree char *name = g_strdup_printf("%d", value);
            add_class(e, name, value);
        }
    if (e->classes->len > 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "evaluate %s: all reference masks are empty: name the classes with --classes", e->folder);
    return false;
}

static bool check_values(const mt_place_evaluation *e, const mt_label_map *map, const char *id, GError **error)
{
    g_autofree bool *known = g_new0(bool, 65536);
    g_autoptr(GString) names = g_string_new(NULL);

    for (guint k = 0; k < e->classes->len; k++) {
        const mt_mask_class *c = &g_array_index(e->classes, mt_mask_class, k);
        if (c->value == 0)
            return true;
        known[c->value] = true;
        g_string_append_printf(names, "%s%d", k > 0 ? ", " : "", c->value);
    }
    for (int64_t i = 0; i < map->width * map->height * map->depth; i++)
        if (map->labels[i] != 0 && !known[map->labels[i]]) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "case %s: %s holds the unknown class %d; known are: %s; --classes names them", id,
                        map->path, map->labels[i], names->str);
            return false;
        }
    return true;
}

static bool measure_class(mt_place_evaluation *e, mt_mask_class *c, mt_mask_pair *pair, double *values, GError **error)
{
    mt_overlap           overlap;
    mt_surface_distances distances = {0};

    if (!mt_overlap_measure(pair, &overlap, error) || (e->distance && !mt_surface_distance(pair, &distances, error)))
        return false;
    values[DICE] = overlap.dice.defined ? overlap.dice.value : (double)NAN;
    values[IOU] = overlap.iou.defined ? overlap.iou.value : (double)NAN;
    if (e->distance)
        values[DISTANCE] = distances.hausdorff_95_mm.defined ? distances.hausdorff_95_mm.value : (double)NAN;
    c->both_empty += overlap.a == 0 && overlap.b == 0;
    c->predicted_empty += overlap.a == 0 && overlap.b > 0;
    c->reference_empty += overlap.a > 0 && overlap.b == 0;
    return true;
}

static bool measure_maps(mt_place_evaluation *e, const mt_label_map *predicted, const mt_label_map *reference, double *values,
                         GError **error)
{
    int64_t      n = reference->width * reference->height * reference->depth;
    uint8_t     *a = mt_alloc(n, 1, error), *b = a != NULL ? mt_alloc(n, 1, error) : NULL;
    mt_mask_pair pair = {.a = a, .b = b, .width = reference->width, .height = reference->height, .depth = reference->depth};
    bool         ok = b != NULL;

    memcpy(pair.spacing_mm, reference->spacing_mm, sizeof pair.spacing_mm);
    for (guint k = 0; ok && k < e->classes->len; k++) {
        mt_mask_class *c = &g_array_index(e->classes, mt_mask_class, k);
        for (int64_t i = 0; i < n; i++) {
            a[i] = in_class(c, predicted->labels[i]);
            b[i] = in_class(c, reference->labels[i]);
        }
        ok = measure_class(e, c, &pair, values + (int)k * n_measures(e), error);
    }
    mt_free(a);
    mt_free(b);
    return ok;
}

static bool measure_pair(mt_place_evaluation *e, const mt_place_params *params, const mt_place_pair *p, GError **error)
{
    g_autoptr(mt_label_map) predicted = mt_label_map_read(p->predicted, params->mask_mpp, error);
    g_autoptr(mt_label_map) reference = predicted != NULL ? mt_label_map_read(p->reference, params->mask_mpp, error) : NULL;

    if (reference == NULL)
        return false;
    if (!mt_label_map_same_grid(predicted, reference, error) ||
        (e->distance && (!mt_label_map_need_spacing(reference, error) || !mt_label_map_need_spacing(predicted, error)))) {
        g_prefix_error(error, "case %s: ", p->id);
        return false;
    }
    return check_values(e, reference, p->id, error) && check_values(e, predicted, p->id, error) &&
           measure_maps(e, predicted, reference, mt_place_add_case(e, p->id, p->patient)->values, error);
}

static int compare_weighted(const void *a, const void *b)
{
    double x = ((const double *)a)[0], y = ((const double *)b)[0];

    return x < y ? -1 : x > y;
}

/* Mean and median of one column, case i being there times[i] times. */
static void summarise(const mt_place_evaluation *e, const int64_t *times, guint column, mt_estimate *mean, mt_estimate *median)
{
    g_autofree double *values = g_new(double, 2 * (gsize)e->cases->len + 2);
    double             sum = 0, n = 0;
    int                kept = 0;

    for (guint i = 0; i < e->cases->len; i++) {
        double value = ((const mt_place_case *)e->cases->pdata[i])->values[column];
        if (times[i] == 0 || isnan(value))
            continue;
        sum += (double)times[i] * value;
        n += (double)times[i];
        values[2 * kept] = value;
        values[2 * kept++ + 1] = (double)times[i];
    }
    *mean = mt_estimate_ratio(sum, n);
    *median = (mt_estimate){.defined = false};
    if (kept == 0)
        return;
    qsort(values, (size_t)kept, 2 * sizeof *values, compare_weighted);
    double passed = 0, low = values[2 * kept - 2], high = low;
    bool   has_low = false;
    for (int i = 0; i < kept; i++) {
        passed += values[2 * i + 1];
        if (!has_low && passed >= floor((n + 1) / 2)) {
            low = values[2 * i];
            has_low = true;
        }
        if (passed >= floor(n / 2) + 1) {
            high = values[2 * i];
            break;
        }
    }
    *median = mt_estimate_point((low + high) / 2);
}

/* Each measure: the mean over the classes of their means, then mean and median (of one class alone: median only) of each class. */
static void measure(const void *cohort, const int64_t *times, mt_estimate *numbers)
{
    const mt_place_evaluation *e = cohort;
    guint                      n = e->classes->len, at = 0;

    for (int m = 0; m < n_measures(e); m++) {
        guint  overall = at++;
        double sum = 0;
        bool   defined = true;
        for (guint k = 0; k < n; k++) {
            mt_estimate mean, median;
            summarise(e, times, k * (guint)n_measures(e) + (guint)m, &mean, &median);
            if (n > 1)
                numbers[at++] = mean;
            numbers[at++] = median;
            sum += mean.value;
            defined = defined && mean.defined;
        }
        numbers[overall] = defined ? mt_estimate_point(sum / n) : (mt_estimate){.defined = false};
    }
}

static void name_metrics(mt_place_evaluation *e)
{
    guint n = e->classes->len;

    for (int m = 0; m < n_measures(e); m++) {
        mt_place_add_metric(e, g_strdup(MEASURES[m]), n == 1 ? UNDEFINED[m] : "one of the classes does not define it");
        for (guint k = 0; k < n; k++) {
            const char *name = g_array_index(e->classes, mt_mask_class, k).name;
            if (n > 1)
                mt_place_add_metric(e, g_strdup_printf("%s:%s", MEASURES[m], name), UNDEFINED[m]);
            mt_place_add_metric(e, n > 1 ? g_strdup_printf("%s_median:%s", MEASURES[m], name) : g_strdup_printf("%s_median", MEASURES[m]),
                                UNDEFINED[m]);
        }
    }
}

static void name_columns(mt_place_evaluation *e)
{
    for (guint k = 0; k < e->classes->len; k++)
        for (int m = 0; m < n_measures(e); m++)
            g_ptr_array_add(e->columns, g_strdup_printf("%s_%s", MEASURES[m], g_array_index(e->classes, mt_mask_class, k).name));
}

static void warn_empty(mt_place_evaluation *e)
{
    for (guint k = 0; k < e->classes->len; k++) {
        const mt_mask_class *c = &g_array_index(e->classes, mt_mask_class, k);
        if (c->both_empty > 0)
            mt_place_warn(e, "class %s: %d cases have it in neither mask: they are in no number of it", c->name, c->both_empty);
        if (c->reference_empty + c->predicted_empty > 0)
            mt_place_warn(e, "class %s: %d cases have it in the prediction alone and %d in the reference alone: Dice and IoU are 0 there%s",
                          c->name, c->reference_empty, c->predicted_empty, e->distance ? ", and no distance exists" : "");
    }
}

bool mt_place_gather_masks(mt_place_evaluation *e, const mt_place_params *params, GError **error)
{
    g_autoptr(GPtrArray) pairs = mt_place_pairs(e, params, error);

    e->distance = !params->no_distance;
    e->measure = measure;
    if (pairs == NULL || !find_classes(e, params, pairs, error))
        return false;
    name_columns(e);
    name_metrics(e);
    for (guint i = 0; i < pairs->len; i++)
        if (!measure_pair(e, params, pairs->pdata[i], error))
            return false;
    warn_empty(e);
    return true;
}
