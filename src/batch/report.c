/* report.html of a folder: what src/export/batch_report.c draws, out of what the folder says. */
#include <microtome/folder.h>

#include "src/export/batch_report.h"
#include "src/result/withheld.h"

#include <signal.h>
#include <string.h>

/* Whom it takes: the scanner or the copy, the one who typed the command, nobody but time, or us. */
static mt_report_group group_of(const mt_folder_case *c)
{
    static const char *const settings[] = {"usage", "range", "spacing", "missing", "model", NULL};

    if (g_strcmp0(c->kind, "stalled") == 0)
        return MT_REPORT_RERUN;
    if (c->signal_number == SIGKILL || c->signal_number == SIGTERM)
        return MT_REPORT_RERUN;
    if (c->signal_number != 0)
        return MT_REPORT_HELP;
    if (c->kind != NULL && g_strv_contains(settings, c->kind))
        return MT_REPORT_SETTING;
    switch (c->exit_code) {
    case 65:
        return MT_REPORT_RESCAN;
    case 64:
    case 66:
    case 78:
        return MT_REPORT_SETTING;
    case 74:
    case 75:
        return MT_REPORT_RERUN;
    default:
        return g_strcmp0(c->kind, "memory") == 0 ? MT_REPORT_RERUN : MT_REPORT_HELP;
    }
}

static int urgency(const mt_folder_case *c)
{
    static const char *const order[] = {"urgent", "review"};

    if (c->state != MT_STATE_DONE)
        return 4;
    for (int i = 0; i < (int)G_N_ELEMENTS(order); i++)
        if (g_strcmp0(c->decision, order[i]) == 0)
            return i;
    return g_strcmp0(c->decision, "clear") == 0 ? 3 : 2; /* what has no decision is looked at before what is clear */
}

/* The most urgent first, of those the highest score; else as in the manifest. */
static gint compare_urgency(gconstpointer a, gconstpointer b)
{
    const mt_folder_case *first = *(const mt_folder_case *const *)a, *second = *(const mt_folder_case *const *)b;
    int                   difference = urgency(first) - urgency(second);

    if (difference != 0)
        return difference;
    if (first->score != second->score && first->score == first->score && second->score == second->score)
        return first->score > second->score ? -1 : 1;
    return first->row < second->row ? -1 : first->row > second->row;
}

static GArray *failures(const mt_folder *folder)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(mt_report_failure));

    for (guint i = 0; i < folder->cases->len; i++) {
        const mt_folder_case *c = folder->cases->pdata[i];
        if (c->state != MT_STATE_FAILED)
            continue;
        mt_report_failure one = {group_of(c), c->id, c->reason, c->stage, c->exit_code, c->signal_number, c->attempts};
        g_array_append_val(list, one);
    }
    return list;
}

static bool put_case(mt_batch_report *report, const mt_folder *folder, const mt_folder_case *c, mt_language language, bool *demonstration,
                     GError **error)
{
    g_autofree char *name = g_strconcat(c->id, ".h5", NULL), *path = g_build_filename(folder->out, "cases", name, NULL);
    bool             done = c->state == MT_STATE_DONE;
    g_autofree char *line = done ? mt_result_headline(path, NULL) : NULL;
    g_autoptr(mt_headline) headline = line != NULL ? mt_headline_parse(line, path, NULL) : NULL;
    mt_message state = c->state == MT_STATE_RUNNING ? MT_MESSAGE_REPORT_RUNNING : MT_MESSAGE_REPORT_PENDING;

    const mt_timings *t = &c->timings;
    const double stages[MT_REPORT_STAGES] = {t->open_s + t->mask_s, t->decode_s + t->resample_s + t->normalise_s, t->encode_s, t->head_s,
                                             t->write_s + t->publish_s};

    if (report == NULL) {
        *demonstration = headline != NULL && headline->demonstration;
        return true;
    }
    if (headline != NULL && c->withheld != NULL)
        mt_headline_withhold(headline, c->withheld);
    mt_report_case row = {.id = c->id,
                          .patient = c->patient,
                          .state = mt_message_template(state, language),
                          .headline = headline,
                          .path = headline != NULL && c->withheld == NULL ? path : NULL, /* nor what speaks for it */
                          .stages = done && c->timed ? stages : NULL,
                          .seconds = done ? c->seconds : -1,
                          .superseded = c->superseded};
    return mt_batch_report_case(report, &row, error);
}

static GPtrArray *order_cases(const mt_folder *folder)
{
    GPtrArray *order = g_ptr_array_new();

    for (guint i = 0; i < folder->cases->len; i++) {
        const mt_folder_case *c = folder->cases->pdata[i];
        if (c->state != MT_STATE_FAILED)
            g_ptr_array_add(order, (void *)c);
    }
    g_ptr_array_sort(order, compare_urgency);
    return order;
}

static int picture_count(const mt_folder *folder, int wanted)
{
    return folder->n[MT_STATE_DONE] <= wanted ? folder->n[MT_STATE_DONE] : MIN(wanted, folder->urgent);
}

bool mt_folder_report(const mt_folder *folder, const char *path, const char *language_name, int pictures, GError **error)
{
    g_autofree char *own = g_build_filename(folder->out, "report.html", NULL);
    mt_language      language = mt_language_of(language_name);
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *finished = g_date_time_format(now, "%Y-%m-%d %H:%M %z");
    g_autoptr(GArray) failed = failures(folder);
    g_autoptr(GPtrArray) order = order_cases(folder);
    mt_report_facts facts = {.language = language,
                             .finished = finished,
                             .total = (int)folder->cases->len,
                             .done = folder->n[MT_STATE_DONE],
                             .failed = (int)failed->len,
                             .running = folder->n[MT_STATE_RUNNING],
                             .pending = folder->n[MT_STATE_PENDING],
                             .withheld = folder->withheld,
                             .urgent = folder->urgent,
                             .review = folder->review,
                             .clear = folder->clear,
                             .pictures = picture_count(folder, pictures < 0 ? MT_REPORT_PICTURES : pictures),
                             .failures = (const mt_report_failure *)(const void *)failed->data};

    if (order->len > 0) /* one recipe, so one is as good as any */
        put_case(NULL, folder, order->pdata[0], language, &facts.demonstration, NULL);
    mt_batch_report *report = mt_batch_report_begin(path != NULL ? path : own, &facts, error);
    bool             ok = report != NULL;
    for (guint i = 0; ok && i < order->len; i++)
        ok = put_case(report, folder, order->pdata[i], language, NULL, error);
    ok = ok && mt_batch_report_end(report, error);
    mt_batch_report_free(report);
    return ok;
}
