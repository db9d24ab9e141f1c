#include "src/export/batch_report.h"

#include "src/base/publish.h"
#include "src/export/evaluation_parts.h"
#include "src/result/finding_sentence.h"

#include <microtome/impression.h>

#include <math.h>
#include <string.h>
#include <unistd.h>

#define FLUSH_BYTES (1 << 18)
#define MOST_FINDINGS 8 /* of a case; the rest is counted */

static const char STYLE[] =
    "body{font:14px/1.45 Helvetica,Arial,'Noto Sans','Noto Sans KR','Noto Sans CJK KR',sans-serif;color:#18202e;background:#fff;"
    "max-width:1180px;margin:0 auto;padding:28px 24px 48px}\n"
    "h1{font-size:26px;margin:0}h2{font-size:18px;margin:34px 0 10px;border-bottom:1px solid #d6dbe3;padding-bottom:4px}"
    "h3{font-size:14px;margin:16px 0 6px}\n"
    ".lead{font-size:17px;margin:4px 0 2px}.note{color:#5b6472;font-size:12px;margin:0 0 16px}\n"
    ".warn{border-left:4px solid #e69f00;background:#fff8e8;padding:8px 14px;margin:10px 0}\n"
    ".cards{display:flex;flex-wrap:wrap;gap:10px;margin:14px 0}.card{border:1px solid #d6dbe3;border-radius:8px;padding:8px 16px;"
    "flex:1 1 100px}.card b{display:block;font-size:24px;line-height:1.2}.card span{color:#5b6472;font-size:12px}\n"
    "table{border-collapse:collapse;width:100%}th,td{padding:6px 8px;text-align:left;border-bottom:1px solid #e3e6ea;vertical-align:top}"
    "th{font-weight:600;color:#4a5361;font-size:12px}td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\n"
    "td.p{width:150px;padding:6px 4px}td.p img{display:block;margin:0 auto;border:1px solid #e3e6ea}tr{break-inside:avoid}\n"
    "td.i b{word-break:break-all}td span.s{display:block;color:#5b6472;font-size:12px}td.q{max-width:320px;font-size:13px}\n"
    ".d{display:inline-block;border-radius:10px;padding:1px 10px;font-size:12px;font-weight:600;white-space:nowrap;background:#eceff3}"
    ".urgent{background:#b3261e;color:#fff}.review{background:#f3c04b}.clear{background:#d5ecdf}.failed{color:#a8321c}\n"
    ".bar{display:flex;width:150px;height:9px;border-radius:3px;overflow:hidden;background:#eceff3;margin:5px 0 3px}"
    ".bar i{display:block;height:100%}.c0{background:#8a94a3}.c1{background:#4c8fd0}.c2{background:#1f4e8c}.c3{background:#8cbf5a}"
    ".c4{background:#d6a24a}.key i{display:inline-block;width:10px;height:10px;border-radius:2px;margin:0 4px 0 12px}\n"
    "ol.o,ul.o{margin:8px 0 0;padding-left:20px;font-size:13px;max-width:330px}ul.o{list-style:none;padding:0}ul.o b{font-weight:600}"
    "details{margin:8px 0 0;font-size:13px}summary{cursor:pointer;color:#1f4e8c}dl.w{margin:4px 0;max-width:330px}dl.w "
    "dt{font-weight:600;margin-top:6px}dl.w dd{margin:0 0 2px}"
    "@media print{details>*{display:block}}\n"
    "table.f{table-layout:fixed}table.f col:nth-child(1){width:20%}table.f col:nth-child(3){width:13%}table.f col:nth-child(n+4){width:9%}"
    "td.w{overflow-wrap:anywhere}\n"
    "footer{margin-top:32px;border-top:1px solid #d6dbe3;padding-top:8px;color:#5b6472;font-size:12px}\n"
    "@page{size:A4 landscape;margin:12mm}@media print{body{padding:0;max-width:none;font-size:11px}h2{break-after:avoid}"
    "thead{display:table-header-group}td.p,td.p img{max-width:28mm;height:auto}*{print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact}}\n";

#define STAGES MT_REPORT_STAGES
static const mt_message STAGE_NAMES[STAGES] = {MT_MESSAGE_REPORT_STAGE_MASK, MT_MESSAGE_REPORT_STAGE_READ, MT_MESSAGE_REPORT_STAGE_ENCODE,
                                               MT_MESSAGE_REPORT_STAGE_SCORE, MT_MESSAGE_REPORT_STAGE_WRITE};

