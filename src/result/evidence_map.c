/* Which stored map is drawn, of which class, on which plane. */
#include "src/result/evidence.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

static const struct {
    mt_heat_source source;
    const char    *object;
} maps[] = {{MT_HEAT_PROBABILITY, MT_OBJECT_PROBABILITY},
            {MT_HEAT_SEGMENTATION, MT_OBJECT_SEGMENTATION},
            {MT_HEAT_ERROR, MT_OBJECT_ERROR_MAP},
            {MT_HEAT_EXPLANATION, MT_OBJECT_EXPLANATION}};

static const char *object_of(mt_heat_source source)
{
    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++)
        if (maps[i].source == source)
            return maps[i].object;
    return NULL;
}

bool mt_evidence_is_map(const mt_heatmap *heatmap, const mt_result *result)
{
    static const char *const of_tiles[] = {MT_OBJECT_ATTENTION, MT_OBJECT_ATTENTION_LOGITS, MT_OBJECT_TILE_SCORES};

    if (heatmap->source != MT_HEAT_AUTO)
        return object_of(heatmap->source) != NULL;
    if (heatmap->n_tiles == 1 && mt_result_has(result, MT_OBJECT_EXPLANATION))
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(of_tiles); i++)
        if (mt_result_has(result, of_tiles[i]))
            return false;
    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++)
        if (mt_result_has(result, maps[i].object))
            return true;
    return false;
}

/* The first that is there and has the class that is asked for: a probability is stored of the positive label alone. */
static void choose_map(mt_heatmap *heatmap, const mt_result *result, const char *label)
{
    g_autofree char *positive = mt_result_attr_string(result, MT_OBJECT_SCORES, MT_ATTR_POSITIVE);

    if (heatmap->source == MT_HEAT_AUTO && heatmap->n_tiles == 1 && mt_result_has(result, MT_OBJECT_EXPLANATION))
        heatmap->source = MT_HEAT_EXPLANATION;
    for (size_t i = 0; i < G_N_ELEMENTS(maps) && heatmap->source == MT_HEAT_AUTO; i++) {
        bool other = maps[i].source == MT_HEAT_PROBABILITY && label != NULL && g_strcmp0(label, positive) != 0;
        if (mt_result_has(result, maps[i].object) && !other)
            heatmap->source = maps[i].source;
    }
    if (heatmap->source == MT_HEAT_AUTO)
        heatmap->source = MT_HEAT_SEGMENTATION;
}

/* "1,3=tumour core" */
static char *split_name(const char *text, uint8_t members[256])
{
    const char *equal = strchr(text, '=');
    g_auto(GStrv) values = g_strsplit(text, ",", -1);

    memset(members, 0, 256);
    for (char **value = values; equal != NULL && *value != NULL; value++)
        members[g_ascii_strtoull(*value, NULL, 10) & 255] = 1;
    return equal != NULL ? g_strdup(equal + 1) : g_strdup(text);
}

static bool choose_label(mt_heatmap *heatmap, const mt_result *result, const char *label, uint8_t members[256], GError **error)
{
    g_auto(GStrv) stored = mt_result_attr_strings(result, MT_OBJECT_SEGMENTATION, MT_ATTR_LABELS);
    g_autofree char *positive = label == NULL ? mt_result_attr_string(result, MT_OBJECT_SCORES, MT_ATTR_POSITIVE) : NULL;
    const char      *wanted = label != NULL ? label : positive;
    guint            n = stored != NULL ? g_strv_length(stored) : 0;
    uint8_t          of[256];

    heatmap->labels = g_new0(char *, n + 1);
    for (guint i = 0; i < n; i++) {
        heatmap->labels[i] = split_name(stored[i], of);
        if (heatmap->label != NULL || (wanted != NULL && strcmp(heatmap->labels[i], wanted) != 0))
            continue;
        heatmap->label = g_strdup(heatmap->labels[i]);
        memcpy(members, of, sizeof of);
    }
    if (heatmap->label != NULL)
        return true;
    g_autofree char *all = g_strjoinv(", ", heatmap->labels);
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "draw a heatmap of %s: it has no class %s: choose one of: %s", mt_result_path(result),
                wanted != NULL ? wanted : "(none)", n > 0 ? all : "(none)");
    return false;
}

