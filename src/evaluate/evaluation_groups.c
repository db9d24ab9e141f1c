/* Subgroups: the same numbers for each value, or each band of values, of a column. */
#include "src/evaluate/equalised_odds.h"
#include "src/evaluate/evaluation.h"

#include <math.h>
#include <string.h>

#define LEVEL 0.95
#define MAX_GROUPS 100
#define MAX_BANDS 32

typedef struct bands {
    int    n; /* edges; 0: values are names */
    double edges[MAX_BANDS];
} bands;

static void free_group(void *pointer)
{
    mt_group *group = pointer;

    g_free(group->name);
    g_free(group);
}

/* "age:40,60,80" into its column and edges. */
static bool parse_by(const char *by, char **column, bands *b, GError **error)
{
    const char *colon = strrchr(by, ':');
    g_auto(GStrv) edges = colon != NULL ? g_strsplit(colon + 1, ",", -1) : NULL;
    bool ok = true;

    *column = colon != NULL ? g_strndup(by, (gsize)(colon - by)) : g_strdup(by);
    for (int i = 0; ok && edges != NULL && edges[i] != NULL; i++) {
        char *end = NULL;
        ok = i < MAX_BANDS;
        if (!ok)
            break;
        b->edges[i] = g_ascii_strtod(edges[i], &end);
        ok = end != edges[i] && *end == '\0' && isfinite(b->edges[i]) && (i == 0 || b->edges[i] > b->edges[i - 1]);
        b->n = i + 1;
    }
    if (ok && **column != '\0' && (colon == NULL || b->n > 0))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--by %s: a column, or a column with ascending edges as age:40,60,80 is wanted", by);
    return false;
}

static bool whole(double value)
{
    return value == floor(value) && fabs(value) < 1e9;
}

/* "under 40", "40-59" (edges that are whole numbers), "40 to 60.5", "80 and over". */
static char *band_name(const bands *b, int band)
{
    char low[G_ASCII_DTOSTR_BUF_SIZE], high[G_ASCII_DTOSTR_BUF_SIZE];
    bool years = band > 0 && band < b->n && whole(b->edges[band - 1]) && whole(b->edges[band]);

    if (band > 0)
        g_ascii_formatd(low, sizeof low, "%.10g", b->edges[band - 1]);
    if (band < b->n)
        g_ascii_formatd(high, sizeof high, "%.10g", years ? b->edges[band] - 1 : b->edges[band]);
    if (band == 0)
        return g_strdup_printf("under %s", high);
    if (band == b->n)
        return g_strdup_printf("%s and over", low);
    return g_strdup_printf(years ? "%s-%s" : "%s to %s", low, high);
}

/* The band of a cell; -1 and the error for what is no number. */
static int band_of(const mt_evaluation *e, const bands *b, const char *column, guint row, const char *cell, GError **error)
{
    char  *end = NULL;
    double value = g_ascii_strtod(cell, &end);
    int    band = 0;

    if (end == cell || *end != '\0' || !isfinite(value)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "--by %s: '%s' in line %u of %s is no number: leave it empty if it is not known",
                    column, cell, mt_labels_line(e->labels, row), e->labels_path);
        return -1;
    }
    while (band < b->n && value >= b->edges[band])
        band++;
    return band;
}

typedef struct member_list {
    char      *name;
    int        order; /* of bands */
    GPtrArray *subjects;
} member_list;

static void free_list(void *pointer)
{
    member_list *list = pointer;

    g_free(list->name);
    g_ptr_array_unref(list->subjects);
    g_free(list);
}

static gint compare_lists(gconstpointer a, gconstpointer b)
{
    const member_list *first = *(const member_list *const *)a, *second = *(const member_list *const *)b;

    return first->order != second->order ? first->order - second->order : strcmp(first->name, second->name);
}

static void put_into(GPtrArray *lists, const char *name, int order, void *subject)
{
    member_list *list = NULL;

    for (guint i = 0; i < lists->len && list == NULL; i++)
        if (strcmp(((member_list *)lists->pdata[i])->name, name) == 0)
            list = lists->pdata[i];
    if (list == NULL) {
        list = g_new0(member_list, 1);
        list->name = g_strdup(name);
        list->order = order;
        list->subjects = g_ptr_array_new();
        g_ptr_array_add(lists, list);
    }
    g_ptr_array_add(list->subjects, subject);
}

static GPtrArray *divide(const mt_evaluation *e, mt_grouping *g, const bands *b, GError **error)
{
    int column = mt_labels_column(e->labels, g->column);
    g_autoptr(GPtrArray) lists = g_ptr_array_new_with_free_func(free_list);

    if (column < 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--by %s: %s has no column of that name", g->column, e->labels_path);
        return NULL;
    }
    for (guint i = 0; i < e->subjects->len; i++) {
        mt_subject *s = e->subjects->pdata[i];
        const char *cell = mt_labels_cell(e->labels, s->row, column);
        int         band = 0;
        if (*cell == '\0') {
            g->n_unknown++;
            continue;
        }
        if (b->n > 0 && (band = band_of(e, b, g->column, s->row, cell, error)) < 0)
            return NULL;
        g_autofree char *name = b->n > 0 ? band_name(b, band) : g_strdup(cell);
        put_into(lists, name, band, s);
        if (lists->len > MAX_GROUPS) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--by %s: more than %d values: give bands, as %s:40,60,80", g->column, MAX_GROUPS,
                        g->column);
            return NULL;
        }
    }
    g_ptr_array_sort(lists, compare_lists);
    return g_steal_pointer(&lists);
}

