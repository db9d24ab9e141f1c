/* What a session tells about its steps: which implementations were chosen, why, and what they took. */
#include "kernels/graph/session_private.h"
#include "kernels/graph/work.h"

#include <string.h>

#if MT_HAVE_ONEDNN
#include "kernels/onednn/peak.h"
#endif

void mt_session_decline(mt_session *session, const mt_node *node, const char *reason)
{
    g_hash_table_insert(session->declined, (gpointer)node, (gpointer)reason);
}

/* Steps that bring an operand into another layout bear the name of its value. */
static bool does_node(const mt_step *step)
{
    return step->node != NULL && strcmp(step->name, step->node->name) == 0;
}

/* Of the steps of one node the first is the primitive; the others are what could not be fused into it. */
void mt_session_note_work(mt_session *session)
{
    const mt_node *last = NULL;

    for (guint i = 0; i < session->steps->len; i++) {
        mt_step *step = session->steps->pdata[i];

        if (!does_node(step))
            continue;
        step->flop = step->node == last ? 0 : mt_node_flop(step->node);
        last = step->node;
        if (strcmp(step->implementation, "reference") == 0)
            step->reason = g_hash_table_lookup(session->declined, step->node);
        else if (g_str_has_prefix(step->implementation, "ref"))
            step->reason = "the library has nothing faster for these types and shapes";
    }
}

int mt_session_n_steps(const mt_session *session)
{
    return (int)session->steps->len;
}

bool mt_session_step_info(const mt_session *session, int i, mt_step_info *info)
{
    const mt_step *step = i >= 0 && i < (int)session->steps->len ? session->steps->pdata[i] : NULL;

    if (step == NULL)
        return false;
    *info = (mt_step_info){.node = step->name,
                           .op = does_node(step) ? step->node->op : "reorder",
                           .implementation = step->implementation,
                           .reason = step->reason,
                           .seconds = step->seconds,
                           .flop = step->flop};
    return true;
}

char *mt_session_profile(const mt_session *session)
{
    GString *table;

    if (!session->profile)
        return NULL;
    table = g_string_new(NULL);
    for (guint i = 0; i < session->steps->len; i++) {
        const mt_step *step = session->steps->pdata[i];
        g_string_append_printf(table, "%.6f\t%s\t%s\n", step->seconds, step->implementation, step->name);
    }
    return g_string_free(table, FALSE);
}

double mt_engine_peak_gflops(mt_precision precision, int threads, double seconds)
{
#if MT_HAVE_ONEDNN
    return mt_onednn_peak_gflops(precision, threads, seconds);
#else
    (void)precision, (void)threads, (void)seconds;
    return 0;
#endif
}