struct mt_batch_report {
    char           *path, *temporary;
    int             fd;
    mt_report_facts facts;
    GString        *html;
    int             n_cases;
};

static const char *word(const mt_batch_report *r, mt_message message)
{
    return mt_message_template(message, r->facts.language);
}

/* Where number and word belong together: "12 tiles". */
static void put_counted(mt_batch_report *r, mt_message message, const char *name, const char *value)
{
    g_autofree char *text = mt_message_text(message, r->facts.language, name, value, NULL);

    mt_html_text(r->html, text);
}

static bool flush(mt_batch_report *r, gsize from, GError **error)
{
    if (r->html->len < from)
        return true;
    bool ok = mt_publish_write(r->fd, r->html->str, r->html->len, r->path, error);
    g_string_truncate(r->html, 0);
    return ok;
}

static void put_counts(mt_batch_report *r)
{
    const mt_report_facts *f = &r->facts;
    g_autofree char       *total = g_strdup_printf("%d", f->total), *done = g_strdup_printf("%d", f->done),
                    *failed = g_strdup_printf("%d", f->failed), *running = g_strdup_printf("%d", f->running),
                    *pending = g_strdup_printf("%d", f->pending);
    g_autofree char *text = mt_message_text(MT_MESSAGE_REPORT_COUNTS, f->language, "done", done, "total", total, "failed", failed,
                                            "running", running, "pending", pending, NULL);
    const struct {
        mt_message  name;
        int         n;
        const char *kind;
    } cards[] = {{MT_MESSAGE_REPORT_URGENT, f->urgent, "urgent"},
                 {MT_MESSAGE_REPORT_REVIEW, f->review, "review"},
                 {MT_MESSAGE_REPORT_CLEAR, f->clear, "clear"},
                 {MT_MESSAGE_REPORT_WITHHELD, f->withheld, ""},
                 {MT_MESSAGE_REPORT_FAILED, f->failed, "failed"}};

    mt_html_printf(r->html, "<p class=\"lead\">%s</p>\n<p class=\"note\">%s</p>\n", text, f->finished);
    if (f->demonstration)
        mt_html_printf(r->html, "<p class=\"warn\">%s</p>\n", word(r, MT_MESSAGE_REPORT_DEMONSTRATION));
    g_string_append(r->html, "<div class=\"cards\">\n");
    for (size_t i = 0; i < G_N_ELEMENTS(cards); i++)
        mt_html_printf(r->html, "<div class=\"card\"><b%s>%d</b><span>%s</span></div>\n",
                       cards[i].n > 0 && strcmp(cards[i].kind, "failed") == 0 ? " class=failed" : "", cards[i].n, word(r, cards[i].name));
    g_string_append(r->html, "</div>\n");
}

static void put_failure(mt_batch_report *r, const mt_report_failure *f)
{
    char number[12];

    mt_html_printf(r->html, "<tr><td class=\"i\"><b>%s</b></td><td class=\"w\">%s</td><td>%s", f->id, f->reason != NULL ? f->reason : "",
                   f->stage != NULL ? f->stage : "");
    if (f->signal_number != 0) {
        g_snprintf(number, sizeof number, "%d", f->signal_number);
        g_string_append(r->html, f->stage != NULL ? ", " : "");
        put_counted(r, MT_MESSAGE_REPORT_SIGNAL, "number", number);
    }
    mt_html_printf(r->html, "</td><td class=\"n\">%d</td><td class=\"n\">%d</td></tr>\n", f->exit_code, f->attempts);
}

