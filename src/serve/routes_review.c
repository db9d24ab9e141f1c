/* What people say about a case, and what was said. */
#include "src/serve/desk.h"
#include "src/serve/review_export.h"

#include <stdlib.h>
#include <string.h>

static json_t *parsed(const char *text)
{
    json_t *o = text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

    return o != NULL ? o : json_null();
}

static json_t *event_json(const mt_review_event *e)
{
    json_t *o = json_pack("{s:I s:s s:s s:s s:o s:o}", "version", (json_int_t)e->version, "at", e->at, "user", e->user, "kind",
                          mt_review_kind_name(e->kind), "body", parsed(e->body), "before", parsed(e->before));

    if (e->region != NULL)
        json_object_set_new(o, "region", json_string(e->region));
    return o;
}

/* Events of versions above `since`. */
static json_t *events_json(const GPtrArray *events, int64_t since)
{
    json_t *list = json_array();

    for (guint i = 0; i < events->len; i++)
        if (((const mt_review_event *)events->pdata[i])->version > since)
            json_array_append_new(list, event_json(events->pdata[i]));
    return list;
}

static bool is_signed(const GPtrArray *events)
{
    bool closed = false;

    for (guint i = 0; i < events->len; i++) {
        mt_review_kind kind = ((const mt_review_event *)events->pdata[i])->kind;
        if (kind == MT_REVIEW_SIGN || kind == MT_REVIEW_REOPEN)
            closed = kind == MT_REVIEW_SIGN;
    }
    return closed;
}

static GPtrArray *events_of(mt_desk *desk, const mt_request *q, mt_board_case **c, mt_response *r)
{
    g_autoptr(GError) error = NULL;

    *c = mt_board_find(desk->board, q->parts[2]);
    if (*c == NULL) {
        mt_response_error(r, 404, "there is no such case");
        return NULL;
    }
    GPtrArray *events = mt_review_store_events(desk->store, (*c)->id, &error);
    if (events == NULL)
        mt_response_fail(r, error);
    return events;
}

/* Before his own opinion a reader does not see the others'. */
static bool sees_all(mt_desk *desk, const mt_request *q, const mt_board_case *c)
{
    return !desk->params->read_first || mt_board_gave_opinion(desk->board, c->id, q->user);
}

static void keep_own(GPtrArray *events, const char *user)
{
    for (guint i = events->len; i > 0; i--)
        if (strcmp(((const mt_review_event *)events->pdata[i - 1])->user, user) != 0)
            g_ptr_array_remove_index(events, i - 1);
}

void mt_answer_review(mt_desk *desk, const mt_request *q, mt_response *r)
{
    g_autoptr(mt_board_case) c = NULL;
    g_autoptr(GPtrArray) events = events_of(desk, q, &c, r);
    int64_t version = 0;

    if (events == NULL)
        return;
    for (guint i = 0; i < events->len; i++)
        version = MAX(version, ((const mt_review_event *)events->pdata[i])->version);
    bool closed = is_signed(events);
    if (!sees_all(desk, q, c))
        keep_own(events, q->user);
    mt_response_json(r, 200,
                     json_pack("{s:I s:b s:o}", "version", (json_int_t)version, "signed", closed, "events", events_json(events, -1)));
}

/* A GeoJSON geometry of finite numbers, or null. */
static bool is_geometry(const json_t *g)
{
    const char *type = json_string_value(json_object_get(g, "type"));
    size_t      i;
    json_t     *one;

    if (json_is_null(g))
        return true;
    if (json_is_object(g))
        return type != NULL && (strcmp(type, "Point") == 0 || strcmp(type, "LineString") == 0 || strcmp(type, "Polygon") == 0) &&
               is_geometry(json_object_get(g, "coordinates"));
    if (!json_is_array(g) || json_array_size(g) == 0)
        return false;
    json_array_foreach(g, i, one) if (!json_is_number(one) && !(json_is_array(one) && is_geometry(one))) return false;
    return true;
}

static bool is_text(const json_t *body, const char *name, size_t least)
{
    const json_t *value = json_object_get(body, name);

    return value == NULL ? least == 0 : json_is_string(value) && json_string_length(value) >= least && json_string_length(value) <= 20000;
}

