/* A comparison as JSON and CSV, and the transform that it may need. */
#include "src/base/csv.h"
#include "src/base/decimal.h"
#include "src/result/growth.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_TRANSFORM_BYTES 65536

const char *mt_growth_state_name(mt_growth_state state)
{
    static const char *const names[] = {
        [MT_GROWTH_GROWN] = "grown", [MT_GROWTH_SHRUNK] = "shrunk", [MT_GROWTH_STABLE] = "stable", [MT_GROWTH_UNSIZED] = "unsized",
        [MT_GROWTH_NEW] = "new",     [MT_GROWTH_GONE] = "gone",     [MT_GROWTH_MERGED] = "merged", [MT_GROWTH_SPLIT] = "split"};

    return names[state];
}

/* One number of a row, under one name in both files. */
typedef struct number {
    const char *name;
    double      value;
} number;

#define ROW_NUMBERS 13

static void row_numbers(const mt_growth_row *r, number numbers[ROW_NUMBERS])
{
    const mt_finding *f = r->before, *h = r->after;
    const number      all[ROW_NUMBERS] = {{"prior_row", f != NULL ? r->prior : (double)NAN},
                                          {"current_row", h != NULL ? r->current : (double)NAN},
                                          {"distance_mm", r->distance_mm},
                                          {"prior_mm", f != NULL ? f->longest_mm : (double)NAN},
                                          {"current_mm", h != NULL ? h->longest_mm : (double)NAN},
                                          {"change_mm", r->change_mm},
                                          {"change_percent", r->change_percent},
                                          {"prior_mm3", f != NULL ? f->volume_mm3 : (double)NAN},
                                          {"current_mm3", h != NULL ? h->volume_mm3 : (double)NAN},
                                          {"prior_mm2", f != NULL ? f->area_mm2 : (double)NAN},
                                          {"current_mm2", h != NULL ? h->area_mm2 : (double)NAN},
                                          {"extent_percent", r->extent_percent},
                                          {"doubling_days", r->doubling_days}};

    memcpy(numbers, all, sizeof all);
}

static json_t *number_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *row_json(const mt_growth_row *r)
{
    number  numbers[ROW_NUMBERS];
    json_t *object =
        json_pack("{s:s, s:s}", "state", mt_growth_state_name(r->state), "class", (r->after != NULL ? r->after : r->before)->label);

    row_numbers(r, numbers);
    for (int i = 0; i < ROW_NUMBERS; i++)
        json_object_set_new(object, numbers[i].name,
                            i < 2 && isfinite(numbers[i].value) ? json_integer((json_int_t)numbers[i].value)
                                                                : number_json(numbers[i].value));
    json_object_set_new(object, "text", json_string(r->text));
    return object;
}

static json_t *value_json(const mt_growth_value *v)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "name", v->after->name, "unit", v->after->unit, "rule", v->after->rule,
                     "prior", number_json(v->before->value), "current", number_json(v->after->value), "change", number_json(v->change),
                     "change_percent", number_json(v->change_percent), "text", v->text != NULL ? json_string(v->text) : json_null());
}

char *mt_growth_json(const mt_growth *g)
{
    json_t *rows = json_array(), *values = json_array(), *warnings = json_array();

    for (int i = 0; i < g->n_rows; i++)
        json_array_append_new(rows, row_json(&g->rows[i]));
    for (int i = 0; i < g->n_values; i++)
        json_array_append_new(values, value_json(&g->values[i]));
    for (char **warning = g->warnings; *warning != NULL; warning++)
        json_array_append_new(warnings, json_string(*warning));
    json_t *object =
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "prior", g->prior->path, "current", g->current->path, "max_distance_mm",
                  number_json(g->max_distance_mm), "limit_mm", g->limit_mm > 0 ? json_real(g->limit_mm) : json_null(), "days",
                  g->days > 0 ? json_real(g->days) : json_null(), "objects", rows, "measures", values, "warnings", warnings);
    char *text = json_dumps(object, JSON_INDENT(2));
    char *copy = text != NULL ? g_strconcat(text, "\n", NULL) : NULL;

    free(text);
    json_decref(object);
    return copy;
}

