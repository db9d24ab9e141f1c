/* Findings of a case as JSON and as rows of a CSV. */
#include "src/base/csv.h"
#include "src/base/decimal.h"
#include "src/result/finding_sentence.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

typedef struct column {
    const char *name;
    size_t      offset;
} column;

static const column NUMBERS[] = {
    {"score", offsetof(mt_finding, score)},           {"finding_score", offsetof(mt_finding, finding_score)},
    {"longest_mm", offsetof(mt_finding, longest_mm)}, {"perpendicular_mm", offsetof(mt_finding, perpendicular_mm)},
    {"area_mm2", offsetof(mt_finding, area_mm2)},     {"volume_mm3", offsetof(mt_finding, volume_mm3)},
    {"x_mm", offsetof(mt_finding, centre_mm[0])},     {"y_mm", offsetof(mt_finding, centre_mm[1])},
    {"z_mm", offsetof(mt_finding, centre_mm[2])},     {"x", offsetof(mt_finding, centre[0])},
    {"y", offsetof(mt_finding, centre[1])},           {"plane", offsetof(mt_finding, centre[2])}};

static double number_of(const mt_finding *f, size_t k)
{
    return *(const double *)(const void *)((const char *)f + NUMBERS[k].offset);
}

static json_t *number_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *text_json(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *finding_json(const mt_finding *f, mt_language language)
{
    g_autofree char *text = mt_finding_sentence(f, language);
    json_t *object = json_pack("{s:s, s:s, s:s, s:i, s:o, s:o}", "text", text, "class", f->label, "kind", f->boxed ? "box" : "mask",
                               "stage", f->stage, "location", text_json(f->location), "finding", text_json(f->finding));
    json_t *box = json_array();

    for (size_t k = 0; k < G_N_ELEMENTS(NUMBERS); k++)
        json_object_set_new(object, NUMBERS[k].name, number_json(number_of(f, k)));
    for (int d = 0; d < 6; d++)
        json_array_append_new(box, json_integer(f->box[d]));
    json_object_set_new(object, "box", box);
    return object;
}

static json_t *value_json(const mt_finding_value *v, mt_language language)
{
    g_autofree char *text = mt_value_sentence(v, language);

    return json_pack("{s:o, s:s, s:o, s:s, s:o, s:o, s:s}", "text", text_json(text), "name", v->name, "value", number_json(v->value),
                     "unit", v->unit, "low", number_json(v->low), "high", number_json(v->high), "rule", v->rule);
}

char *mt_finding_list_json(const mt_finding_list *list, const char *id, const char *name)
{
    mt_language language = mt_language_of(name);
    json_t     *findings = json_array(), *values = json_array(), *actions = json_array();

    for (int i = 0; i < list->n_findings; i++)
        json_array_append_new(findings, finding_json(&list->findings[i], language));
    for (int i = 0; i < list->n_values; i++)
        json_array_append_new(values, value_json(&list->values[i], language));
    for (char **action = list->actions; *action != NULL; action++)
        json_array_append_new(actions, json_string(*action));
    json_t *object = json_pack("{s:s, s:o, s:o, s:o}", "id", id, "findings", findings, "measures", values, "actions", actions);
    char   *text = object != NULL ? json_dumps(object, JSON_INDENT(1)) : NULL, *copy = g_strdup(text != NULL ? text : "{}");

    free(text);
    json_decref(object);
    return copy;
}

const char *mt_finding_csv_header(void)
{
    return "id,what,name,text,finding,location,score,finding_score,longest_mm,perpendicular_mm,area_mm2,volume_mm3,x_mm,y_mm,z_mm,x,y,"
           "plane,value,"
           "unit,low,high\n";
}

static void put_number(GString *csv, double value)
{
    char digits[MT_DECIMAL_BYTES];

    g_string_append_printf(csv, ",%s", isfinite(value) ? mt_decimal_text(value, digits) : "");
}

static void put_head(GString *csv, const char *id, const char *what, const char *name, const char *text)
{
    mt_csv_append_text(csv, id, true);
    g_string_append_printf(csv, ",%s", what);
    mt_csv_append_text(csv, name, false);
    mt_csv_append_text(csv, text != NULL ? text : "", false);
}

static void put_finding(GString *csv, const char *id, const mt_finding *f, mt_language language)
{
    g_autofree char *text = mt_finding_sentence(f, language);

    put_head(csv, id, "object", f->label, text);
    mt_csv_append_text(csv, f->finding != NULL ? f->finding : "", false);
    mt_csv_append_text(csv, f->location != NULL ? f->location : "", false);
    for (size_t k = 0; k < G_N_ELEMENTS(NUMBERS); k++)
        put_number(csv, number_of(f, k));
    g_string_append(csv, ",,,,\n");
}

static void put_value(GString *csv, const char *id, const mt_finding_value *v, mt_language language)
{
    g_autofree char *text = mt_value_sentence(v, language);

    put_head(csv, id, "measure", v->name, text);
    g_string_append(csv, ",,");
    for (size_t k = 0; k < G_N_ELEMENTS(NUMBERS); k++)
        put_number(csv, NAN);
    put_number(csv, v->value);
    mt_csv_append_text(csv, v->unit, false);
    put_number(csv, v->low);
    put_number(csv, v->high);
    g_string_append_c(csv, '\n');
}

char *mt_finding_list_csv(const mt_finding_list *list, const char *id, const char *name)
{
    mt_language language = mt_language_of(name);
    GString    *csv = g_string_new(NULL);

    for (int i = 0; i < list->n_findings; i++)
        put_finding(csv, id, &list->findings[i], language);
    for (int i = 0; i < list->n_values; i++)
        put_value(csv, id, &list->values[i], language);
    for (char **action = list->actions; *action != NULL; action++) {
        g_auto(GStrv) parts = g_strsplit(*action, ": ", 2);
        put_head(csv, id, "action", parts[0], parts[1] != NULL ? parts[1] : "");
        g_string_append(csv, ",,,,,,,,,,,,,,,,,,\n");
    }
    return g_string_free(csv, FALSE);
}