static void choose_metrics(const mt_evaluation *e, mt_grouping *g)
{
    static const char *const names[][MT_GROUP_METRICS] = {
        [MT_TASK_BINARY] = {"sensitivity", "specificity", "auroc"},
        [MT_TASK_MULTICLASS] = {"accuracy", "balanced_accuracy", "macro_auroc"},
        [MT_TASK_MULTILABEL] = {"macro_sensitivity", "macro_specificity", "macro_auroc"},
        [MT_TASK_ORDINAL] = {"accuracy", "quadratic_kappa", "macro_auroc"},
        [MT_TASK_HAZARD] = {"c_index"},
        [MT_TASK_COX] = {"c_index"},
    };

    memcpy(g->metrics, names[e->task], sizeof g->metrics);
}

static bool measure_group(const mt_evaluation *e, mt_grouping *g, const member_list *list, mt_confusion *counts, GError **error)
{
    g_autoptr(mt_evaluation) sub = mt_evaluation_of(e, list->subjects, error);
    mt_group *group = g_new0(mt_group, 1);

    g_ptr_array_add(g->groups, group);
    group->name = g_strdup(list->name);
    group->n = (int)list->subjects->len;
    if (sub == NULL || !mt_evaluation_cluster(sub, error))
        return false;
    if (e->task == MT_TASK_BINARY) {
        const mt_view *v = sub->views->pdata[0];
        group->n_positive = v->n_positive;
        *counts = (mt_confusion){.tp = v->tp, .fp = v->fp, .tn = v->tn, .fn = v->fn};
    }
    for (int k = 0; k < MT_GROUP_METRICS && g->metrics[k] != NULL; k++)
        group->estimates[k] = mt_metrics_find(sub->metrics, g->metrics[k])->estimate;
    return true;
}

static void name_pair(const mt_grouping *g, const mt_group_gap *gap, const char *pair[2])
{
    pair[0] = gap->highest >= 0 ? ((const mt_group *)g->groups->pdata[gap->highest])->name : NULL;
    pair[1] = gap->lowest >= 0 ? ((const mt_group *)g->groups->pdata[gap->lowest])->name : NULL;
}

/* Over patients where they have several cases; at a level for the choice among the groups that have such cases. */
static bool widen_gap(const mt_evaluation *e, const GPtrArray *lists, const mt_confusion *counts, int truth, mt_group_gap *gap,
                      GError **error)
{
    g_autoptr(GHashTable) of = g_hash_table_new(NULL, NULL);
    g_autofree int *group = g_new(int, e->subjects->len + 1);
    int             n_groups = 0;

    for (guint k = 0; k < lists->len; k++) {
        const GPtrArray *subjects = ((const member_list *)lists->pdata[k])->subjects;
        n_groups += truth == 1 ? counts[k].tp + counts[k].fn > 0 : counts[k].fp + counts[k].tn > 0;
        for (guint i = 0; i < subjects->len; i++)
            g_hash_table_insert(of, subjects->pdata[i], GINT_TO_POINTER((int)k + 1));
    }
    for (guint i = 0; i < e->subjects->len; i++)
        group[i] = GPOINTER_TO_INT(g_hash_table_lookup(of, e->subjects->pdata[i])) - 1;
    return mt_evaluation_gap(e, group, truth, gap->highest, gap->lowest, n_groups, &gap->gap, error);
}

bool mt_evaluation_group(mt_evaluation *e, const char *by, GError **error)
{
    bands        b = {0};
    mt_grouping *g = g_new0(mt_grouping, 1);

    g->groups = g_ptr_array_new_with_free_func(free_group);
    g_ptr_array_add(e->groupings, g);
    if (!parse_by(by, &g->column, &b, error))
        return false;
    g_autoptr(GPtrArray) lists = divide(e, g, &b, error);
    if (lists == NULL)
        return false;
    choose_metrics(e, g);
    g_autofree mt_confusion *counts = g_new0(mt_confusion, lists->len + 1);
    for (guint i = 0; i < lists->len; i++)
        if (!measure_group(e, g, lists->pdata[i], &counts[i], error))
            return false;
    if (e->task != MT_TASK_BINARY || lists->len == 0)
        return true;
    mt_equalised_odds odds;
    if (!mt_equalised_odds_measure(counts, (int)lists->len, LEVEL, &odds, error))
        return false;
    if (!widen_gap(e, lists, counts, 1, &odds.sensitivity, error) || !widen_gap(e, lists, counts, 0, &odds.false_positive_rate, error))
        return false;
    g->tpr_gap = odds.sensitivity.gap;
    g->fpr_gap = odds.false_positive_rate.gap;
    g->odds = g->tpr_gap.defined && g->fpr_gap.defined ? g->tpr_gap.value >= g->fpr_gap.value ? g->tpr_gap : g->fpr_gap : odds.difference;
    name_pair(g, &odds.sensitivity, g->tpr_pair);
    name_pair(g, &odds.false_positive_rate, g->fpr_pair);
    return true;
}