static void csv_number(GString *csv, double value)
{
    char digits[MT_DECIMAL_BYTES];

    g_string_append_printf(csv, ",%s", isfinite(value) ? mt_decimal_text(value, digits) : "");
}

/* Objects, then measures: a row each. */
char *mt_growth_csv(const mt_growth *g)
{
    GString *csv = g_string_new("what,state,name");
    number   numbers[ROW_NUMBERS];

    row_numbers(&(const mt_growth_row){.prior = -1}, numbers);
    for (int i = 0; i < ROW_NUMBERS; i++)
        g_string_append_printf(csv, ",%s", numbers[i].name);
    g_string_append(csv, ",prior_value,current_value,change,unit,text\n");
    for (int i = 0; i < g->n_rows; i++) {
        const mt_growth_row *r = &g->rows[i];
        g_string_append_printf(csv, "object,%s", mt_growth_state_name(r->state));
        mt_csv_append_text(csv, (r->after != NULL ? r->after : r->before)->label, false);
        row_numbers(r, numbers);
        for (int k = 0; k < ROW_NUMBERS; k++)
            csv_number(csv, numbers[k].value);
        g_string_append(csv, ",,,,");
        mt_csv_append_text(csv, r->text, false);
        g_string_append_c(csv, '\n');
    }
    for (int i = 0; i < g->n_values; i++) {
        const mt_growth_value *v = &g->values[i];
        g_string_append(csv, "measure,");
        mt_csv_append_text(csv, v->after->name, false);
        for (int k = 0; k < ROW_NUMBERS; k++)
            csv_number(csv, strcmp(numbers[k].name, "change_percent") == 0 ? v->change_percent : (double)NAN);
        csv_number(csv, v->before->value);
        csv_number(csv, v->after->value);
        csv_number(csv, v->change);
        mt_csv_append_text(csv, v->after->unit, false);
        mt_csv_append_text(csv, v->text != NULL ? v->text : "", false);
        g_string_append_c(csv, '\n');
    }
    return g_string_free(csv, FALSE);
}

/* "# comment" to the end of a line becomes white space, commas too. */
static void blank_out(char *text)
{
    bool comment = false;

    for (char *c = text; *c != '\0'; c++) {
        comment = *c == '#' || (comment && *c != '\n');
        if (comment || *c == ',')
            *c = ' ';
    }
}

static const char *read_numbers(const char *text, double m[16])
{
    int n = 0;

    for (;;) {
        char *end;
        while (g_ascii_isspace(*text))
            text++;
        if (*text == '\0')
            break;
        double value = g_ascii_strtod(text, &end);
        if (end == text || !isfinite(value) || n == 16)
            return "16 numbers are wanted";
        m[n++] = value;
        text = end;
    }
    if (n != 16)
        return "16 numbers are wanted";
    if (m[12] != 0 || m[13] != 0 || m[14] != 0 || m[15] != 1)
        return "its last row must be 0 0 0 1";
    double size = m[0] * (m[5] * m[10] - m[6] * m[9]) - m[1] * (m[4] * m[10] - m[6] * m[8]) + m[2] * (m[4] * m[9] - m[5] * m[8]);
    return size > 1e-6 ? NULL : "it mirrors or flattens space, as no registration of a patient does";
}

bool mt_growth_read_transform(const char *path, double transform[16], GError **error)
{
    g_autofree char *text = NULL;
    gsize            bytes = 0;
    g_autoptr(GError) cause = NULL;

    if (!g_file_get_contents(path, &text, &bytes, &cause)) {
        bool missing = g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        g_set_error(error, MT_ERROR, missing ? MT_ERROR_MISSING : MT_ERROR_IO, "read the transform %s: %s", path,
                    missing ? "there is no such file" : cause->message);
        return false;
    }
    const char *wrong = bytes > MOST_TRANSFORM_BYTES || strlen(text) != bytes ? "16 numbers are wanted" : NULL;
    if (wrong == NULL) {
        blank_out(text);
        wrong = read_numbers(text, transform);
    }
    if (wrong != NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read the transform %s: %s", path, wrong);
    return wrong == NULL;
}