static bool put_group(mt_batch_report *r, mt_report_group group, GError **error)
{
    static const mt_message names[MT_REPORT_GROUPS] = {MT_MESSAGE_REPORT_RESCAN, MT_MESSAGE_REPORT_SETTING, MT_MESSAGE_REPORT_RERUN,
                                                       MT_MESSAGE_REPORT_HELP};
    int                     n = 0;

    for (int i = 0; i < r->facts.failed; i++)
        n += r->facts.failures[i].group == group;
    if (n == 0)
        return true;
    mt_html_printf(r->html,
                   "<h3>%s: %d</h3>\n<table class=\"f\"><col><col><col><col><col><thead><tr><th>%s</th><th>%s</th><th>%s</th><th "
                   "class=\"n\">%s</th><th class=\"n\">%s</th>"
                   "</tr></thead>\n",
                   word(r, names[group]), n, word(r, MT_MESSAGE_REPORT_CASE), word(r, MT_MESSAGE_REPORT_REASON),
                   word(r, MT_MESSAGE_REPORT_STAGE), word(r, MT_MESSAGE_REPORT_EXIT_CODE), word(r, MT_MESSAGE_REPORT_ATTEMPTS));
    for (int i = 0; i < r->facts.failed; i++) {
        if (r->facts.failures[i].group == group)
            put_failure(r, &r->facts.failures[i]);
        if (!flush(r, FLUSH_BYTES, error))
            return false;
    }
    g_string_append(r->html, "</table>\n");
    return true;
}

static bool put_failures(mt_batch_report *r, GError **error)
{
    if (r->facts.failed > 0)
        mt_html_printf(r->html, "<h2>%s</h2>\n", word(r, MT_MESSAGE_REPORT_TO_DO));
    for (int g = 0; r->facts.failed > 0 && g < MT_REPORT_GROUPS; g++)
        if (!put_group(r, (mt_report_group)g, error))
            return false;
    return true;
}

static void put_case_head(mt_batch_report *r)
{
    static const mt_message columns[] = {MT_MESSAGE_REPORT_SLIDE,    MT_MESSAGE_REPORT_HEAT,    MT_MESSAGE_REPORT_CASE,
                                         MT_MESSAGE_REPORT_DECISION, MT_MESSAGE_REPORT_QUALITY, MT_MESSAGE_REPORT_TIME};
    char                    number[12];

    mt_html_printf(r->html, "<h2>%s</h2>\n", word(r, MT_MESSAGE_REPORT_CASES));
    if (r->facts.pictures < r->facts.done) {
        g_snprintf(number, sizeof number, "%d", r->facts.pictures);
        g_string_append(r->html, "<p class=\"note\">");
        put_counted(r, MT_MESSAGE_REPORT_FEW_PICTURES, "count", number);
        g_string_append(r->html, "</p>\n");
    }
    g_string_append(r->html, "<p class=\"note key\">");
    for (int i = 0; i < STAGES; i++)
        mt_html_printf(r->html, "<i class=\"c%d\"></i>%s", i, word(r, STAGE_NAMES[i]));
    mt_html_printf(r->html, "<br>%s</p>\n<table>\n<thead><tr>", word(r, MT_MESSAGE_REPORT_THREADS));
    for (size_t i = r->facts.pictures > 0 ? 0 : 2; i < G_N_ELEMENTS(columns); i++)
        mt_html_printf(r->html, "<th>%s</th>", word(r, columns[i]));
    g_string_append(r->html, "</tr></thead>\n");
}

mt_batch_report *mt_batch_report_begin(const char *path, const mt_report_facts *facts, GError **error)
{
    mt_batch_report *r = g_new0(mt_batch_report, 1);

    r->path = g_strdup(path);
    r->facts = *facts;
    r->html = g_string_sized_new(FLUSH_BYTES + 65536);
    r->temporary = mt_publish_temporary_of(path, getpid());
    unlink(r->temporary); /* of an earlier process of that number */
    if (!mt_publish_begin_as(r->temporary, path, &r->fd, error)) {
        g_clear_pointer(&r->temporary, g_free);
        mt_batch_report_free(r);
        return NULL;
    }
    mt_html_printf(r->html,
                   "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>%s</title>\n<style>\n",
                   mt_language_name(facts->language), word(r, MT_MESSAGE_REPORT_TITLE));
    g_string_append(r->html, STYLE);
    mt_html_printf(r->html, "</style>\n</head>\n<body>\n<h1>%s</h1>\n", word(r, MT_MESSAGE_REPORT_TITLE));
    put_counts(r);
    if (!put_failures(r, error)) {
        mt_batch_report_free(r);
        return NULL;
    }
    put_case_head(r);
    return r;
}

