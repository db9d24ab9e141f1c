#include "src/export/summary_csv.h"

#include "src/base/csv.h"
#include "src/base/publish.h"
#include "src/result/headline.h"
#include "src/result/withheld.h"

#include <math.h>
#include <string.h>

static void append_number(GString *line, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_c(line, ',');
    if (isfinite(value))
        g_string_append(line, g_ascii_formatd(text, sizeof text, "%.15g", value));
}

static void append_text(GString *line, const char *text)
{
    mt_csv_append_text(line, text != NULL ? text : "", false);
}

/* The labels of all cases, in order of appearance. */
static GPtrArray *collect_labels(mt_headline *const *headlines, int n)
{
    GPtrArray *labels = g_ptr_array_new();
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (int i = 0; i < n; i++)
        for (int k = 0; headlines[i] != NULL && k < headlines[i]->n_scores; k++)
            if (g_hash_table_add(seen, headlines[i]->labels[k]))
                g_ptr_array_add(labels, headlines[i]->labels[k]);
    return labels;
}

#define BEFORE_LABELS "id,patient,status,decision,score,threshold"
#define BEHIND_LABELS "tiles,invalid_tiles,tissue_mm2,mpp_x,mpp_y,mpp_source,encoder,head,precision,seconds,error"

static bool is_taken(const char *name)
{
    g_autofree char *member = g_strdup_printf(",%s,", name);

    return strstr("," BEFORE_LABELS "," BEHIND_LABELS ",", member) != NULL || g_str_has_prefix(name, "score_");
}

static void append_header(GString *table, const GPtrArray *labels, const char *const *columns)
{
    g_string_append(table, BEFORE_LABELS);
    for (guint i = 0; i < labels->len; i++) {
        g_autofree char *name = g_strconcat("score_", labels->pdata[i], NULL);
        append_text(table, name);
    }
    g_string_append(table, "," BEHIND_LABELS);
    for (; columns != NULL && *columns != NULL; columns++) {
        g_autofree char *name = g_strconcat(is_taken(*columns) ? "manifest_" : "", *columns, NULL);
        append_text(table, name);
    }
    g_string_append_c(table, '\n');
}

static double score_of(const mt_headline *headline, const char *label)
{
    for (int i = 0; i < headline->n_scores; i++)
        if (strcmp(headline->labels[i], label) == 0)
            return headline->scores[i];
    return NAN;
}

static void append_failed(GString *table, const mt_summary_row *row, const GPtrArray *labels)
{
    mt_csv_append_text(table, row->id != NULL ? row->id : "", true);
    append_text(table, row->patient);
    append_text(table, row->state != NULL ? row->state : "failed");
    g_string_append(table, ",none,,");
    for (guint i = 0; i < labels->len + 9; i++) /* tiles to precision */
        g_string_append_c(table, ',');
}

static void append_case(GString *table, const mt_summary_row *row, const mt_headline *headline, const GPtrArray *labels)
{
    g_autofree char *marked = g_strconcat(headline->encoder != NULL ? headline->encoder : "", " (DEMONSTRATION)", NULL);

    mt_csv_append_text(table, headline->id != NULL ? headline->id : "", true);
    append_text(table, row->patient);
    append_text(table, headline->status);
    append_text(table, headline->decision);
    append_number(table, headline->score);
    append_number(table, headline->threshold);
    for (guint i = 0; i < labels->len; i++)
        append_number(table, score_of(headline, labels->pdata[i]));
    append_number(table, (double)headline->tiles);
    append_number(table, (double)headline->invalid_tiles);
    append_number(table, headline->tissue_mm2);
    append_number(table, headline->mpp_x);
    append_number(table, headline->mpp_y);
    append_text(table, headline->mpp_source);
    append_text(table, headline->demonstration ? marked : headline->encoder);
    append_text(table, headline->head);
    append_text(table, headline->precision);
}

/* A case that is as it should be has no error; why it was decided so stands in its result. */
static const char *told_reason(const mt_headline *headline)
{
    return g_strcmp0(headline->status, "ok") != 0 ? headline->reason : NULL;
}

static void append_run(GString *table, const mt_summary_row *row, const mt_headline *headline, const char *const *columns)
{
    char seconds[G_ASCII_DTOSTR_BUF_SIZE] = "";

    if (row->seconds >= 0)
        g_ascii_formatd(seconds, sizeof seconds, "%.2f", row->seconds);
    append_text(table, seconds);
    append_text(table, row->error != NULL || headline == NULL ? row->error : told_reason(headline));
    for (int i = 0; columns != NULL && columns[i] != NULL; i++)
        append_text(table, row->columns != NULL ? row->columns[i] : NULL);
    g_string_append_c(table, '\n');
}

static void free_headline(void *headline)
{
    mt_headline_free(headline);
}

bool mt_summary_csv_write(const char *path, const mt_summary_row *rows, int n, const char *const *columns, GError **error)
{
    g_autoptr(GPtrArray) headlines = g_ptr_array_new_with_free_func(free_headline);
    g_autoptr(GString) table = g_string_new(NULL);

    for (int i = 0; i < n; i++) {
        mt_headline *headline = rows[i].headline != NULL ? mt_headline_parse(rows[i].headline, rows[i].id, error) : NULL;
        if (rows[i].headline != NULL && headline == NULL)
            return false;
        if (headline != NULL && rows[i].withheld != NULL)
            mt_headline_withhold(headline, rows[i].withheld);
        g_ptr_array_add(headlines, headline);
    }
    g_autoptr(GPtrArray) labels = collect_labels((mt_headline *const *)headlines->pdata, n);
    append_header(table, labels, columns);
    for (int i = 0; i < n; i++) {
        if (headlines->pdata[i] != NULL)
            append_case(table, &rows[i], headlines->pdata[i], labels);
        else
            append_failed(table, &rows[i], labels);
        append_run(table, &rows[i], headlines->pdata[i], columns);
    }
    return mt_publish_text(path, table->str, true, error);
}
