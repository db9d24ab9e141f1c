/* Papers: the report of a case with what was said about it; the patients of a day for a board, in the order in which they are talked about. */
#include "src/serve/desk.h"

#include "src/serve/review_export.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What these papers say beside the engine's own sentences. */
typedef enum word {
    REVIEW,
    OPINION,
    AGREED,
    DISAGREED,
    SIGNED,
    NOT_SIGNED,
    SIGNATURE,
    REGIONS,
    BOARD,
    PATIENT,
    CASE,
    DECISION,
    SCORE,
    READER,
    NOTES,
    WORDS
} word;

static const char *const words[WORDS][2] = {
    [REVIEW] = {"Review", "판독"},
    [OPINION] = {"Opinion before the model", "모델을 보기 전의 의견"},
    [AGREED] = {"agrees", "동의"},
    [DISAGREED] = {"disagrees", "이견"},
    [SIGNED] = {"Signed", "서명"},
    [NOT_SIGNED] = {"Not signed.", "서명되지 않았습니다."},
    [SIGNATURE] = {"Signature: ______________________________", "서명: ______________________________"},
    [REGIONS] = {"Regions", "영역"},
    [BOARD] = {"Board list", "다학제 목록"},
    [PATIENT] = {"Patient", "환자"},
    [CASE] = {"Case", "증례"},
    [DECISION] = {"Decision", "판정"},
    [SCORE] = {"Score", "점수"},
    [READER] = {"Review", "판독"},
    [NOTES] = {"Notes", "메모"}};

static bool is_korean(const mt_request *q)
{
    g_autofree char *language = mt_request_query(q, "language");

    return g_strcmp0(language, "ko") == 0;
}

static void add_line(json_t *lines, const char *at, const char *user, const char *text)
{
    g_autofree char *line = g_strdup_printf("%.16s  %s: %s", at, user, text);

    line[10] = ' '; /* 2026-11-23 17:30 */
    json_array_append_new(lines, json_string(line));
}

static void add_event(json_t *lines, json_t *regions, const mt_review_event *e, bool korean, bool *closed)
{
    json_t     *body = json_loads(e->body, 0, NULL);
    const char *label = json_string_value(json_object_get(body, "label")), *reason = json_string_value(json_object_get(body, "reason")),
               *text = json_string_value(json_object_get(body, "text"));
    g_autofree char *said = NULL;

    switch (e->kind) {
    case MT_REVIEW_OPINION:
        said = g_strdup_printf("%s: %s", words[OPINION][korean], label != NULL ? label : "");
        break;
    case MT_REVIEW_DECISION:
        said = g_strdup_printf("%s%s%s", words[json_is_true(json_object_get(body, "agree")) ? AGREED : DISAGREED][korean],
                               reason != NULL ? ": " : "", reason != NULL ? reason : "");
        break;
    case MT_REVIEW_COMMENT:
        said = g_strdup(text);
        break;
    case MT_REVIEW_SIGN:
    case MT_REVIEW_REOPEN:
        *closed = e->kind == MT_REVIEW_SIGN;
        said = *closed ? g_strdup(words[SIGNED][korean]) : g_strdup(reason);
        break;
    case MT_REVIEW_REGION:
        if (json_is_object(json_object_get(body, "geometry")))
            add_line(regions, e->at, e->user, label != NULL ? label : e->region);
        break;
    default:
        break;
    }
    if (said != NULL)
        add_line(lines, e->at, e->user, said);
    json_decref(body);
}

static json_t *sections(const GPtrArray *events, bool korean)
{
    json_t *lines = json_array(), *regions = json_array();
    bool    closed = false;

    for (guint i = 0; i < events->len; i++)
        add_event(lines, regions, events->pdata[i], korean, &closed);
    if (!closed) {
        json_array_append_new(lines, json_string(words[NOT_SIGNED][korean]));
        json_array_append_new(lines, json_string(words[SIGNATURE][korean]));
    }
    return json_pack("[{s:s s:o} {s:s s:o}]", "heading", words[REGIONS][korean], "lines", regions, "heading", words[REVIEW][korean],
                     "lines", lines);
}

static void ask(mt_desk *desk, json_t *question, mt_response *r)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *type = NULL;
    GBytes          *bytes = mt_reader_pool_ask(desk->readers, question, &type, &error);

    if (bytes == NULL) {
        mt_response_fail(r, error);
        return;
    }
    r->status = 200;
    r->type = g_intern_string(type);
    r->body = bytes;
}