static void put_decision(mt_batch_report *r, const mt_headline *h)
{
    static const struct {
        const char *decision;
        mt_message  name;
    } names[] = {{"urgent", MT_MESSAGE_REPORT_URGENT}, {"review", MT_MESSAGE_REPORT_REVIEW}, {"clear", MT_MESSAGE_REPORT_CLEAR}};
    mt_message name = MT_MESSAGE_REPORT_NONE;
    char       score[G_ASCII_DTOSTR_BUF_SIZE];

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (g_strcmp0(h->decision, names[i].decision) == 0)
            name = names[i].name;
    if (g_strcmp0(h->status, "withheld") == 0)
        name = MT_MESSAGE_REPORT_WITHHELD;
    mt_html_printf(r->html, "<span class=\"d %s\">%s</span>", h->decision != NULL ? h->decision : "", word(r, name));
    if (isfinite(h->score))
        mt_html_printf(r->html, "<span class=\"s\">%s <b>%s</b>%s%s</span>", word(r, MT_MESSAGE_REPORT_SCORE),
                       g_ascii_formatd(score, sizeof score, "%.3f", h->score), h->positive != NULL ? ", " : "",
                       h->positive != NULL ? h->positive : "");
    if (g_strcmp0(h->status, "ok") != 0)
        mt_html_printf(r->html, "<span class=\"s\">%s</span>", h->status != NULL ? h->status : "");
}

static void put_quality(mt_batch_report *r, const mt_headline *h)
{
    char number[G_ASCII_DTOSTR_BUF_SIZE];

    g_snprintf(number, sizeof number, "%" G_GINT64_FORMAT, h->tiles);
    put_counted(r, MT_MESSAGE_REPORT_TILES, "count", number);
    if (h->tissue_mm2 >= 0) {
        g_string_append(r->html, ", ");
        put_counted(r, MT_MESSAGE_REPORT_TISSUE, "area", g_ascii_formatd(number, sizeof number, "%.1f", h->tissue_mm2));
    }
    if (h->invalid_tiles > 0) {
        g_snprintf(number, sizeof number, "%" G_GINT64_FORMAT, h->invalid_tiles);
        g_string_append(r->html, ", <b class=\"failed\">");
        put_counted(r, MT_MESSAGE_REPORT_UNREAD, "count", number);
        g_string_append(r->html, "</b>");
    }
    if (h->reason != NULL)
        mt_html_printf(r->html, "<span class=\"s\">%s</span>", h->reason);
}

static void put_time(mt_batch_report *r, const mt_report_case *c)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (c->seconds >= 0)
        mt_html_printf(r->html, "%s s", g_ascii_formatd(text, sizeof text, "%.1f", c->seconds));
    if (c->stages == NULL)
        return;
    double sum = 0;
    for (int i = 0; i < STAGES; i++)
        sum += c->stages[i];
    g_string_append(r->html, "<div class=\"bar\">");
    for (int i = 0; sum > 0 && i < STAGES; i++)
        mt_html_printf(r->html, "<i class=\"c%d\" style=\"width:%s%%\"></i>", i,
                       g_ascii_formatd(text, sizeof text, "%.1f", 100 * c->stages[i] / sum));
    g_string_append(r->html, "</div><span class=\"s\">");
    for (int i = 0; i < STAGES; i++)
        mt_html_printf(r->html, "%s%s", i > 0 ? " · " : "", g_ascii_formatd(text, sizeof text, "%.1f", c->stages[i]));
    g_string_append(r->html, "</span>");
}

/* What was found, longest first; then what was measured, and in bold what to do. */
static void put_findings(mt_batch_report *r, const mt_report_findings *f)
{
    mt_language language = r->facts.language;

    for (int i = 0; i < f->n; i++) {
        g_autofree char *text = mt_finding_sentence(f->order[i], language);
        g_string_append(r->html, i == 0 ? "<ol class=\"o\">" : "");
        mt_html_printf(r->html, "<li>%s</li>", text);
    }
    g_string_append(r->html, f->n > 0 ? "</ol>" : "");
    if (f->list == NULL || (f->list->n_findings <= f->n && f->list->n_values == 0 && *f->list->actions == NULL))
        return;
    g_string_append(r->html, "<ul class=\"o\">");
    if (f->list->n_findings > f->n) {
        g_autofree char *count = g_strdup_printf("%d", f->list->n_findings - f->n);
        g_string_append(r->html, "<li>");
        put_counted(r, MT_MESSAGE_MORE_OBJECTS, "count", count);
        g_string_append(r->html, "</li>");
    }
    for (int i = 0; i < f->list->n_values; i++) {
        g_autofree char *text = mt_value_sentence(&f->list->values[i], language);
        if (text != NULL)
            mt_html_printf(r->html, "<li>%s</li>", text);
    }
    for (char **action = f->list->actions; *action != NULL; action++)
        mt_html_printf(r->html, "<li><b>%s</b></li>", *action);
    g_string_append(r->html, "</ul>");
    if (f->n > 0 && f->list->size[2] > 1 && r->n_cases < r->facts.pictures)
        mt_html_printf(r->html, "<span class=\"s\">%s</span>", word(r, MT_MESSAGE_REPORT_PROJECTED));
}

