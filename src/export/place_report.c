/* An evaluation of masks or findings as text, JSON, CSV, and its files. */
#include "src/base/csv.h"
#include "src/base/publish.h"
#include "src/evaluate/place_evaluation.h"
#include "src/export/evaluation_json.h"
#include "src/export/evaluation_parts.h"

#include <microtome/place_report.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static void append_number(GString *line, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_c(line, ',');
    if (isfinite(value))
        g_string_append(line, g_ascii_formatd(text, sizeof text, "%.15g", value));
}

static void append_name(GString *line, const char *column, const char *what)
{
    g_autofree char *name = g_strconcat(column, what, NULL);

    mt_csv_append_text(line, name, false);
}

char *mt_place_csv(const mt_place_evaluation *e)
{
    GString *table = g_string_new("id,patient");
    bool     paired = e->comparison != NULL;

    for (guint k = 0; k < e->columns->len; k++)
        append_name(table, e->columns->pdata[k], "");
    for (guint k = 0; paired && k < 2 * e->columns->len; k++)
        append_name(table, e->columns->pdata[k / 2], k % 2 == 0 ? "_other" : "_difference");
    g_string_append_c(table, '\n');
    for (guint i = 0; i < e->cases->len; i++) {
        const mt_place_case *c = e->cases->pdata[i];
        mt_csv_append_text(table, c->id, true);
        mt_csv_append_text(table, c->patient, false);
        for (guint k = 0; k < e->columns->len; k++)
            append_number(table, c->values[k]);
        for (guint k = 0; paired && k < e->columns->len; k++) {
            append_number(table, c->other != NULL ? c->other[k] : (double)NAN);
            append_number(table, c->other != NULL ? c->values[k] - c->other[k] : (double)NAN);
        }
        g_string_append_c(table, '\n');
    }
    return g_string_free(table, FALSE);
}

char *mt_place_text(const mt_place_evaluation *e)
{
    GString *t = g_string_new(NULL);
    char     threshold[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(t, "%s against %s: %u cases, %s", e->folder, e->reference, e->cases->len,
                           e->kind == MT_PLACE_MASKS ? "masks" : "findings");
    if (isfinite(e->threshold))
        g_string_append_printf(t, ", threshold %s", g_ascii_formatd(threshold, sizeof threshold, "%.6g", e->threshold));
    g_string_append(t, "\n\n");
    for (guint i = 0; i < e->metrics->len; i++)
        mt_text_metric(t, &g_array_index(e->metrics, mt_metric, i));
    mt_text_goals(t, e->goals);
    mt_text_comparison(t, e->comparison, "compared with", false);
    return g_string_free(t, FALSE);
}

static json_t *classes_json(const mt_place_evaluation *e)
{
    json_t *array = json_array();

    for (guint k = 0; k < e->classes->len; k++) {
        const mt_mask_class *c = &g_array_index(e->classes, mt_mask_class, k);
        json_t              *one = json_object();
        json_object_set_new(one, "class", mt_json_text(c->name));
        json_object_set_new(one, "value", c->value > 0 ? json_integer(c->value) : json_null());
        json_object_set_new(one, "both_empty", json_integer(c->both_empty));
        json_object_set_new(one, "reference_empty", json_integer(c->reference_empty));
        json_object_set_new(one, "predicted_empty", json_integer(c->predicted_empty));
        json_array_append_new(array, one);
    }
    return array;
}

static json_t *cases_json(const mt_place_evaluation *e)
{
    json_t *array = json_array();

    for (guint i = 0; i < e->cases->len; i++) {
        const mt_place_case *c = e->cases->pdata[i];
        json_t              *one = json_object();
        json_object_set_new(one, "id", mt_json_text(c->id));
        json_object_set_new(one, "patient", mt_json_text(c->patient));
        for (guint k = 0; k < e->columns->len; k++)
            json_object_set_new(one, e->columns->pdata[k], mt_json_number(c->values[k]));
        json_array_append_new(array, one);
    }
    return array;
}

static bool goals_met(const GArray *goals)
{
    for (guint i = 0; i < goals->len; i++)
        if (!g_array_index(goals, mt_goal, i).met)
            return false;
    return true;
}

char *mt_place_json(const mt_place_evaluation *e)
{
    json_t *root = json_object();
    char   *dumped, *copy;

    json_object_set_new(root, "schema", json_integer(1));
    json_object_set_new(root, "kind", json_string(e->kind == MT_PLACE_MASKS ? "masks" : "findings"));
    json_object_set_new(root, "folder", mt_json_text(e->folder));
    json_object_set_new(root, "reference", mt_json_text(e->reference));
    json_object_set_new(root, "labels_file", mt_json_text(e->labels_path));
    json_object_set_new(root, "confidence", json_real(0.95));
    json_object_set_new(root, "bootstrap", json_integer(e->bootstrap));
    json_object_set_new(root, "seed", json_integer((json_int_t)e->seed));
    json_object_set_new(root, "evaluated", json_integer(e->cases->len));
    json_object_set_new(root, "missing", mt_json_texts(e->missing));
    json_object_set_new(root, "warnings", mt_json_texts(e->warnings));
    json_object_set_new(root, "metrics", mt_json_metrics(e->metrics));
    if (e->kind == MT_PLACE_MASKS)
        json_object_set_new(root, "classes", classes_json(e));
    else {
        json_object_set_new(root, "threshold", mt_json_number(e->threshold));
        json_object_set_new(root, "froc", mt_json_curve(&e->froc, "false_positives_per_scan", "sensitivity"));
    }
    json_object_set_new(root, "cases", cases_json(e));
    json_object_set_new(root, "goals", mt_json_goals(e->goals));
    json_object_set_new(root, "goals_met", e->goals->len > 0 ? json_boolean(goals_met(e->goals)) : json_null());
    json_object_set_new(root, "comparison", e->comparison != NULL ? mt_json_comparison(e->comparison, false) : json_null());
    dumped = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
    copy = g_strconcat(dumped, "\n", NULL);
    free(dumped);
    json_decref(root);
    return copy;
}

static bool publish(const char *folder, const char *name, char *text, GError **error)
{
    g_autofree char *owned = text;
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return mt_publish_text(path, owned, true, error);
}

bool mt_place_write(const mt_place_evaluation *e, const char *folder, GError **error)
{
    if (g_mkdir_with_parents(folder, 0755) != 0) {
        mt_publish_io_error(error, "create folder", folder, errno);
        return false;
    }
    return publish(folder, "cases.csv", mt_place_csv(e), error) && publish(folder, "evaluation.html", mt_place_html(e), error) &&
           publish(folder, "evaluation.json", mt_place_json(e), error);
}
