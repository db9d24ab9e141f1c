/* Where values lie, and the reorders that bring them where a primitive wants them. */
#include "kernels/onednn/lower.h"
#include "kernels/onednn/lowering_private.h"
#include "src/base/alloc.h"

#include <string.h>

mt_session *mt_lower_session(const mt_lowering *l)
{
    return l->session;
}

dnnl_engine_t mt_lower_engine(const mt_lowering *l)
{
    return l->runtime->engine;
}

dnnl_stream_t mt_lower_stream(const mt_lowering *l)
{
    return l->runtime->stream;
}

const mt_md *mt_lower_keep(mt_lowering *l, mt_md *md)
{
    if (md != NULL)
        g_ptr_array_add(l->mds, md);
    return md;
}

const mt_md *mt_lower_md(mt_lowering *l, int n, const int64_t *dims, const int64_t *strides)
{
    static const int64_t one[] = {1};
    mt_view              row;

    if (n == 0)
        return mt_lower_keep(l, mt_md_new_strided(1, one, one));
    if (strides == NULL) {
        mt_view_init(&row, n, dims);
        strides = row.strides;
    }
    return mt_lower_keep(l, mt_md_new_strided(n, dims, strides));
}

const mt_md *mt_lower_any(mt_lowering *l, int n, const int64_t *dims)
{
    return mt_lower_keep(l, mt_md_new_any(n, dims));
}

const mt_md *mt_place_md(mt_lowering *l, const mt_place *place)
{
    return place->strided ? mt_lower_md(l, place->view.n, place->view.dims, place->view.strides) : place->md;
}

bool mt_same_layout(const mt_md *a, const mt_md *b)
{
    int64_t da[MT_VIEW_MAX], db[MT_VIEW_MAX], sa[MT_VIEW_MAX], sb[MT_VIEW_MAX];
    int     na, nb;

    if (a == NULL || b == NULL)
        return false;
    if (mt_md_equal(a, b))
        return true;
    if (!mt_md_strides(a, &na, da, sa) || !mt_md_strides(b, &nb, db, sb) || na != nb)
        return false;
    for (int i = 0; i < na; i++)
        if (da[i] != db[i] || (da[i] != 1 && sa[i] != sb[i]))
            return false;
    return true;
}

/* The layout `md` as a place without memory. */
static void describe(mt_place *place, mt_lowering *l, const mt_md *md)
{
    int n;

    *place = (mt_place){0};
    place->strided = mt_md_strides(md, &n, place->view.dims, place->view.strides);
    if (!place->strided) {
        place->md = (mt_md *)mt_lower_keep(l, mt_md_copy(md));
        return;
    }
    place->view.rank = place->view.n = n;
    for (int i = 0; i < n; i++)
        place->view.parts[i] = 1;
}

mt_place mt_lower_new(mt_lowering *l, const mt_md *md)
{
    mt_place place;

    describe(&place, l, md);
    place.buffer = mt_session_buffer(l->session, mt_md_bytes(md));
    return place;
}

mt_place mt_lower_new_view(mt_lowering *l, const mt_view *view)
{
    mt_place place = {.strided = true, .view = *view};

    place.buffer = mt_session_buffer(l->session, (size_t)mt_view_count(view) * sizeof(float));
    return place;
}

static GPtrArray *list_for(GHashTable *table, const void *key)
{
    GPtrArray *list = g_hash_table_lookup(table, key);

    if (list == NULL) {
        list = g_ptr_array_new();
        g_hash_table_insert(table, (gpointer)key, list);
    }
    return list;
}

static const mt_place *note_place(mt_lowering *l, const mt_value *value, const mt_place *place)
{
    mt_place *copy = g_memdup2(place, sizeof *place);

    g_ptr_array_add(l->extra, copy);
    g_ptr_array_add(list_for(l->places, value), copy);
    g_ptr_array_add(list_for(l->holders, place->buffer), (gpointer)value);
    return copy;
}