/* NULL: the body is one of its kind; else what it lacks. */
static const char *wrong_body(mt_review_kind kind, const json_t *body, const char *region)
{
    switch (kind) {
    case MT_REVIEW_DECISION:
        if (!json_is_boolean(json_object_get(body, "agree")))
            return "a decision has agree: true or false";
        return is_text(body, "reason", json_is_true(json_object_get(body, "agree")) ? 0 : 1) ? NULL : "who disagrees gives a reason";
    case MT_REVIEW_OPINION:
        return is_text(body, "label", 1) ? NULL : "an opinion has a label";
    case MT_REVIEW_REGION:
        if (region == NULL || region[0] == '\0' || strlen(region) > 64)
            return "a region has a name of its own";
        return is_geometry(json_object_get(body, "geometry")) ? NULL : "a region has a geometry: Point, LineString, Polygon, or null";
    case MT_REVIEW_COMMENT:
        return is_text(body, "text", 1) ? NULL : "a comment has a text";
    case MT_REVIEW_REOPEN:
        return is_text(body, "reason", 1) ? NULL : "who opens a signed case again gives a reason";
    case MT_REVIEW_SIGN:
        return is_text(body, "text", 0) ? NULL : "the text of a signature is a text";
    default:
        return "it is none of decision, opinion, region, comment, sign, reopen";
    }
}

/* If-Match: "7"; -1: absent; -2: no version. */
static int64_t wanted_version(const mt_request *q)
{
    const char *text = mt_request_header(q, "If-Match");
    char       *end = NULL;

    if (text == NULL || strcmp(text, "*") == 0)
        return -1;
    text += text[0] == '"';
    if (!g_ascii_isdigit(text[0]))
        return -2;
    gint64 version = g_ascii_strtoll(text, &end, 10);
    return *end == '\0' || strcmp(end, "\"") == 0 ? version : -2;
}

static void conflict(mt_desk *desk, const mt_request *q, int64_t expected, bool closed, mt_response *r)
{
    g_autoptr(mt_board_case) c = NULL;
    g_autoptr(GPtrArray) events = events_of(desk, q, &c, r);
    int64_t version = 0;

    if (events == NULL)
        return;
    for (guint i = 0; i < events->len; i++)
        version = MAX(version, ((const mt_review_event *)events->pdata[i])->version);
    if (!sees_all(desk, q, c))
        keep_own(events, q->user);
    mt_response_json(
        r, 409,
        json_pack("{s:s s:I s:b s:o}", "error",
                  closed ? "this case is signed: open it again first" : "somebody else said something about this case meanwhile", "version",
                  (json_int_t)version, "closed", closed, "events", events_json(events, expected)));
}

static void tell(mt_desk *desk, const mt_board_case *c, const mt_review_event *event)
{
    g_autofree char *data = g_strdup_printf("{\"case\":\"%s\",\"version\":%" G_GINT64_FORMAT "}", c->key, event->version);

    mt_board_said(desk->board, event);
    __atomic_fetch_add(&desk->decisions, 1, __ATOMIC_RELAXED);
    mt_events_tell(desk->events, "review", data);
}

static void store(mt_desk *desk, const mt_request *q, const mt_board_case *c, mt_review_event *event, int64_t expected, mt_response *r)
{
    g_autoptr(GError) error = NULL;

    switch (mt_review_store_append(desk->store, event, expected, &error)) {
    case MT_REVIEW_STORED:
        tell(desk, c, event);
        mt_response_json(r, 200, json_pack("{s:I s:s}", "version", (json_int_t)event->version, "at", event->at));
        break;
    case MT_REVIEW_CONFLICT:
        conflict(desk, q, expected, false, r);
        break;
    case MT_REVIEW_CLOSED:
        conflict(desk, q, expected, true, r);
        break;
    default:
        mt_response_error(r, 503, "this was NOT stored: %s", error->message);
    }
}