/* The plane with most of it: the largest mean; *largest of all planes. */
static bool find_plane(mt_heatmap *heatmap, const mt_result *result, const char *object, const uint8_t *members, int64_t planes,
                       double *largest, GError **error)
{
    double best = -HUGE_VAL;

    *largest = -HUGE_VAL;
    for (int64_t z = 0; z < planes; z++) {
        double         most, mean;
        mt_heat_plane *plane = mt_heat_plane_new(result, object, z, members, heatmap->level0_size, error);
        bool           ok = plane != NULL && mt_heat_plane_statistics(plane, &most, &mean, error);

        mt_heat_plane_free(plane);
        if (!ok)
            return false;
        *largest = MAX(*largest, most);
        if (mean <= best)
            continue;
        best = mean;
        heatmap->plane = z;
    }
    return true;
}

static char *explanation_words(const mt_result *result)
{
    g_autofree char *method = mt_result_attr_string(result, MT_OBJECT_EXPLANATION, "method");

    return g_strdup_printf("what speaks for the class (%s), times its score", method != NULL ? method : "?");
}

static void say_meaning(mt_heatmap *heatmap, const mt_result *result)
{
    switch (heatmap->source) {
    case MT_HEAT_SEGMENTATION:
        heatmap->meaning = g_strdup("share of the class in the segmentation");
        break;
    case MT_HEAT_PROBABILITY:
        heatmap->meaning = g_strdup("probability in each pixel");
        break;
    case MT_HEAT_EXPLANATION:
        heatmap->meaning = explanation_words(result);
        break;
    default:
        heatmap->meaning = g_strdup("error of the reconstruction");
    }
}

/* An explanation is of one class. */
static bool is_explained(mt_heatmap *heatmap, const mt_result *result, const char *label, GError **error)
{
    heatmap->label = mt_result_attr_string(result, MT_OBJECT_EXPLANATION, "label");
    if (label == NULL || heatmap->label == NULL || strcmp(label, heatmap->label) == 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                "draw a heatmap of %s: what speaks for %s is explained, not %s: run again with [explain] label=%s", mt_result_path(result),
                heatmap->label, label, label);
    return false;
}

bool mt_evidence_map(mt_heatmap *heatmap, const mt_result *result, const mt_heatmap_params *params, mt_heat_plane **map, GError **error)
{
    uint8_t members[256] = {0};
    double  largest = 1;
    int64_t shape[3];

    choose_map(heatmap, result, params->label);
    const char    *object = object_of(heatmap->source);
    bool           labels = heatmap->source == MT_HEAT_SEGMENTATION;
    const uint8_t *of = labels ? members : NULL;
    if (heatmap->scale != MT_HEAT_ABSOLUTE || !mt_heat_plane_shape(result, object, shape)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "draw a heatmap of %s: %s", mt_result_path(result),
                    heatmap->scale != MT_HEAT_ABSOLUTE ? "ranks and z-scores are of tiles, and a map is drawn: use --scale absolute"
                                                       : "it has no such map");
        return false;
    }
    if (labels && !choose_label(heatmap, result, params->label, members, error))
        return false;
    heatmap->plane = MAX(params->plane, 0);
    bool scan = heatmap->source == MT_HEAT_ERROR || (params->plane < 0 && shape[0] > 1);
    if (scan && !find_plane(heatmap, result, object, of, shape[0], &largest, error))
        return false;
    if (params->plane >= 0)
        heatmap->plane = params->plane;
    if (heatmap->source == MT_HEAT_EXPLANATION && !is_explained(heatmap, result, params->label, error))
        return false;
    if (!labels && heatmap->label == NULL)
        heatmap->label = mt_result_attr_string(result, MT_OBJECT_SCORES, MT_ATTR_POSITIVE);
    if (heatmap->labels == NULL)
        heatmap->labels = g_new0(char *, 1);
    heatmap->range[1] = heatmap->source == MT_HEAT_ERROR && largest > 0 ? largest : 1;
    if (params->range[1] > params->range[0])
        memcpy(heatmap->range, params->range, sizeof heatmap->range);
    say_meaning(heatmap, result);
    *map = mt_heat_plane_new(result, object, heatmap->plane, of, heatmap->level0_size, error);
    return *map != NULL;
}
