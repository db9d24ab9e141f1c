/* The worklist, what is told of it as it changes, and what a monitor asks. */
#include "src/serve/desk.h"

#include <stdlib.h>

void mt_answer_worklist(mt_desk *desk, const mt_request *q, mt_response *r)
{
    char *text = mt_board_text(desk->board, q->user, desk->params->read_first);

    mt_response_text(r, 200, "application/json", text);
    free(text);
}

void mt_answer_events(mt_desk *desk, const mt_request *q, mt_response *r)
{
    (void)desk;
    (void)q;
    r->status = 200;
    r->type = "text/event-stream";
    r->stream = true;
}

void mt_answer_health(mt_desk *desk, const mt_request *q, mt_response *r)
{
    (void)desk;
    (void)q;
    mt_response_text(r, 200, "text/plain; charset=utf-8", "ok\n");
}

/* Prometheus' text format 0.0.4. */
void mt_answer_metrics(mt_desk *desk, const mt_request *q, mt_response *r)
{
    mt_reader_counts readers;
    int64_t          cases, done, failed;

    (void)q;
    mt_reader_pool_count(desk->readers, &readers);
    mt_board_counts(desk->board, &cases, &done, &failed);
    const struct {
        const char *name, *kind, *help;
        int64_t     value;
    } all[] = {{"microtome_cases", "gauge", "Cases of the folder.", cases},
               {"microtome_cases_done", "gauge", "Cases with a result.", done},
               {"microtome_cases_failed", "gauge", "Cases that failed.", failed},
               {"microtome_requests_total", "counter", "Requests answered.", __atomic_load_n(&desk->requests, __ATOMIC_RELAXED)},
               {"microtome_request_errors_total", "counter", "Requests answered with 400 or above.",
                __atomic_load_n(&desk->errors, __ATOMIC_RELAXED)},
               {"microtome_review_events_total", "counter", "Events stored since the desk began.",
                __atomic_load_n(&desk->decisions, __ATOMIC_RELAXED)},
               {"microtome_reader_questions_total", "counter", "Questions to readers of results and slides.", readers.asked},
               {"microtome_reader_failures_total", "counter", "Questions without an answer.", readers.failed},
               {"microtome_reader_deaths_total", "counter", "Readers that died or were silent.", readers.died},
               {"microtome_reader_refusals_total", "counter", "Questions refused: too many waited.", readers.refused}};
    g_autoptr(GString) text = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
        g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n%s %" G_GINT64_FORMAT "\n", all[i].name, all[i].help, all[i].name,
                               all[i].kind, all[i].name, all[i].value);
    mt_response_text(r, 200, "text/plain; version=0.0.4; charset=utf-8", text->str);
}