void mt_answer_say(mt_desk *desk, const mt_request *q, mt_response *r)
{
    g_autoptr(mt_board_case) c = mt_board_find(desk->board, q->parts[2]);
    json_t        *said = json_loadb(q->body, q->body_bytes, JSON_REJECT_DUPLICATES, NULL), *body = json_object_get(said, "body");
    const char    *name = json_string_value(json_object_get(said, "kind")), *region = json_string_value(json_object_get(said, "region"));
    mt_review_kind kind = name != NULL ? mt_review_kind_parse(name) : MT_REVIEW_KINDS;
    int64_t        expected = wanted_version(q);
    const char    *wrong = json_is_object(body) ? wrong_body(kind, body, region) : "it has no body";

    if (c == NULL)
        mt_response_error(r, 404, "there is no such case");
    else if (expected == -2)
        mt_response_error(r, 400, "If-Match names no version");
    else if (wrong != NULL)
        mt_response_error(r, 400, "this was not stored: %s", wrong);
    else if (kind != MT_REVIEW_OPINION && kind != MT_REVIEW_COMMENT && !sees_all(desk, q, c))
        mt_response_error(r, 403, "give your own opinion first");
    else {
        char           *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
        mt_review_event event = {.user = g_strdup(q->user),
                                 .case_id = g_strdup(c->id),
                                 .result_sha256 = g_strdup(c->content_sha256 != NULL ? c->content_sha256 : ""),
                                 .region = g_strdup(kind == MT_REVIEW_REGION ? region : NULL),
                                 .kind = kind,
                                 .body = g_strdup(text)};
        free(text);
        store(desk, q, c, &event, expected, r);
        mt_review_event_clear(&event);
    }
    json_decref(said);
}

/* Regions as they stand: the last word on each. */
static json_t *standing_regions(const GPtrArray *events)
{
    json_t     *by_name = json_object(), *features = json_array(), *one;
    const char *name;

    for (guint i = 0; i < events->len; i++) {
        const mt_review_event *e = events->pdata[i];
        if (e->kind != MT_REVIEW_REGION || e->region == NULL)
            continue;
        json_t *body = parsed(e->body), *geometry = json_object_get(body, "geometry"), *label = json_object_get(body, "label");
        if (json_is_object(geometry)) {
            json_t *feature = json_pack("{s:s s:s s:O s:{s:s s:s s:s s:{s:s}}}", "type", "Feature", "id", e->region, "geometry", geometry,
                                        "properties", "objectType", "annotation", "author", e->user, "at", e->at, "classification", "name",
                                        json_is_string(label) ? json_string_value(label) : "Region");
            json_t *note = json_object_get(body, "note");
            if (json_is_string(note))
                json_object_set(json_object_get(feature, "properties"), "note", note);
            json_object_set_new(by_name, e->region, feature);
        } else
            json_object_del(by_name, e->region);
        json_decref(body);
    }
    json_object_foreach(by_name, name, one) json_array_append(features, one);
    json_decref(by_name);
    return json_pack("{s:s s:o}", "type", "FeatureCollection", "features", features);
}

void mt_answer_regions(mt_desk *desk, const mt_request *q, mt_response *r)
{
    g_autoptr(mt_board_case) c = NULL;
    g_autoptr(GPtrArray) events = events_of(desk, q, &c, r);

    if (events == NULL)
        return;
    if (!sees_all(desk, q, c))
        keep_own(events, q->user);
    mt_response_json(r, 200, standing_regions(events));
    r->type = "application/geo+json";
    r->file_name = g_strdup_printf("%s_regions.geojson", c->id);
}

/* Before a reader's own opinion these would tell him the others'. */
void mt_answer_export(mt_desk *desk, const mt_request *q, mt_response *r)
{
    g_autoptr(GError) error = NULL;

    if (desk->params->read_first && q->role < MT_ROLE_ADMIN) {
        mt_response_error(r, 403, "on a desk that is read first, administrators alone take decisions away");
        return;
    }
    g_autoptr(GPtrArray) rows = mt_review_rows(desk->params->out, desk->store, &error);
    g_autofree char *text = rows != NULL ? mt_review_file(rows, q->parts[1]) : NULL;
    if (text == NULL) {
        mt_response_fail(r, error);
        return;
    }
    mt_response_text(r, 200, g_str_has_suffix(q->parts[1], ".csv") ? "text/csv; charset=utf-8" : "application/json", text);
    r->file_name = g_strdup(q->parts[1]);
}
