#include "src/serve/opinions.h"

#include <string.h>

typedef struct said {
    int64_t     version;
    const char *state; /* of the table below */
    bool        signed_off, agreed, decided;
    char       *user, *at;
    GHashTable *readers; /* users with an opinion of their own */
} said;

struct mt_opinions {
    GHashTable *cases; /* id -> said */
};

static void said_free(gpointer pointer)
{
    said *s = pointer;

    g_free(s->user);
    g_free(s->at);
    g_hash_table_unref(s->readers);
    g_free(s);
}

static const char *state_of(const said *s)
{
    if (s->signed_off)
        return "signed";
    if (s->decided)
        return s->agreed ? "agreed" : "disagreed";
    if (g_hash_table_size(s->readers) > 0)
        return "opinion";
    return "opened";
}

void mt_opinions_add(mt_opinions *o, const mt_review_event *e)
{
    said *s = g_hash_table_lookup(o->cases, e->case_id);

    if (s == NULL) {
        s = g_new0(said, 1);
        s->readers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_hash_table_insert(o->cases, g_strdup(e->case_id), s);
    }
    if (e->kind == MT_REVIEW_OPINION)
        g_hash_table_add(s->readers, g_strdup(e->user));
    if (e->kind == MT_REVIEW_SIGN || e->kind == MT_REVIEW_REOPEN)
        s->signed_off = e->kind == MT_REVIEW_SIGN;
    if (e->kind == MT_REVIEW_DECISION) {
        json_t *body = json_loads(e->body, 0, NULL);
        s->decided = true;
        s->agreed = json_is_true(json_object_get(body, "agree"));
        json_decref(body);
    }
    s->version = MAX(s->version, e->version);
    s->state = state_of(s);
    g_free(s->user);
    g_free(s->at);
    s->user = g_strdup(e->user);
    s->at = g_strdup(e->at);
}

mt_opinions *mt_opinions_new(mt_review_store *store, GError **error)
{
    g_autoptr(GPtrArray) events = mt_review_store_events(store, NULL, error);
    mt_opinions *o = events != NULL ? g_new0(mt_opinions, 1) : NULL;

    if (o == NULL)
        return NULL;
    o->cases = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, said_free);
    for (guint i = 0; i < events->len; i++)
        mt_opinions_add(o, events->pdata[i]);
    return o;
}

void mt_opinions_free(mt_opinions *o)
{
    if (o == NULL)
        return;
    g_hash_table_unref(o->cases);
    g_free(o);
}

json_t *mt_opinions_json(const mt_opinions *o, const char *case_id)
{
    const said *s = g_hash_table_lookup(o->cases, case_id);

    return s != NULL ? json_pack("{s:I s:s s:s s:s}", "version", (json_int_t)s->version, "state", s->state, "user", s->user, "at", s->at)
                     : NULL;
}

bool mt_opinions_has(const mt_opinions *o, const char *case_id, const char *user)
{
    const said *s = g_hash_table_lookup(o->cases, case_id);

    return s != NULL && g_hash_table_contains(s->readers, user);
}
