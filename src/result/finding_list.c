/* /objects, /measurements and /actions of a result, column by column. */
#include <microtome/findings.h>

#include "src/result/headline.h"
#include "src/store/result_table.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

#define COLUMN(name) MT_OBJECT_OBJECTS "/" name

static void finding_clear(mt_finding *f)
{
    g_free(f->label);
    g_free(f->location);
    g_free(f->finding);
}

void mt_finding_list_free(mt_finding_list *list)
{
    if (list == NULL)
        return;
    for (int i = 0; i < list->n_findings; i++)
        finding_clear(&list->findings[i]);
    for (int i = 0; i < list->n_values; i++) {
        g_free(list->values[i].name);
        g_free(list->values[i].unit);
        g_free(list->values[i].rule);
    }
    g_free(list->findings);
    g_free(list->values);
    g_strfreev(list->actions);
    g_free(list->frame_of_reference);
    g_free(list->path);
    g_free(list);
}

static double number_at(const mt_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case MT_F64:
        return ((const double *)t->data)[i];
    case MT_F32:
        return (double)((const float *)t->data)[i];
    case MT_I64:
        return (double)((const int64_t *)t->data)[i];
    case MT_I32:
        return ((const int32_t *)t->data)[i];
    default:
        return NAN;
    }
}

/* `width` numbers a row; a column that is not there is NaN all over, one of another length is an error. */
static double *read_numbers(const mt_result *result, const char *column, int rows, int width, GError **error)
{
    int64_t            n = (int64_t)rows * width;
    g_autofree double *values = g_new(double, (gsize)n + 1);
    g_autoptr(mt_tensor) tensor = mt_result_has(result, column) ? mt_result_read(result, column, error) : NULL;

    if (tensor == NULL && mt_result_has(result, column))
        return NULL;
    if (tensor != NULL && mt_tensor_count(tensor) != n) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "read %s of %s: %" G_GINT64_FORMAT " numbers for %d objects, %" G_GINT64_FORMAT " are wanted", column,
                    mt_result_path(result), mt_tensor_count(tensor), rows, n);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++)
        values[i] = tensor != NULL ? number_at(tensor, i) : (double)NAN;
    return g_steal_pointer(&values);
}

/* One string a row; of a column that is not there all are "". */
static char **read_texts(const mt_result *result, const char *column, int rows, GError **error)
{
    g_auto(GStrv) texts = mt_result_has(result, column) ? mt_result_read_strings(result, column, error) : NULL;

    if (texts == NULL && mt_result_has(result, column))
        return NULL;
    if (texts == NULL) {
        texts = g_new0(char *, (gsize)rows + 1);
        for (int i = 0; i < rows; i++)
            texts[i] = g_strdup("");
    }
    if (g_strv_length(texts) == (guint)rows)
        return g_steal_pointer(&texts);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s of %s: %u texts for %d objects", column, mt_result_path(result),
                g_strv_length(texts), rows);
    return NULL;
}

static int64_t whole(double value)
{
    return value >= -9e15 && value <= 9e15 ? (int64_t)value : 0;
}

static char *known(const char *text)
{
    return *text != '\0' ? g_strdup(text) : NULL;
}

static bool read_words(const mt_result *result, mt_finding_list *list, GError **error)
{
    int n = list->n_findings;
    g_auto(GStrv) labels = read_texts(result, COLUMN("class"), n, error);
    g_auto(GStrv) kinds = labels != NULL ? read_texts(result, COLUMN("kind"), n, error) : NULL;
    g_auto(GStrv) locations = kinds != NULL ? read_texts(result, COLUMN("location"), n, error) : NULL;
    g_auto(GStrv) findings = locations != NULL ? read_texts(result, COLUMN("finding"), n, error) : NULL;

    for (int i = 0; findings != NULL && i < n; i++) {
        mt_finding *f = &list->findings[i];
        f->label = g_strdup(labels[i]);
        f->boxed = strcmp(kinds[i], "box") == 0;
        f->location = known(locations[i]);
        f->finding = known(findings[i]);
    }
    return findings != NULL;
}

