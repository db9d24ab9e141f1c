#include "src/result/measures.h"

#include "src/result/densest_square.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

typedef struct grammar {
    const char *word, *unit, *form;
    bool        two; /* classes */
} grammar;

static const grammar grammars[MT_MEASURE_N_KINDS] = {
    [MT_MEASURE_AREA] = {"area", "mm2", "area(CLASS)", false},
    [MT_MEASURE_VOLUME] = {"volume", "mm3", "volume(CLASS)", false},
    [MT_MEASURE_SHARE] = {"share", "", "share(CLASS of CLASS), share(CLASS of mask)", true},
    [MT_MEASURE_COUNT] = {"count", "", "count(CLASS)", false},
    [MT_MEASURE_DENSITY] = {"density", "/mm2", "density(CLASS, MM2)", false},
    [MT_MEASURE_RATIO_VERTICAL] = {"ratio_vertical", "", "ratio_vertical(CLASS, CLASS)", true},
    [MT_MEASURE_RATIO_AREA] = {"ratio_area", "", "ratio_area(CLASS, CLASS)", true},
    [MT_MEASURE_LONGEST] = {"longest", "mm", "longest(CLASS)", false},
    [MT_MEASURE_MAX_SCORE] = {"max_score", "", "max_score(CLASS)", false},
    [MT_MEASURE_FINDING] = {"finding", "", "finding(CLASS)", false},
    [MT_MEASURE_SCORE] = {"score", "", "score(CLASS)", false},
};

void mt_measure_rule_free(mt_measure_rule *rule)
{
    if (rule == NULL)
        return;
    g_free(rule->name);
    g_free(rule->text);
    g_free(rule);
}

static bool refuse(const char *source, const char *text, GError **error, const char *format, ...) G_GNUC_PRINTF(4, 5);

static bool refuse(const char *source, const char *text, GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *reason = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [measure] %s: %s", source, text, reason);
    return false;
}

static bool find_label(const char *name, char *const *labels, const char *source, const char *text, int *label, GError **error)
{
    for (int i = 0; labels[i] != NULL; i++)
        if (strcmp(labels[i], name) == 0) {
            *label = i;
            return true;
        }
    g_autofree char *known = g_strjoinv(", ", (char **)(uintptr_t)labels);
    return refuse(source, text, error, "'%s' is none of the classes (%s)", name, known);
}

/* The argument's parts, at " of " for a share, else at the comma. */
static char **split_arguments(mt_measure_kind kind, const char *inside)
{
    char **parts = g_strsplit(inside, kind == MT_MEASURE_SHARE ? " of " : ",", 3);

    for (char **part = parts; *part != NULL; part++)
        g_strstrip(*part);
    return parts;
}

static bool read_arguments(mt_measure_rule *rule, const char *inside, char *const *labels, const char *source, const char *text,
                           GError **error)
{
    const grammar *g = &grammars[rule->kind];
    g_auto(GStrv) parts = split_arguments(rule->kind, inside);
    guint wanted = g->two || rule->kind == MT_MEASURE_DENSITY ? 2 : 1;

    rule->other = -1;
    if (g_strv_length(parts) != wanted)
        return refuse(source, text, error, "%s is wanted", g->form);
    if (!find_label(parts[0], labels, source, text, &rule->label, error))
        return false;
    if (rule->kind == MT_MEASURE_DENSITY) {
        char *end;
        rule->mm2 = g_ascii_strtod(parts[1], &end);
        return (*end == '\0' && rule->mm2 > 0 && rule->mm2 < 1e6) || refuse(source, text, error, "an area in mm2 above 0 is wanted");
    }
    return !g->two || (rule->kind == MT_MEASURE_SHARE && strcmp(parts[1], "mask") == 0) ||
           find_label(parts[1], labels, source, text, &rule->other, error);
}

static int find_kind(const char *word)
{
    int kind = 0;

    while (kind < MT_MEASURE_N_KINDS && strcmp(grammars[kind].word, word) != 0)
        kind++;
    return kind;
}

mt_measure_rule *mt_measure_rule_parse(const char *text, char *const *labels, const char *source, GError **error)
{
    const char *equals = strchr(text, '='), *open = equals != NULL ? strchr(equals, '(') : NULL;
    g_autoptr(mt_measure_rule) rule = g_new0(mt_measure_rule, 1);

    if (open == NULL || !g_str_has_suffix(text, ")")) {
        refuse(source, text, error, "NAME=RULE(CLASS ..) is wanted");
        return NULL;
    }
    g_autofree char *word = g_strstrip(g_strndup(equals + 1, (gsize)(open - equals - 1)));
    g_autofree char *inside = g_strndup(open + 1, strlen(open) - 2);
    int              kind = find_kind(word);
    rule->name = g_strstrip(g_strndup(text, (gsize)(equals - text)));
    rule->text = g_strstrip(g_strdup(equals + 1));
    if (*rule->name == '\0') {
        refuse(source, text, error, "NAME=RULE(CLASS ..) is wanted");
        return NULL;
    }
    if (kind == MT_MEASURE_N_KINDS) {
        GString *known = g_string_new(NULL);
        for (int i = 0; i < MT_MEASURE_N_KINDS; i++)
            g_string_append_printf(known, "%s%s", i > 0 ? ", " : "", grammars[i].form);
        refuse(source, text, error, "there is no rule '%s'; there are %s", word, known->str);
        g_string_free(known, TRUE);
        return NULL;
    }
    rule->kind = (mt_measure_kind)kind;
    return read_arguments(rule, inside, labels, source, text, error) ? g_steal_pointer(&rule) : NULL;
}

