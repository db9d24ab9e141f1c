#include "src/batch/case_order.h"

static int before(bool a, bool b)
{
    return (int)b - (int)a;
}

static gint64 due_of(const mt_batch_case *c)
{
    return c->due_us != 0 ? c->due_us : G_MAXINT64;
}

int mt_case_order_compare(const mt_batch_case *a, const mt_batch_case *b)
{
    int order = before(a->control != NULL, b->control != NULL);

    if (order == 0)
        order = before(a->priority >= MT_BATCH_URGENT, b->priority >= MT_BATCH_URGENT);
    if (order == 0)
        order = (due_of(a) > due_of(b)) - (due_of(a) < due_of(b));
    if (order == 0)
        order = (a->priority < b->priority) - (a->priority > b->priority);
    return order != 0 ? order : (a->position > b->position) - (a->position < b->position);
}

int mt_case_order_queue(gconstpointer a, gconstpointer b, gpointer unused)
{
    (void)unused;
    return mt_case_order_compare(a, b);
}