static bool read_places(const mt_result *result, mt_finding_list *list, GError **error)
{
    int                n = list->n_findings;
    g_autofree double *box = read_numbers(result, COLUMN("box"), n, 6, error);
    g_autofree double *centre = box != NULL ? read_numbers(result, COLUMN("centre"), n, 3, error) : NULL;
    g_autofree double *mm = centre != NULL ? read_numbers(result, COLUMN("centre_mm"), n, 3, error) : NULL;

    for (int i = 0; mm != NULL && i < n; i++) {
        mt_finding *f = &list->findings[i];
        for (int d = 0; d < 6; d++)
            f->box[d] = whole(box[6 * i + d]);
        for (int d = 0; d < 3; d++) {
            f->centre[d] = centre[3 * i + d];
            f->centre_mm[d] = mm[3 * i + d];
        }
    }
    return mm != NULL;
}

static bool read_sizes(const mt_result *result, mt_finding_list *list, GError **error)
{
    static const struct {
        const char *column;
        size_t      offset;
    } columns[] = {{COLUMN("score"), offsetof(mt_finding, score)},
                   {COLUMN("area_mm2"), offsetof(mt_finding, area_mm2)},
                   {COLUMN("volume_mm3"), offsetof(mt_finding, volume_mm3)},
                   {COLUMN("longest_mm"), offsetof(mt_finding, longest_mm)},
                   {COLUMN("perpendicular_mm"), offsetof(mt_finding, perpendicular_mm)},
                   {COLUMN("finding_score"), offsetof(mt_finding, finding_score)}};
    int                n = list->n_findings;
    g_autofree double *voxels = read_numbers(result, COLUMN("voxels"), n, 1, error);
    g_autofree double *stages = voxels != NULL ? read_numbers(result, COLUMN("stage"), n, 1, error) : NULL;

    for (size_t c = 0; stages != NULL && c < G_N_ELEMENTS(columns); c++) {
        g_autofree double *values = read_numbers(result, columns[c].column, n, 1, error);
        for (int i = 0; values != NULL && i < n; i++)
            memcpy((char *)&list->findings[i] + columns[c].offset, &values[i], sizeof(double));
        if (values == NULL)
            return false;
    }
    for (int i = 0; stages != NULL && i < n; i++) {
        list->findings[i].voxels = whole(voxels[i]);
        list->findings[i].stage = (int)CLAMP(whole(stages[i]), 1, 99);
    }
    return stages != NULL;
}

static bool read_objects(const mt_result *result, mt_finding_list *list, GError **error)
{
    int64_t shape[MT_MAX_RANK];

    if (!mt_result_has(result, COLUMN("class")))
        return true;
    if (mt_result_shape(result, COLUMN("class"), shape, error) != 1 || shape[0] > 1 << 22) {
        if (error != NULL && *error == NULL)
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s of %s: no list of classes", COLUMN("class"), mt_result_path(result));
        return false;
    }
    list->findings = g_new0(mt_finding, (gsize)shape[0] + 1);
    list->n_findings = (int)shape[0];
    return read_words(result, list, error) && read_places(result, list, error) && read_sizes(result, list, error);
}

