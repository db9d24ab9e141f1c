/* Which case comes first. */
#ifndef MT_CASE_ORDER_H
#define MT_CASE_ORDER_H

#include <microtome/batch.h>

/* Control cases, then urgent ones; then what is due earlier (what is due at no time comes last), then the higher priority, then the order
 * in which they were given.  < 0: `a` before `b`; 0 for equal positions alone, so a sort need not be stable. */
int mt_case_order_compare(const mt_batch_case *a, const mt_batch_case *b);
/* The same as a GCompareDataFunc, for g_queue_sort() and g_queue_insert_sorted(). */
int mt_case_order_queue(gconstpointer a, gconstpointer b, gpointer unused);

#endif
