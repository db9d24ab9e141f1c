/* Intervals where patients have several cases: these are not independent, and intervals that take them so are too narrow. */
#include "src/evaluate/delong.h"
#include "src/evaluate/evaluation.h"
#include "src/evaluate/proportion.h"

#include <string.h>

#define LEVEL 0.95

/* Which patient each row of the view is of, 0 ..; NULL: each of another.  Free with g_free. */
static int64_t *patients_of(const mt_view *v, const mt_evaluation *e)
{
    g_autofree int64_t *numbers = g_new(int64_t, v->n + 1);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (int i = 0; i < v->n; i++) {
        const char *patient = ((const mt_subject *)e->subjects->pdata[v->subject[i]])->patient;
        void       *number = g_hash_table_lookup(seen, patient);

        if (number == NULL) {
            number = GINT_TO_POINTER((int)g_hash_table_size(seen) + 1);
            g_hash_table_insert(seen, (gpointer)(uintptr_t)patient, number);
        }
        numbers[i] = GPOINTER_TO_INT(number) - 1;
    }
    return (int)g_hash_table_size(seen) < v->n ? g_steal_pointer(&numbers) : NULL;
}

static mt_metric *metric_of(mt_view *v, const char *name)
{
    guint i = 0;

    while (strcmp(g_array_index(v->metrics, mt_metric, i).name, name) != 0)
        i++;
    return &g_array_index(v->metrics, mt_metric, i);
}

/* A share counts hits among the rows whose truth (or call) is `of`; of -1 all rows. */
typedef struct share {
    const char *name;
    bool        among_called; /* rows are chosen by the call, not by the truth */
    int         of;
} share;

static bool is_hit(const mt_view *v, int i, const share *s)
{
    if (strcmp(s->name, "prevalence") == 0)
        return v->truth[i] == 1;
    return v->called[i] == v->truth[i];
}

static bool widen_share(mt_view *v, const int64_t *patients, const share *s, int *hit, int64_t *patient, GError **error)
{
    int64_t     n = 0;
    mt_estimate estimate;

    for (int i = 0; i < v->n; i++) {
        if (s->of >= 0 && (s->among_called ? v->called[i] : v->truth[i]) != s->of)
            continue;
        hit[n] = is_hit(v, i, s);
        patient[n++] = patients[i];
    }
    if (!mt_proportion_patients(hit, patient, n, LEVEL, &estimate, error))
        return false;
    metric_of(v, s->name)->estimate = estimate;
    return true;
}

bool mt_view_widen(mt_view *v, const mt_evaluation *e, GError **error)
{
    static const share  shares[] = {{"sensitivity", false, 1}, {"specificity", false, 0}, {"ppv", true, 1},
                                    {"npv", true, 0},          {"accuracy", false, -1},   {"prevalence", false, -1}};
    g_autofree int64_t *patients = patients_of(v, e), *room = g_new(int64_t, v->n + 1);
    g_autofree int     *hit = g_new(int, v->n + 1);

    if (patients == NULL)
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(shares); i++) {
        if (!widen_share(v, patients, &shares[i], hit, room, error))
            return false;
    }
    return mt_roc_delong_patients(v->scores, v->truth, patients, v->n, LEVEL, MT_ROC_WALD, &metric_of(v, "auroc")->estimate, error);
}
