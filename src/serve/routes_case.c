/* Questions about one case, passed on to a reader. */
#include "src/serve/desk.h"

#include <stdlib.h>
#include <string.h>

/* A question about the case of the path; NULL: answered with why there is none. */
static json_t *question(mt_desk *desk, const mt_request *q, const char *what, mt_board_case **c, mt_response *r)
{
    g_autofree char *language = mt_request_query(q, "language");

    *c = mt_board_find(desk->board, q->parts[2]);
    if (*c == NULL)
        mt_response_error(r, 404, "there is no such case");
    else if ((*c)->result == NULL)
        mt_response_error(r, 404, "this case has no result (yet)");
    if (*c == NULL || (*c)->result == NULL)
        return NULL;
    json_t *ask = json_pack("{s:s s:s s:s s:s}", "do", what, "result", (*c)->result, "id", (*c)->id, "language",
                            g_strcmp0(language, "ko") == 0 ? "ko" : "en");
    if (desk->params->slides != NULL)
        json_object_set_new(ask, "slides", json_string(desk->params->slides));
    return ask;
}

/* What the model says stays hidden until the reader's own opinion is there. */
static bool is_hidden(mt_desk *desk, const mt_request *q, const mt_board_case *c)
{
    return desk->params->read_first && !mt_board_gave_opinion(desk->board, c->id, q->user);
}

static bool refuse_hidden(mt_desk *desk, const mt_request *q, const mt_board_case *c, mt_response *r)
{
    bool hidden = is_hidden(desk, q, c);

    if (hidden)
        mt_response_error(r, 403, "give your own opinion first");
    return hidden;
}

static void ask_reader(mt_desk *desk, json_t *ask, mt_response *r)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *type = NULL;
    GBytes          *bytes = mt_reader_pool_ask(desk->readers, ask, &type, &error);

    if (bytes == NULL) {
        mt_response_fail(r, error);
        return;
    }
    r->status = 200;
    r->type = g_intern_string(type);
    r->body = bytes;
}

static void copy_query(const mt_request *q, const char *name, json_t *ask)
{
    g_autofree char *text = mt_request_query(q, name);

    if (text != NULL && text[0] != '\0')
        json_object_set_new(ask, name, json_string(text));
}

static bool whole_number(const char *text, int64_t *value)
{
    char *end;

    if (!g_ascii_isdigit(text[0]) || strlen(text) > 9)
        return false;
    *value = g_ascii_strtoll(text, &end, 10);
    return *end == '\0' || *end == '.';
}

/* Beside what the result says: whose case it is. */
static void add_board(mt_desk *desk, const mt_board_case *c, bool hidden, mt_response *r)
{
    gsize       n;
    const char *text = g_bytes_get_data(r->body, &n);
    json_t     *o = json_loadb(text, n, 0, NULL);

    if (o == NULL)
        return;
    json_object_set_new(o, "case", json_string(c->key));
    json_object_set_new(o, "id", json_string(c->id));
    if (c->patient != NULL)
        json_object_set_new(o, "patient", json_string(c->patient));
    json_object_set_new(o, "patient_cases", mt_board_patient(desk->board, c->patient, hidden || desk->params->read_first));
    json_t *columns = json_object_get(c->row, "columns"), *diagnosis = json_object_get(c->row, "diagnosis");
    if (columns != NULL)
        json_object_set(o, "columns", columns);
    if (diagnosis != NULL && !hidden)
        json_object_set(o, "diagnosis", diagnosis);
    g_clear_pointer(&r->body, g_bytes_unref);
    mt_response_json(r, 200, o);
}

static void note(mt_desk *desk, const mt_request *q, const mt_board_case *c, mt_review_kind kind)
{
    mt_review_event event = {.user = g_strdup(q->user),
                             .case_id = g_strdup(c->id),
                             .result_sha256 = g_strdup(c->content_sha256 != NULL ? c->content_sha256 : ""),
                             .kind = kind,
                             .body = g_strdup("{}")};

    if (mt_review_store_append(desk->store, &event, -1, NULL) == MT_REVIEW_STORED)
        mt_board_said(desk->board, &event);
    mt_review_event_clear(&event);
}

