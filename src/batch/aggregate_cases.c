/* A head over the stored features of many cases: the folder's account as a run keeps it, the work in this process. */
#include "mil/training_list.h"
#include "src/batch/account.h"

#include <string.h>

static void tell(const mt_batch_options *o, mt_batch_event_kind kind, const mt_batch_case *c, int n_done, guint n_cases, int64_t tiles,
                 double seconds, const char *message)
{
    mt_batch_event event = {.kind = kind,
                            .c = c,
                            .cases_done = n_done,
                            .cases_total = (int)n_cases,
                            .tiles_done = tiles,
                            .tiles_total = tiles,
                            .seconds = seconds,
                            .message = message};

    if (o->event != NULL)
        o->event(o->user, &event);
}

static bool fail(mt_account *account, const mt_batch_case *c, const GError *cause, mt_batch_totals *totals, GError **error)
{
    totals->failed++;
    return mt_account_failed(account, c, cause->message, "aggregate", cause->code, 0, 1, NULL, error);
}

/* False stops the batch: our own disk. */
static bool run_case(mt_account *account, const mt_batch_case *c, const mt_scorer *scorer, const mt_batch_options *o,
                     mt_batch_totals *totals, guint n_cases, GError **error)
{
    g_autofree char *target = mt_account_target(account, c);
    g_autoptr(GError) cause = NULL;
    int64_t tiles = 0;
    gint64  start = g_get_monotonic_time();
    int     before = totals->done + totals->skipped + totals->failed;
    bool    there = mt_account_is_done(account, c), same = there && mt_account_same_input(account, c);

    if (same) {
        totals->skipped++;
        mt_account_clear_failed(account, c);
        tell(o, MT_BATCH_SKIPPED, c, before + 1, n_cases, 0, 0, NULL);
        return true;
    }
    tell(o, MT_BATCH_STARTED, c, before, n_cases, 0, 0, NULL);
    if (there)
        g_set_error(&cause, MT_ERROR, MT_ERROR_USAGE,
                    "aggregate %s: the folder holds a finished case '%s' of other features: choose another folder", c->path, c->id);
    g_autofree char *withheld = cause == NULL ? mt_batch_withheld(c->path) : NULL;
    if (withheld != NULL)
        g_set_error(&cause, MT_ERROR, MT_ERROR_INPUT, "aggregate %s: its scores are withheld: %s: scan or run the control case again",
                    c->path, withheld);
    if (cause == NULL && mt_aggregate_case(scorer, c->path, c->id, target, &tiles, &cause)) {
        double seconds = (double)(g_get_monotonic_time() - start) / 1e6;
        totals->done++;
        totals->tiles += tiles;
        mt_account_done(account, c, seconds, NULL);
        tell(o, MT_BATCH_DONE, c, before + 1, n_cases, tiles, seconds, NULL);
        return true;
    }
    tell(o, MT_BATCH_FAILED, c, before + 1, n_cases, 0, 0, cause->message);
    return fail(account, c, cause, totals, error);
}

bool mt_batch_aggregate(GPtrArray *cases, const mt_scorer *scorer, const mt_batch_options *options, mt_batch_totals *totals, GError **error)
{
    mt_account      *account = mt_account_open(options, error);
    g_autofree char *resolved = mt_aggregate_resolved(scorer);

    *totals = (mt_batch_totals){.timings = g_array_new(FALSE, TRUE, sizeof(mt_timings)), .demonstration = scorer->card.demonstration};
    bool ok = account != NULL && mt_account_recipe(account, resolved, false, error) && mt_account_cases(account, cases, error) &&
              mt_training_list_keep(scorer->path, mt_head_sha256(scorer->head), options->out, error);
    for (guint i = 0; ok && i < cases->len && !totals->stopped; i++) {
        ok = run_case(account, cases->pdata[i], scorer, options, totals, cases->len, error);
        mt_account_tick(account);
        totals->stopped = options->stop != NULL && *options->stop && i + 1 < cases->len;
    }
    if (account != NULL)
        mt_account_end(account, totals);
    if (ok)
        totals->summary = mt_account_summary(account, error);
    mt_account_close(account);
    return ok && totals->summary != NULL;
}
