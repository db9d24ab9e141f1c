#include "src/evaluate/case_draws.h"

#include "src/base/alloc.h"

#define LEVEL 0.95

/* Each draw is measured once, for all numbers; the passes for the others read what the first one kept, in the same order of draws. */
typedef struct memory {
    const mt_case_draws *draws;
    mt_estimate         *kept; /* (rounds + 1) x n_numbers */
    int64_t             *times;
    int                  number, draw;
} memory;

static bool one_number(const int64_t *rows, int64_t n, const void *data, mt_estimate *estimate, GError **error)
{
    memory              *m = (memory *)(uintptr_t)data;
    const mt_case_draws *d = m->draws;
    mt_estimate         *numbers = m->kept + (gsize)m->draw * (gsize)d->n_numbers;

    (void)error;
    if (m->number == 0) {
        for (int64_t i = 0; i < d->n_cases; i++)
            m->times[i] = 0;
        for (int64_t i = 0; i < n; i++)
            m->times[rows[i]]++;
        d->measure(d->cohort, m->times, numbers);
    }
    m->draw++;
    *estimate = numbers[m->number];
    return true;
}

/* Which patient each case is of, 0 ..; how many there are. */
static int number_patients(const mt_case_draws *d, int64_t *numbers)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (int64_t i = 0; i < d->n_cases; i++) {
        void *number = g_hash_table_lookup(seen, d->patients[i]);
        if (number == NULL) {
            number = GINT_TO_POINTER((int)g_hash_table_size(seen) + 1);
            g_hash_table_insert(seen, (gpointer)(uintptr_t)d->patients[i], number);
        }
        numbers[i] = GPOINTER_TO_INT(number) - 1;
    }
    return (int)g_hash_table_size(seen);
}

int mt_case_draws_patients(const mt_case_draws *draws)
{
    g_autofree int64_t *numbers = g_new(int64_t, draws->n_cases + 1);

    return number_patients(draws, numbers);
}

static bool draw_all(memory *m, const int64_t *patients, mt_estimate *numbers, GError **error)
{
    const mt_case_draws      *d = m->draws;
    const mt_bootstrap_params params = {
        .resamples = d->rounds, .seed = d->seed, .level = LEVEL, .interval = MT_BOOTSTRAP_PERCENTILE, .cluster = patients};

    for (m->number = 0; m->number < d->n_numbers; m->number++) {
        mt_bootstrap_result result;
        m->draw = 0;
        if (!mt_bootstrap(d->n_cases, one_number, m, &params, &result, error))
            return false;
        numbers[m->number] = result.estimate;
    }
    return true;
}

bool mt_case_draws_measure(const mt_case_draws *draws, mt_estimate *numbers, GError **error)
{
    g_autofree int64_t *patients = g_new(int64_t, draws->n_cases + 1), *times = g_new(int64_t, draws->n_cases + 1);
    memory              m = {.draws = draws, .times = times};
    bool                ok;

    if (number_patients(draws, patients) < 2) {
        for (int64_t i = 0; i < draws->n_cases; i++)
            times[i] = 1;
        draws->measure(draws->cohort, times, numbers);
        return true;
    }
    m.kept = mt_alloc(((int64_t)draws->rounds + 1) * draws->n_numbers, sizeof *m.kept, error);
    ok = m.kept != NULL && draw_all(&m, patients, numbers, error);
    mt_free(m.kept);
    return ok;
}