void mt_answer_case(mt_desk *desk, const mt_request *q, mt_response *r)
{
    g_autoptr(mt_board_case) c = NULL;
    json_t *ask = question(desk, q, "case", &c, r);

    if (ask == NULL)
        return;
    bool hidden = is_hidden(desk, q, c);
    json_object_set_new(ask, "hidden", json_boolean(hidden));
    ask_reader(desk, ask, r);
    if (r->status == 200) {
        add_board(desk, c, hidden, r);
        if (q->role >= MT_ROLE_REVIEWER)
            note(desk, q, c, hidden ? MT_REVIEW_OPENED : MT_REVIEW_REVEALED);
    } else if (r->status != 503) { /* the page says what is wrong with it, and what was said about it */
        json_t *problem = json_loadb(g_bytes_get_data(r->body, NULL), g_bytes_get_size(r->body), 0, NULL);
        json_t *o = json_pack("{s:s s:s s:O}", "case", c->key, "id", c->id, "problem", json_object_get(problem, "error"));
        json_decref(problem);
        mt_response_json(r, 200, o);
    }
}

void mt_answer_picture(mt_desk *desk, const mt_request *q, mt_response *r)
{
    g_autoptr(mt_board_case) c = NULL;
    json_t *ask = question(desk, q, strcmp(q->parts[3], "slide.dzi") == 0 ? "dzi" : "thumbnail", &c, r);

    if (ask != NULL)
        ask_reader(desk, ask, r);
}

/* Tiles are kept by the result they are shown with: its file replaced, they are asked for anew. */
void mt_answer_tile(mt_desk *desk, const mt_request *q, mt_response *r)
{
    g_auto(GStrv) place = g_strsplit(q->parts[5], "_", 2); /* "X_Y.jpg" */
    int64_t level, x, y;

    if (place[1] == NULL || !whole_number(q->parts[4], &level) || !whole_number(place[0], &x) || !whole_number(place[1], &y)) {
        mt_response_error(r, 404, "there is no such tile");
        return;
    }
    g_autoptr(mt_board_case) c = NULL;
    json_t *ask = question(desk, q, "tile", &c, r);
    if (ask == NULL)
        return;
    g_autofree char *name = g_strdup_printf("%s %s %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT, c->key,
                                            c->content_sha256 != NULL ? c->content_sha256 : "", level, x, y);
    r->kept = true;
    r->body = mt_byte_cache_get(desk->tiles, name);
    if (r->body != NULL) {
        r->status = 200;
        r->type = "image/jpeg";
        json_decref(ask);
        return;
    }
    json_object_set_new(ask, "level", json_integer((json_int_t)level));
    json_object_set_new(ask, "x", json_integer((json_int_t)x));
    json_object_set_new(ask, "y", json_integer((json_int_t)y));
    ask_reader(desk, ask, r);
    if (r->status == 200)
        mt_byte_cache_put(desk->tiles, name, r->body);
}

/* The values of a map; a tile of its grid as a picture. */
void mt_answer_map(mt_desk *desk, const mt_request *q, mt_response *r)
{
    bool patch = strcmp(q->parts[3], "tile") == 0;
    g_autoptr(mt_board_case) c = NULL;
    json_t          *ask = question(desk, q, patch ? "patch" : "heat", &c, r);
    g_autofree char *plane = mt_request_query(q, "plane");
    int64_t          number;

    if (ask == NULL)
        return;
    copy_query(q, "label", ask);
    copy_query(q, "source", ask);
    copy_query(q, "scale", ask);
    if (plane != NULL && whole_number(plane, &number))
        json_object_set_new(ask, "plane", json_integer((json_int_t)number));
    if (patch)
        json_object_set_new(ask, "index", json_integer(whole_number(q->parts[4], &number) ? (json_int_t)number : -1));
    if (refuse_hidden(desk, q, c, r) || json_object_get(c->row, "withheld") != NULL) {
        if (r->status == 0)
            mt_response_error(r, 403, "the score of this case is withheld");
        json_decref(ask);
        return;
    }
    ask_reader(desk, ask, r);
}