/* The rest of the case in words, folded. */
static void put_impression(mt_batch_report *r, const mt_result *result)
{
    const mt_impression_params params = {.language = mt_language_name(r->facts.language)};
    g_autoptr(mt_impression) said = result != NULL ? mt_impression_new(result, &params, NULL) : NULL;
    bool any = false;

    for (int q = MT_QUESTION_WHERE; said != NULL && q < MT_QUESTION_LIKE; q++) {
        if (said->sentences[q][0] == NULL)
            continue;
        if (!any)
            mt_html_printf(r->html, "<details><summary>%s</summary><dl class=\"w\">", word(r, MT_MESSAGE_ASK_WHY));
        any = true;
        mt_html_printf(r->html, "<dt>%s</dt>", mt_question_heading((mt_question)q, said->language));
        for (char **sentence = said->sentences[q]; *sentence != NULL; sentence++)
            mt_html_printf(r->html, "<dd>%s</dd>", *sentence);
    }
    g_string_append(r->html, any ? "</dl></details>" : "");
}

bool mt_batch_report_case(mt_batch_report *r, const mt_report_case *c, GError **error)
{
    g_autoptr(mt_result) result = c->path != NULL ? mt_result_open(c->path, NULL) : NULL;
    g_autoptr(mt_finding_list) list = result != NULL ? mt_finding_list_read(result, NULL) : NULL;
    g_autofree const mt_finding **order = list != NULL ? mt_finding_order(list) : NULL;
    mt_report_findings            findings = {list, order, list != NULL ? MIN(list->n_findings, MOST_FINDINGS) : 0};

    g_string_append(r->html, "<tr>");
    if (r->facts.pictures > 0)
        mt_batch_report_pictures(r->html, r->n_cases < r->facts.pictures ? result : NULL, &findings, c->id);
    mt_html_printf(r->html, "<td class=\"i\"><b>%s</b>", c->id);
    if (c->patient != NULL)
        mt_html_printf(r->html, "<span class=\"s\">%s</span>", c->patient);
    g_string_append(r->html, "</td><td>");
    if (c->headline != NULL)
        put_decision(r, c->headline);
    else
        mt_html_printf(r->html, "<span class=\"d\">%s</span>", c->state);
    put_findings(r, &findings);
    if (r->n_cases < r->facts.pictures && c->headline != NULL && g_strcmp0(c->headline->status, "withheld") != 0)
        put_impression(r, result);
    g_string_append(r->html, "</td><td class=\"q\">");
    if (c->headline != NULL)
        put_quality(r, c->headline);
    g_string_append(r->html, "</td><td>");
    put_time(r, c);
    g_string_append(r->html, "</td></tr>\n");
    r->n_cases++;
    return flush(r, FLUSH_BYTES, error);
}

bool mt_batch_report_end(mt_batch_report *r, GError **error)
{
    mt_html_printf(r->html, "</table>\n<footer>%s microtome " MT_VERSION "</footer>\n</body>\n</html>\n",
                   word(r, MT_MESSAGE_REPORT_RESEARCH));
    if (!flush(r, 0, error))
        return false;
    g_autofree char *temporary = g_steal_pointer(&r->temporary);
    return mt_publish_commit(temporary, r->fd, r->path, true, error);
}

void mt_batch_report_free(mt_batch_report *r)
{
    if (r == NULL)
        return;
    if (r->temporary != NULL)
        mt_publish_abandon(r->temporary, r->fd);
    g_free(r->temporary);
    g_string_free(r->html, TRUE);
    g_free(r->path);
    g_free(r);
}
