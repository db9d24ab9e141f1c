#include "src/export/heat_columns.h"

#include "src/base/alloc.h"
#include "src/store/schema.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

typedef struct part {
    const char *object, *prefix;
    mt_tensor  *table;
    char      **labels;
} part;

static bool read_part(part *p, const mt_heatmap *heatmap, const mt_result *result, GError **error)
{
    if (!mt_result_has(result, p->object))
        return true;
    p->table = mt_result_read(result, p->object, error);
    if (p->table == NULL)
        return false;
    if (p->table->dtype != MT_F32 || p->table->rank != 2 || p->table->shape[0] != heatmap->n_tiles) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "write the tiles of %s: %s does not have the rows of its tiles",
                    mt_result_path(result), p->object);
        return false;
    }
    p->labels = mt_result_attr_strings(result, p->object, MT_ATTR_LABELS);
    return true;
}

static void name(mt_heat_columns *columns, const part *p)
{
    bool known = p->labels != NULL && p->table != NULL && g_strv_length(p->labels) == (guint)p->table->shape[1];

    for (int64_t k = 0; p->table != NULL && k < p->table->shape[1]; k++)
        columns->names[columns->n++] = known                     ? g_strdup_printf("%s_%s", p->prefix, p->labels[k])
                                       : p->table->shape[1] == 1 ? g_strdup(p->prefix)
                                                                 : g_strdup_printf("%s_%d", p->prefix, (int)k);
}

static void copy(mt_heat_columns *columns, const mt_heatmap *heatmap, const part *p, int first)
{
    for (int64_t i = 0; p->table != NULL && i < heatmap->n_tiles; i++)
        for (int64_t k = 0; k < p->table->shape[1]; k++)
            columns->values[i * columns->n + first + k] =
                isnan(heatmap->tile_values[i]) ? NAN : (double)((const float *)p->table->data)[i * p->table->shape[1] + k];
}

mt_heat_columns *mt_heat_columns_new(const mt_heatmap *heatmap, const mt_result *result, GError **error)
{
    part parts[] = {{.object = MT_OBJECT_ATTENTION, .prefix = "attention"}, {.object = MT_OBJECT_TILE_SCORES, .prefix = "score"}};
    g_autoptr(mt_heat_columns) columns = g_new0(mt_heat_columns, 1);
    int64_t n = 0;
    bool    ok = true;

    for (size_t i = 0; ok && i < G_N_ELEMENTS(parts) && heatmap->n_tiles > 0; i++) {
        ok = read_part(&parts[i], heatmap, result, error);
        n += parts[i].table != NULL ? parts[i].table->shape[1] : 0;
    }
    columns->names = g_new0(char *, n + 1);
    columns->values = ok ? mt_alloc(heatmap->n_tiles * n + 1, sizeof(double), error) : NULL;
    ok = columns->values != NULL;
    for (size_t i = 0; ok && i < G_N_ELEMENTS(parts); i++)
        name(columns, &parts[i]);
    for (size_t i = 0, first = 0; ok && i < G_N_ELEMENTS(parts); i++) {
        copy(columns, heatmap, &parts[i], (int)first);
        first += parts[i].table != NULL ? (size_t)parts[i].table->shape[1] : 0;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_clear_pointer(&parts[i].table, mt_tensor_unref);
        g_strfreev(parts[i].labels);
    }
    return ok ? g_steal_pointer(&columns) : NULL;
}

void mt_heat_columns_free(mt_heat_columns *columns)
{
    if (columns == NULL)
        return;
    g_strfreev(columns->names);
    mt_free(columns->values);
    g_free(columns);
}

void mt_heat_put_number(FILE *out, double value, const char *none)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (!isfinite(value)) {
        fputs(none, out);
        return;
    }
    for (int digits = 7; digits <= 9; digits++) {
        char format[] = "%.7g";
        format[2] = (char)('0' + digits);
        g_ascii_formatd(text, sizeof text, format, value);
        if ((float)g_ascii_strtod(text, NULL) == (float)value)
            break;
    }
    fputs(text, out);
}

void mt_heat_put_string(FILE *out, const char *text)
{
    json_t *string = json_string(text);

    json_dumpf(string != NULL ? string : json_null(), out, JSON_ENCODE_ANY);
    json_decref(string);
}