void mt_lower_put(mt_lowering *l, const mt_value *value, const mt_place *place)
{
    note_place(l, value, place);
}

const mt_place *mt_lower_native(mt_lowering *l, const mt_value *value)
{
    GPtrArray *list = g_hash_table_lookup(l->places, value);
    mt_place   place = {.strided = true};

    if (list != NULL)
        return list->pdata[0];
    g_assert(value->constant != NULL); /* every other value has been put by its producer */
    mt_view_init(&place.view, value->rank, value->shape);
    place.buffer = mt_session_constant(l->session, value->constant->data, mt_tensor_bytes(value->constant));
    return note_place(l, value, &place);
}

/* Moves the value from where it lies to `to`; both descriptors have the dimensions of one another. */
static const mt_place *move(mt_lowering *l, const mt_value *value, const mt_place *from, const mt_md *from_md, const mt_place *to,
                            const mt_md *to_md, GError **error)
{
    if (!mt_lower_reorder(l, value->name, from, from_md, to, to_md, error))
        return NULL;
    return note_place(l, value, to);
}

/* From blocks to row-major. */
static const mt_place *unblock(mt_lowering *l, const mt_value *value, const mt_place *from, GError **error)
{
    mt_view  view;
    mt_place to;

    mt_view_init(&view, value->rank, value->shape);
    to = mt_lower_new_view(l, &view);
    return move(l, value, from, from->md, &to, mt_place_md(l, &to), error);
}

const mt_place *mt_lower_strided(mt_lowering *l, const mt_value *value, GError **error)
{
    const mt_place *native = mt_lower_native(l, value);
    GPtrArray      *list = g_hash_table_lookup(l->places, value);

    for (guint i = 0; i < list->len; i++)
        if (((mt_place *)list->pdata[i])->strided)
            return list->pdata[i];
    return unblock(l, value, native, error);
}

/* From strides to strides.  Where the cuts of both sides have nothing in common the way leads over row-major memory, which
 * can be cut like either. */
static const mt_place *restride(mt_lowering *l, const mt_value *value, const mt_place *from, const mt_view *view, GError **error)
{
    mt_view      source = from->view, target = *view;
    mt_place     to;
    const mt_md *from_md, *to_md;

    if (!mt_view_refine(&source, &target)) {
        from = mt_lower_plain(l, value, error);
        if (from == NULL)
            return NULL;
        source = from->view;
        target = *view;
        if (!mt_view_refine(&source, &target)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "value '%s': its layout has too many parts", value->name);
            return NULL;
        }
    }
    to = mt_lower_new_view(l, view);
    from_md = mt_lower_md(l, source.n, source.dims, source.strides);
    to_md = mt_lower_md(l, target.n, target.dims, target.strides);
    return move(l, value, from, from_md, &to, to_md, error);
}

const mt_place *mt_lower_like(mt_lowering *l, const mt_value *value, const mt_view *view, GError **error)
{
    const mt_place *from = mt_lower_strided(l, value, error);
    GPtrArray      *list = g_hash_table_lookup(l->places, value);
    mt_view         wanted = *view, joined;

    if (from == NULL)
        return NULL;
    mt_view_join(&wanted);
    for (guint i = 0; i < list->len; i++) {
        const mt_place *place = list->pdata[i];

        joined = place->view;
        mt_view_join(&joined);
        if (place->strided && mt_view_equal(&joined, &wanted))
            return place;
    }
    return restride(l, value, from, view, error);
}

const mt_place *mt_lower_plain(mt_lowering *l, const mt_value *value, GError **error)
{
    const mt_place *from = mt_lower_strided(l, value, error);
    GPtrArray      *list = g_hash_table_lookup(l->places, value);
    mt_view         view;

    for (guint i = 0; from != NULL && i < list->len; i++) {
        const mt_place *place = list->pdata[i];
        if (place->strided && mt_view_is_contiguous(&place->view))
            return place;
    }
    if (from == NULL)
        return NULL;
    mt_view_init(&view, value->rank, value->shape);
    return restride(l, value, from, &view, error);
}

