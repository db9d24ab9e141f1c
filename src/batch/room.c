/* Whether the results still to come have room, by what those of this folder have taken so far. */
#include "src/batch/supervisor_private.h"

#include "src/base/publish.h"

#include <sys/stat.h>

void mt_supervisor_learn_size(mt_supervisor *s, const mt_batch_case *c)
{
    g_autofree char *result = mt_account_target(s->account, c);
    struct stat      status;

    if (stat(result, &status) != 0)
        return;
    s->result_bytes += (double)status.st_size;
    s->n_results++;
}

void mt_supervisor_look_at_room(mt_supervisor *s)
{
    g_autofree char *any = g_build_filename(s->o->out, "cases", "any", NULL);
    int              left = s->n_cases - s->totals->done - s->totals->skipped - s->totals->failed;
    double           each = s->n_results > 0 ? s->result_bytes / s->n_results : 0, room = (double)mt_publish_room(any);
    bool             tight = room >= 0 && each * left > room;

    if (tight && !s->told_room) {
        g_autofree char *message = g_strdup_printf(
            "%s has %.1f GB left, and the results of %d cases will need about %.1f GB (%.1f MB each so far): make room, or the batch ends "
            "with exit code 74 when it is full (microtome prune makes finished results smaller)",
            s->o->out, room / 1e9, left, each * left / 1e9, each / 1e6);
        mt_account_log(s->account, json_pack("{s:s s:f s:f}", "event", "room", "free", room, "needed", each * left));
        mt_supervisor_tell(s, MT_BATCH_WARNED, NULL, NULL, message);
    }
    s->told_room = tight; /* told again when it had been enough meanwhile */
}
