#include "src/export/layout_columns.h"

#include "src/store/schema.h"

#define MAX_COLUMNS 4096

static char *column_name(const char *prefix, char **labels, int64_t k, int64_t n)
{
    if (labels != NULL)
        return g_strdup_printf("%s_%s", prefix, labels[k]);
    return n == 1 ? g_strdup(prefix) : g_strdup_printf("%s_%" G_GINT64_FORMAT, prefix, k);
}

bool mt_layout_columns_read(const mt_layout_source *s, const char *object, const char *prefix, mt_layout_columns *columns, GError **error)
{
    *columns = (mt_layout_columns){0};
    if (!mt_result_has(s->result, object))
        return true;
    columns->values = mt_result_read(s->result, object, error);
    if (columns->values == NULL)
        return false;
    const mt_tensor *v = columns->values;
    if (v->dtype != MT_F32 || v->rank != 2 || v->shape[0] != s->n || v->shape[1] < 1 || v->shape[1] > MAX_COLUMNS)
        return mt_layout_refuse(s, error, "%s does not fit its %" G_GINT64_FORMAT " tiles", object, s->n);
    g_auto(GStrv) labels = mt_result_attr_strings(s->result, object, MT_ATTR_LABELS);
    if (labels != NULL && (int64_t)g_strv_length(labels) != v->shape[1])
        return mt_layout_refuse(s, error, "%s has %u labels for %" G_GINT64_FORMAT " columns", object, g_strv_length(labels), v->shape[1]);
    columns->n = (int)v->shape[1];
    columns->names = g_new0(char *, (gsize)columns->n + 1);
    for (int k = 0; k < columns->n; k++)
        columns->names[k] = column_name(prefix, labels, k, columns->n);
    return true;
}

void mt_layout_columns_clear(mt_layout_columns *columns)
{
    g_strfreev(columns->names);
    g_clear_pointer(&columns->values, mt_tensor_unref);
}
