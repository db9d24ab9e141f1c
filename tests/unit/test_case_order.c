#include "src/batch/case_order.h"

#include <string.h>

#define DAY (INT64_C(86400) * G_USEC_PER_SEC)

static void check_order(const mt_batch_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            int order = mt_case_order_compare(&cases[i], &cases[k]);
            g_assert_cmpint((order > 0) - (order < 0), ==, (i > k) - (i < k));
        }
}

static void test_order(void)
{
    static char         control[] = "0.9..1";
    const mt_batch_case cases[] = {
        {.id = "control", .control = control, .priority = -10, .position = 9},
        {.id = "urgent and due", .priority = MT_BATCH_URGENT, .due_us = 5 * DAY, .position = 8},
        {.id = "urgent", .priority = MT_BATCH_URGENT, .position = 7},
        {.id = "due today, low", .priority = -10, .due_us = DAY, .position = 6},
        {.id = "due tomorrow, high", .priority = 10, .due_us = 2 * DAY, .position = 5},
        {.id = "due tomorrow", .due_us = 2 * DAY, .position = 4},
        {.id = "3.5", .priority = 3.5, .position = 3},
        {.id = "routine, first", .position = 0},
        {.id = "routine, second", .position = 1},
        {.id = "low", .priority = -10, .position = 2},
    };

    check_order(cases, G_N_ELEMENTS(cases));
}

/* A sort by it gives one order whatever the order before. */
static void test_sort(void)
{
    enum { N = 60 };
    mt_batch_case cases[N] = {0};
    GQueue       *queue = g_queue_new();

    for (int i = 0; i < N; i++) {
        cases[i].position = (guint)i;
        cases[i].priority = i % 3;
        cases[i].due_us = i % 4 * DAY;
    }
    for (int i = 0; i < N; i++)
        g_queue_push_tail(queue, &cases[i * 37 % N]);
    g_queue_sort(queue, mt_case_order_queue, NULL);
    for (GList *at = queue->head; at->next != NULL; at = at->next)
        g_assert_cmpint(mt_case_order_compare(at->data, at->next->data), <, 0);
    g_assert_cmpint(((mt_batch_case *)queue->tail->data)->due_us, ==, 0);
    g_queue_free(queue);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/case-order/order", test_order);
    g_test_add_func("/case-order/sort", test_sort);
    return g_test_run();
}