void mt_answer_report(mt_desk *desk, const mt_request *q, mt_response *r)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_board_case) c = mt_board_find(desk->board, q->parts[2]);
    g_autoptr(GPtrArray) events = c != NULL ? mt_review_store_events(desk->store, c->id, &error) : NULL;
    bool korean = is_korean(q), pdf = strcmp(q->parts[3], "report.pdf") == 0;

    if (c == NULL || c->result == NULL)
        mt_response_error(r, 404, "there is no such case, or it has no result (yet)");
    else if (events == NULL)
        mt_response_fail(r, error);
    else if (desk->params->read_first && !mt_board_gave_opinion(desk->board, c->id, q->user))
        mt_response_error(r, 403, "give your own opinion first");
    else if (json_object_get(c->row, "withheld") != NULL)
        mt_response_error(r, 403, "the score of this case is withheld");
    else {
        ask(desk,
            json_pack("{s:s s:s s:s s:s s:b s:o}", "do", "report", "result", c->result, "id", c->id, "language", korean ? "ko" : "en",
                      "pdf", pdf, "sections", sections(events, korean)),
            r);
        if (pdf && r->status == 200)
            r->file_name = g_strdup_printf("%s.pdf", c->id);
    }
}

/* Of the day that a manifest's column date or due names; without a day: every case that has a result. */
static bool is_of_day(const json_t *row, const char *day)
{
    static const char *const columns[] = {"date", "due"};

    if (g_strcmp0(json_string_value(json_object_get(row, "state")), "done") != 0)
        return false;
    if (day == NULL || day[0] == '\0')
        return true;
    g_auto(GStrv) parts = g_strsplit(day, "-", 4);
    g_autofree char *plain = g_strjoinv("", parts); /* DICOM's form */
    for (size_t i = 0; i < G_N_ELEMENTS(columns); i++) {
        const char *cell = json_string_value(json_object_get(json_object_get(row, "columns"), columns[i]));
        if (cell != NULL && (g_str_has_prefix(cell, day) || g_str_has_prefix(cell, plain)))
            return true;
    }
    return false;
}

static json_t *board_row(const json_t *row)
{
    const json_t *review = json_object_get(row, "review"), *score = json_object_get(row, "score");
    const char *decision = json_string_value(json_object_get(row, "decision")), *status = json_string_value(json_object_get(row, "status")),
               *patient = json_string_value(json_object_get(row, "patient")), *state = json_string_value(json_object_get(review, "state")),
               *user = json_string_value(json_object_get(review, "user"));
    g_autofree char *said = g_strdup_printf("%s%s%s", state != NULL ? state : "", user != NULL ? ", " : "", user != NULL ? user : "");
    char             number[32] = "";

    if (json_is_number(score)) {
        double value = json_number_value(score);
        if (value > 0 && (value < 0.0001 || (value > 0.9999 && value < 1)))
            g_strlcpy(number, value < 0.5 ? "< 0.0001" : "> 0.9999", sizeof number);
        else
            g_ascii_formatd(number, sizeof number, "%.4g", value);
    }
    return json_pack("[s s s s s s]", patient != NULL ? patient : "", json_string_value(json_object_get(row, "id")),
                     decision != NULL ? decision
                     : status != NULL ? status
                                      : "",
                     number, said, "");
}

/* Cases of a patient stand together, where the most urgent one of them would. */
static json_t *in_order(const json_t *rows, const char *day, bool *demonstration)
{
    json_t *list = json_array();
    g_autoptr(GHashTable) told = g_hash_table_new(g_str_hash, g_str_equal);

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char   *patient = json_string_value(json_object_get(row, "patient"));
        if (!is_of_day(row, day) || (patient != NULL && g_hash_table_contains(told, patient)))
            continue;
        *demonstration |= json_is_true(json_object_get(row, "demonstration"));
        json_array_append_new(list, board_row(row));
        for (size_t k = i + 1; patient != NULL && k < json_array_size(rows); k++) {
            const json_t *other = json_array_get(rows, k);
            if (g_strcmp0(json_string_value(json_object_get(other, "patient")), patient) == 0 && is_of_day(other, day))
                json_array_append_new(list, board_row(other));
        }
        if (patient != NULL)
            g_hash_table_add(told, (gpointer)(uintptr_t)patient);
    }
    return list;
}

void mt_answer_board(mt_desk *desk, const mt_request *q, mt_response *r)
{
    bool             korean = is_korean(q), demonstration = false, pdf = strcmp(q->parts[1], "board.pdf") == 0;
    g_autofree char *day = mt_request_query(q, "date");
    char            *text = mt_board_text(desk->board, q->user, desk->params->read_first);
    json_t          *all = json_loads(text, 0, NULL), *rows = in_order(json_object_get(all, "rows"), day, &demonstration);
    g_autofree char *title = g_strdup_printf("%s%s%s", words[BOARD][korean], day != NULL ? " " : "", day != NULL ? day : "");

    free(text);
    json_decref(all);
    ask(desk,
        json_pack("{s:s s:s s:s s:b s:b s:o s:[s s s s s s]}", "do", "board", "title", title, "language", korean ? "ko" : "en", "pdf", pdf,
                  "demonstration", demonstration, "rows", rows, "heads", words[PATIENT][korean], words[CASE][korean],
                  words[DECISION][korean], words[SCORE][korean], words[READER][korean], words[NOTES][korean]),
        r);
    if (pdf && r->status == 200)
        r->file_name = g_strdup("board.pdf");
}