/* An area is asked of a picture, a volume of a volume. */
static void size_of_label(const mt_measure_rule *rule, const mt_measure_facts *facts, mt_measurement *m)
{
    const mt_label_counts *count = &facts->counts[rule->label];
    bool                   flat = facts->objects->frame.size[2] == 1;
    double                 voxel =
        flat == (rule->kind == MT_MEASURE_AREA) ? mt_objects_voxel_size(&facts->objects->frame) * facts->objects->map_voxel : (double)NAN;

    m->value = (double)count->voxels * voxel;
    if (count->sure >= 0) {
        m->low = (double)count->sure * voxel;
        m->high = (double)count->possible * voxel;
    }
}

static void share(const mt_measure_rule *rule, const mt_measure_facts *facts, mt_measurement *m)
{
    const mt_label_counts *count = &facts->counts[rule->label];
    double                 whole = rule->other >= 0 ? (double)facts->counts[rule->other].voxels : facts->mask_voxels;

    if (whole <= 0)
        return;
    m->value = (double)count->voxels / whole;
    if (count->sure >= 0) {
        m->low = (double)count->sure / whole;
        m->high = fmin((double)count->possible / whole, 1);
    }
}

static void density(const mt_measure_rule *rule, const mt_measure_facts *facts, mt_measurement *m)
{
    const mt_objects *objects = facts->objects;
    const double     *mm = objects->frame.spacing_mm, edge = sqrt(rule->mm2);
    g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(mt_plane_point));

    if (!(mm[0] > 0 && mm[1] > 0) || objects->frame.size[2] != 1)
        return;
    for (guint i = 0; i < objects->list->len; i++) {
        const mt_object *o = objects->list->pdata[i];
        if (o->label == rule->label)
            g_array_append_vals(points, &(mt_plane_point){o->centre[0], o->centre[1]}, 1);
    }
    m->value = (double)mt_densest_square((mt_plane_point *)(void *)points->data, points->len, edge / mm[0], edge / mm[1]) / rule->mm2;
}

/* From the top of a label's highest object to the bottom of its lowest, in mm or, where the spacing is unknown, in pixels. */
static double height_of(const mt_objects *objects, int label)
{
    int64_t top = INT64_MAX, bottom = INT64_MIN;

    for (guint i = 0; i < objects->list->len; i++) {
        const mt_object *o = objects->list->pdata[i];
        if (o->label != label)
            continue;
        top = MIN(top, o->box[1]);
        bottom = MAX(bottom, o->box[4]);
    }
    return bottom > top ? (double)(bottom - top) : 0;
}

static double largest(const mt_measure_rule *rule, const mt_objects *objects)
{
    double best = 0;

    for (guint i = 0; i < objects->list->len; i++) {
        const mt_object *o = objects->list->pdata[i];
        double           value = rule->kind == MT_MEASURE_LONGEST ? o->longest_mm : o->finding_score;
        if (o->label != rule->label)
            continue;
        if (isnan(value))
            return value;
        best = fmax(best, value);
    }
    return best;
}

static double count_objects(const mt_objects *objects, int label)
{
    double n = 0;

    for (guint i = 0; i < objects->list->len; i++)
        n += ((const mt_object *)objects->list->pdata[i])->label == label;
    return n;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : (double)NAN;
}

void mt_measurement_find(const mt_measure_rule *rule, const mt_measure_facts *facts, mt_measurement *m)
{
    *m = (mt_measurement){.name = g_strdup(rule->name),
                          .unit = g_strdup(grammars[rule->kind].unit),
                          .rule = g_strdup(rule->text),
                          .value = NAN,
                          .low = NAN,
                          .high = NAN};
    switch (rule->kind) {
    case MT_MEASURE_AREA:
    case MT_MEASURE_VOLUME:
        size_of_label(rule, facts, m);
        break;
    case MT_MEASURE_SHARE:
        share(rule, facts, m);
        break;
    case MT_MEASURE_COUNT:
        m->value = count_objects(facts->objects, rule->label);
        break;
    case MT_MEASURE_DENSITY:
        density(rule, facts, m);
        break;
    case MT_MEASURE_RATIO_VERTICAL:
        m->value = ratio(height_of(facts->objects, rule->label), height_of(facts->objects, rule->other));
        break;
    case MT_MEASURE_RATIO_AREA:
        m->value = ratio((double)facts->counts[rule->label].voxels, (double)facts->counts[rule->other].voxels);
        break;
    case MT_MEASURE_SCORE:
        m->value = facts->scores != NULL ? facts->scores[rule->label] : (double)NAN;
        break;
    case MT_MEASURE_MAX_SCORE:
        m->value = mt_objects_max_score(facts->objects, rule->label);
        break;
    default:
        m->value = largest(rule, facts->objects);
        break;
    }
}

void mt_measurement_clear(mt_measurement *m)
{
    g_free(m->name);
    g_free(m->unit);
    g_free(m->rule);
}

bool mt_measurements_store(const mt_measurement *measurements, int n, mt_store *store, GError **error)
{
    static const mt_store_column columns[] = {
        {"name", offsetof(mt_measurement, name), true},  {"value", offsetof(mt_measurement, value), false},
        {"unit", offsetof(mt_measurement, unit), true},  {"low", offsetof(mt_measurement, low), false},
        {"high", offsetof(mt_measurement, high), false}, {"rule", offsetof(mt_measurement, rule), true},
    };

    return mt_store_write_table(store, MT_OBJECT_MEASUREMENTS, columns, G_N_ELEMENTS(columns), sizeof *measurements, measurements, n,
                                error);
}