static bool read_values(const mt_result *result, mt_finding_list *list, GError **error)
{
    static const char table[] = MT_OBJECT_MEASUREMENTS;
    int64_t           n = mt_result_has(result, table) ? mt_result_table_rows(result, table, error) : 0;

    if (n <= 0)
        return n == 0;
    g_auto(GStrv) names = mt_result_table_texts(result, table, "name", error);
    g_auto(GStrv) units = names != NULL ? mt_result_table_texts(result, table, "unit", error) : NULL;
    g_auto(GStrv) rules = units != NULL ? mt_result_table_texts(result, table, "rule", error) : NULL;
    g_autofree double *values = rules != NULL ? mt_result_table_numbers(result, table, "value", error) : NULL;
    g_autofree double *low = values != NULL ? mt_result_table_numbers(result, table, "low", error) : NULL;
    g_autofree double *high = low != NULL ? mt_result_table_numbers(result, table, "high", error) : NULL;
    if (high == NULL)
        return false;
    list->values = g_new0(mt_finding_value, (gsize)n);
    for (list->n_values = 0; list->n_values < n; list->n_values++) {
        int i = list->n_values;
        list->values[i] = (mt_finding_value){g_strdup(names[i]), values[i], g_strdup(units[i]), low[i], high[i], g_strdup(rules[i])};
    }
    return true;
}

/* Of a picture: as its tiles say, else (read whole, without tiles) as the headline does. */
static void find_pixel(const mt_result *result, mt_finding_list *list)
{
    double mpp[2] = {0, 0};

    if (mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_MPP_X, &mpp[0], 1))
        mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_MPP_Y, &mpp[1], 1);
    else {
        g_autofree char *line = mt_result_headline(list->path, NULL);
        g_autoptr(mt_headline) h = line != NULL ? mt_headline_parse(line, list->path, NULL) : NULL;
        mpp[0] = h != NULL ? h->mpp_x : 0;
        mpp[1] = h != NULL ? h->mpp_y : 0;
    }
    for (int d = 0; d < 2; d++)
        list->voxel_mm[d] = mpp[d] > 0 ? mpp[d] / 1000 : 0;
}

static bool read_geometry(const mt_result *result, mt_finding_list *list, GError **error)
{
    bool has_size = mt_result_has(result, MT_OBJECT_SIZE), has_affine = mt_result_has(result, MT_OBJECT_AFFINE);
    g_autoptr(mt_tensor) size = has_size ? mt_result_read(result, MT_OBJECT_SIZE, error) : NULL;
    g_autoptr(mt_tensor) affine = has_affine && (!has_size || size != NULL) ? mt_result_read(result, MT_OBJECT_AFFINE, error) : NULL;

    if ((size == NULL && has_size) || (affine == NULL && has_affine))
        return false;
    for (int d = 0; size != NULL && mt_tensor_count(size) == 3 && d < 3; d++)
        list->size[d] = whole(number_at(size, d));
    list->has_affine = affine != NULL && affine->dtype == MT_F64 && mt_tensor_count(affine) == 16;
    if (list->has_affine)
        memcpy(list->affine, affine->data, sizeof list->affine);
    for (int d = 0; list->has_affine && d < 3; d++)
        list->voxel_mm[d] = sqrt(pow(list->affine[d], 2) + pow(list->affine[4 + d], 2) + pow(list->affine[8 + d], 2));
    if (!list->has_affine)
        find_pixel(result, list);
    if (mt_result_has(result, MT_OBJECT_FRAME))
        list->frame_of_reference = mt_result_read_string(result, MT_OBJECT_FRAME, error);
    return list->frame_of_reference != NULL || !mt_result_has(result, MT_OBJECT_FRAME);
}

mt_finding_list *mt_finding_list_read(const mt_result *result, GError **error)
{
    g_autoptr(mt_finding_list) list = g_new0(mt_finding_list, 1);
    g_autoptr(GError) cause = NULL;

    list->path = g_strdup(mt_result_path(result));
    bool ok = read_geometry(result, list, &cause) && read_objects(result, list, &cause) && read_values(result, list, &cause);
    if (ok && mt_result_has(result, MT_OBJECT_ACTIONS))
        list->actions = mt_result_read_strings(result, MT_OBJECT_ACTIONS, &cause);
    if (cause != NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    if (list->actions == NULL)
        list->actions = g_new0(char *, 1);
    return g_steal_pointer(&list);
}