void mt_answer_plane(mt_desk *desk, const mt_request *q, mt_response *r)
{
    bool mask = strcmp(q->parts[3], "mask") == 0;
    g_autoptr(mt_board_case) c = NULL;
    json_t *ask = question(desk, q, mask ? "mask" : "plane", &c, r);
    int64_t number;

    if (ask == NULL)
        return;
    json_object_set_new(ask, "plane", json_integer(whole_number(q->parts[4], &number) ? (json_int_t)number : -1));
    if (mask && refuse_hidden(desk, q, c, r))
        json_decref(ask);
    else
        ask_reader(desk, ask, r);
}

void mt_answer_paper(mt_desk *desk, const mt_request *q, mt_response *r)
{
    g_autoptr(mt_board_case) c = NULL;
    json_t *ask = question(desk, q, "paper", &c, r);

    if (ask == NULL)
        return;
    if (refuse_hidden(desk, q, c, r)) {
        json_decref(ask);
        return;
    }
    copy_query(q, "label", ask);
    copy_query(q, "source", ask);
    copy_query(q, "scale", ask);
    json_object_set_new(ask, "paper", json_string(q->parts[3]));
    json_object_set_new(ask, "patient", c->patient != NULL ? json_string(c->patient) : json_null());
    json_object_set_new(ask, "study_uid", c->study_uid != NULL ? json_string(c->study_uid) : json_null());
    json_object_set_new(ask, "accession", c->accession != NULL ? json_string(c->accession) : json_null());
    ask_reader(desk, ask, r);
    if (r->status == 200)
        r->file_name = g_strdup_printf("%s_%s", c->id, q->parts[3]);
}

static void name_hits(mt_desk *desk, json_t *hits)
{
    size_t  i;
    json_t *hit;

    json_array_foreach(hits, i, hit)
    {
        g_autoptr(mt_board_case) c = mt_board_find_id(desk->board, json_string_value(json_object_get(hit, "id")));
        if (c == NULL)
            continue;
        json_object_set_new(hit, "case", json_string(c->key));
        if (c->decision != NULL && !desk->params->read_first)
            json_object_set_new(hit, "decision", json_string(c->decision));
    }
}

void mt_answer_similar(mt_desk *desk, const mt_request *q, mt_response *r)
{
    g_autoptr(mt_board_case) c = NULL;
    json_t *ask = question(desk, q, "compare", &c, r);

    if (ask == NULL)
        return;
    json_object_set_new(ask, "folder", json_string(desk->params->out));
    ask_reader(desk, ask, r);
    if (r->status != 200)
        return;
    json_t *o = json_loadb(g_bytes_get_data(r->body, NULL), g_bytes_get_size(r->body), 0, NULL);
    name_hits(desk, json_object_get(o, "hits"));
    mt_response_json(r, 200, o);
}

static json_t *name_case(const mt_board_case *c)
{
    return json_pack("{s:s s:s}", "case", c->key, "id", c->id);
}

/* /api/compare/A/B: A is the prior study. */
void mt_answer_compare(mt_desk *desk, const mt_request *q, mt_response *r)
{
    g_autoptr(mt_board_case) prior = mt_board_find(desk->board, q->parts[2]);
    g_autoptr(mt_board_case) c = mt_board_find(desk->board, q->parts[3]);
    g_autofree char *language = mt_request_query(q, "language");

    if (prior == NULL || c == NULL || prior->result == NULL || c->result == NULL) {
        mt_response_error(r, 404, "one of these cases is not there, or has no result");
        return;
    }
    if (refuse_hidden(desk, q, c, r) || refuse_hidden(desk, q, prior, r))
        return;
    json_t *ask = json_pack("{s:s s:s s:s s:s}", "do", "compare", "result", c->result, "prior", prior->result, "language",
                            g_strcmp0(language, "ko") == 0 ? "ko" : "en");
    ask_reader(desk, ask, r);
    json_t *o = json_loadb(g_bytes_get_data(r->body, NULL), g_bytes_get_size(r->body), 0, NULL);
    if (o == NULL || r->status == 503) {
        json_decref(o);
        return;
    }
    json_object_del(o, "prior"); /* paths of this machine */
    json_object_del(o, "current");
    json_object_set_new(o, "a", name_case(prior));
    json_object_set_new(o, "b", name_case(c));
    mt_response_json(r, 200, o);
}