const mt_place *mt_lower_dense(mt_lowering *l, const mt_value *value, GError **error)
{
    const mt_place *native = mt_lower_native(l, value);
    mt_place        joined = *native;

    if (!native->strided)
        return native;
    if (!mt_view_join(&joined.view) || !mt_view_is_dense(&joined.view))
        return mt_lower_plain(l, value, error);
    if (joined.view.n == native->view.n)
        return native;
    return note_place(l, value, &joined);
}

const mt_place *mt_lower_as(mt_lowering *l, const mt_value *value, const mt_md *md, GError **error)
{
    const mt_place *native = mt_lower_native(l, value);
    GPtrArray      *list = g_hash_table_lookup(l->places, value);
    mt_place        to;

    for (guint i = 0; i < list->len; i++) {
        mt_place place = *(mt_place *)list->pdata[i];

        if ((!place.strided || mt_view_join(&place.view)) && mt_same_layout(mt_place_md(l, &place), md))
            return list->pdata[i];
    }
    describe(&to, l, md);
    if (to.strided)
        return mt_lower_like(l, value, &to.view, error);
    to.buffer = mt_session_buffer(l->session, mt_md_bytes(md));
    if (native->strided) {
        mt_place joined = *native;
        if (!mt_view_join(&joined.view)) {
            native = mt_lower_plain(l, value, error);
            if (native == NULL)
                return NULL;
            joined = *native;
            mt_view_join(&joined.view);
        }
        return move(l, value, native, mt_place_md(l, &joined), &to, md, error);
    }
    return move(l, value, native, native->md, &to, md, error);
}

typedef struct packing {
    mt_lowering *l;
    const mt_md *from, *to;
    const void  *data;
} packing;

static bool pack(void *memory, void *data, GError **error)
{
    packing              *p = data;
    dnnl_primitive_desc_t pd = NULL;

    if (!mt_pd_reorder(&pd, p->l->runtime->engine, NULL, p->from, p->to)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "oneDNN has no reorder for these weights");
        return false;
    }
    return mt_execute_now(p->l, pd, p->from, p->data, p->to, memory, error);
}

/* Weights that were made for this session's shapes are packed for it alone. */
static const void *pack_own(mt_lowering *l, packing *p, GError **error)
{
    void *memory = mt_alloc((int64_t)mt_md_bytes(p->to), 1, error);

    if (memory == NULL)
        return NULL;
    g_ptr_array_add(l->runtime->packed, memory);
    return pack(memory, p, error) ? memory : NULL;
}

bool mt_lower_packed(mt_lowering *l, const mt_tensor *tensor, const mt_md *from, const mt_md *to, mt_place *place, GError **error)
{
    packing     p = {.l = l, .from = from, .to = to, .data = tensor->data};
    const void *data = tensor->data;

    describe(place, l, to);
    if (!mt_same_layout(from, to)) {
        g_autofree char *a = mt_md_key(from), *b = mt_md_key(to), *key = g_strconcat(a, " ", b, NULL);

        if (mt_compiled_owns(l->session->compiled, tensor))
            data = mt_compiled_pack(l->session->compiled, tensor, key, mt_md_bytes(to), pack, &p, error);
        else
            data = pack_own(l, &p, error);
    }
    if (data == NULL)
        return false;
    place->buffer = mt_session_constant(l->session, data, mt_md_bytes(to));
    return true;
}

bool mt_lower_dies(mt_lowering *l, const mt_place *place)
{
    GPtrArray *holders = g_hash_table_lookup(l->holders, place->buffer);

    if (place->buffer->kind != MT_BUFFER_ARENA || place->offset != 0 || holders == NULL)
        return false;
    for (guint i = 0; i < holders->len; i++)
        if (GPOINTER_TO_INT(g_hash_table_lookup(l->last_use, holders->pdata[i])) - 1 > l->now)
            return false;
    return true;
}
