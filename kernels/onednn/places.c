/* Where values lie, and the reorders that bring them where a primitive wants them. */
#include "kernels/onednn/lower.h"
#include "kernels/onednn/lowering_private.h"
#include "kernels/reference/operator.h"
#include "kernels/tensor/mapped.h"
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

mt_dtype mt_lower_type(const mt_lowering *l)
{
    return l->type;
}

mt_dtype mt_lower_set_type(mt_lowering *l, mt_dtype type)
{
    mt_dtype was = l->type;

    l->type = type;
    return was;
}

/* In which type `value` is wanted at the moment. */
static mt_dtype wanted_type(const mt_lowering *l, const mt_value *value)
{
    return value->dtype == MT_F32 ? l->type : value->dtype;
}

const mt_md *mt_lower_keep(mt_lowering *l, mt_md *md)
{
    if (md != NULL)
        g_ptr_array_add(l->mds, md);
    return md;
}

const mt_md *mt_lower_typed_md(mt_lowering *l, mt_dtype type, int n, const int64_t *dims, const int64_t *strides)
{
    static const int64_t one[] = {1};
    mt_view              row;

    if (n == 0)
        return mt_lower_keep(l, mt_md_new_strided(type, 1, one, one));
    if (strides == NULL) {
        mt_view_init(&row, n, dims);
        strides = row.strides;
    }
    return mt_lower_keep(l, mt_md_new_strided(type, n, dims, strides));
}

const mt_md *mt_lower_md(mt_lowering *l, int n, const int64_t *dims, const int64_t *strides)
{
    return mt_lower_typed_md(l, l->type, n, dims, strides);
}

const mt_md *mt_lower_typed_any(mt_lowering *l, mt_dtype type, int n, const int64_t *dims)
{
    return mt_lower_keep(l, mt_md_new_any(type, n, dims));
}

const mt_md *mt_lower_any(mt_lowering *l, int n, const int64_t *dims)
{
    return mt_lower_typed_any(l, l->type, n, dims);
}

const mt_md *mt_place_md(mt_lowering *l, const mt_place *place)
{
    return place->strided ? mt_lower_typed_md(l, place->type, place->view.n, place->view.dims, place->view.strides) : place->md;
}

bool mt_same_layout(const mt_md *a, const mt_md *b)
{
    int64_t da[MT_VIEW_MAX], db[MT_VIEW_MAX], sa[MT_VIEW_MAX], sb[MT_VIEW_MAX];
    int     na, nb;

    if (a == NULL || b == NULL)
        return false;
    if (mt_md_equal(a, b))
        return true;
    if (mt_md_type(a) != mt_md_type(b))
        return false;
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

    *place = (mt_place){.type = mt_md_type(md)};
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

mt_place mt_lower_new_typed(mt_lowering *l, mt_dtype type, const mt_view *view)
{
    mt_place place = {.type = type, .strided = true, .view = *view};

    place.buffer = mt_session_buffer(l->session, (size_t)mt_view_count(view) * mt_dtype_size(type));
    return place;
}

mt_place mt_lower_new_view(mt_lowering *l, const mt_view *view)
{
    return mt_lower_new_typed(l, l->type, view);
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

/* A session keeps a copy of what the file has at an odd address; without memory for one the odd address must do. */
static const void *constant_data(mt_lowering *l, const mt_tensor *tensor)
{
    mt_tensor *aligned = mt_tensor_is_aligned(tensor) ? NULL : mt_tensor_aligned(tensor, NULL);

    if (aligned == NULL)
        return tensor->data;
    g_ptr_array_add(l->runtime->tensors, aligned);
    return aligned->data;
}

bool mt_lower_waits(mt_lowering *l, const mt_value *value)
{
    return value->constant == NULL && g_hash_table_lookup(l->places, value) == NULL;
}

/* Floats of quantised weights that are no part of a product of bytes. */
static const mt_place *dequantise(mt_lowering *l, const mt_value *value)
{
    const mt_node   *node = value->producer;
    const mt_tensor *inputs[3] = {NULL};
    mt_place         place = {.type = value->dtype, .strided = true};
    mt_tensor       *tensor = mt_tensor_new(value->dtype, value->rank, value->shape, NULL);

    for (guint i = 0; i < node->inputs->len && i < 3; i++)
        inputs[i] = mt_node_input(node, (int)i) == NULL ? NULL : mt_node_input(node, (int)i)->constant;
    if (tensor == NULL || !node->kernel->run(node, inputs, &tensor, NULL)) {
        g_clear_pointer(&tensor, mt_tensor_unref);
        return NULL;
    }
    g_ptr_array_add(l->runtime->tensors, tensor);
    mt_view_init(&place.view, value->rank, value->shape);
    place.buffer = mt_session_constant(l->session, tensor->data, mt_tensor_bytes(tensor));
    return note_place(l, value, &place);
}

const mt_place *mt_lower_origin(mt_lowering *l, const mt_value *value)
{
    GPtrArray *list = g_hash_table_lookup(l->places, value);
    mt_place   place = {.type = value->dtype, .strided = true};

    if (list != NULL)
        return list->pdata[0];
    if (value->constant == NULL) /* every other value has been put by its producer */
        return dequantise(l, value);
    mt_view_init(&place.view, value->rank, value->shape);
    place.buffer = mt_session_constant(l->session, constant_data(l, value->constant), mt_tensor_bytes(value->constant));
    return note_place(l, value, &place);
}

/* A constant in another type is converted once, not at each run. */
static const mt_place *convert_constant(mt_lowering *l, const mt_value *value, mt_dtype type, GError **error)
{
    const mt_md *from = mt_lower_typed_md(l, value->dtype, value->rank, value->shape, NULL);
    const mt_md *to = mt_lower_typed_md(l, type, value->rank, value->shape, NULL);
    mt_place     place;

    if (!mt_lower_packed(l, value->constant, from, to, &place, error))
        return NULL;
    mt_view_init(&place.view, value->rank, value->shape);
    return note_place(l, value, &place);
}

/* Between float32 and bfloat16: what lies strided keeps its order in memory and loses its gaps, blocks become row-major. */
static const mt_place *convert_float(mt_lowering *l, const mt_value *value, const mt_place *from, mt_dtype type, GError **error)
{
    mt_view      view = from->view;
    mt_place     to;
    const mt_md *from_md, *to_md;

    if (!from->strided) {
        mt_view_init(&view, value->rank, value->shape);
        from_md = from->md;
    } else {
        mt_view_join(&view);
        from_md = mt_lower_typed_md(l, from->type, view.n, view.dims, view.strides);
        mt_view_densify(&view);
    }
    to = mt_lower_new_typed(l, type, &view);
    to_md = mt_lower_typed_md(l, type, view.n, view.dims, view.strides);
    if (!mt_lower_reorder(l, value->name, from, from_md, &to, to_md, error))
        return NULL;
    return note_place(l, value, &to);
}

/* From or to quantised numbers: a loop over memory without gaps. */
static const mt_place *convert_quantised(mt_lowering *l, const mt_value *value, mt_dtype from_type, mt_dtype type, GError **error)
{
    mt_dtype        was = mt_lower_set_type(l, from_type);
    const mt_place *from = mt_lower_dense(l, value, error);
    mt_place        to;

    if (from != NULL && !from->strided)
        from = mt_lower_plain(l, value, error);
    l->type = was;
    if (from == NULL)
        return NULL;
    to = mt_lower_new_typed(l, type, &from->view);
    if (mt_is_quantised(type) && (!mt_value_quant(value, &to.quant) || to.quant.type != type)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "value '%s' has no scale", value->name);
        return NULL;
    }
    mt_lower_convert(l, value->name, from, &to);
    return note_place(l, value, &to);
}

static const mt_place *convert(mt_lowering *l, const mt_value *value, mt_dtype type, GError **error)
{
    const mt_place *from = mt_lower_origin(l, value);

    if (from == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MEMORY, "value '%s' could not be dequantised", value->name);
        return NULL;
    }
    if (from->type == type)
        return from;
    if (value->constant != NULL)
        return convert_constant(l, value, type, error);
    if (mt_is_quantised(from->type) || mt_is_quantised(type))
        return convert_quantised(l, value, from->type, type, error);
    return convert_float(l, value, from, type, error);
}

const mt_place *mt_lower_native(mt_lowering *l, const mt_value *value, GError **error)
{
    GPtrArray *list = g_hash_table_lookup(l->places, value);
    mt_dtype   type = wanted_type(l, value);

    for (guint i = 0; list != NULL && i < list->len; i++)
        if (((mt_place *)list->pdata[i])->type == type)
            return list->pdata[i];
    return convert(l, value, type, error);
}

/* Moves the value from where it lies to `to`; both descriptors have the dimensions of one another. */
static const mt_place *move(mt_lowering *l, const mt_value *value, const mt_place *from, const mt_md *from_md, mt_place *to,
                            const mt_md *to_md, GError **error)
{
    if (!mt_lower_reorder(l, value->name, from, from_md, to, to_md, error))
        return NULL;
    to->quant = from->quant;
    return note_place(l, value, to);
}

/* From blocks to row-major. */
static const mt_place *unblock(mt_lowering *l, const mt_value *value, const mt_place *from, GError **error)
{
    mt_view  view;
    mt_place to;

    mt_view_init(&view, value->rank, value->shape);
    to = mt_lower_new_typed(l, from->type, &view);
    return move(l, value, from, from->md, &to, mt_place_md(l, &to), error);
}

const mt_place *mt_lower_strided(mt_lowering *l, const mt_value *value, GError **error)
{
    const mt_place *native = mt_lower_native(l, value, error);
    GPtrArray      *list = g_hash_table_lookup(l->places, value);

    for (guint i = 0; native != NULL && i < list->len; i++) {
        const mt_place *place = list->pdata[i];
        if (place->strided && place->type == native->type)
            return place;
    }
    return native == NULL ? NULL : unblock(l, value, native, error);
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
    to = mt_lower_new_typed(l, from->type, view);
    from_md = mt_lower_typed_md(l, from->type, source.n, source.dims, source.strides);
    to_md = mt_lower_typed_md(l, from->type, target.n, target.dims, target.strides);
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
        if (place->strided && place->type == from->type && mt_view_equal(&joined, &wanted))
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
        if (place->strided && place->type == from->type && mt_view_is_contiguous(&place->view))
            return place;
    }
    if (from == NULL)
        return NULL;
    mt_view_init(&view, value->rank, value->shape);
    return restride(l, value, from, &view, error);
}

const mt_place *mt_lower_vector(mt_lowering *l, const mt_value *value, GError **error)
{
    mt_dtype        was = mt_lower_set_type(l, MT_F32);
    const mt_place *place = mt_lower_plain(l, value, error);

    l->type = was;
    return place;
}

const mt_place *mt_lower_dense(mt_lowering *l, const mt_value *value, GError **error)
{
    const mt_place *native = mt_lower_native(l, value, error);
    mt_place        joined;

    if (native == NULL || !native->strided)
        return native;
    joined = *native;
    if (!mt_view_join(&joined.view) || !mt_view_is_dense(&joined.view))
        return mt_lower_plain(l, value, error);
    if (joined.view.n == native->view.n)
        return native;
    return note_place(l, value, &joined);
}

/* A place in layout `md` that exists already. */
static const mt_place *find_as(mt_lowering *l, const mt_value *value, const mt_md *md)
{
    GPtrArray *list = g_hash_table_lookup(l->places, value);

    for (guint i = 0; i < list->len; i++) {
        mt_place place = *(mt_place *)list->pdata[i];

        if (place.type == mt_md_type(md) && (!place.strided || mt_view_join(&place.view)) && mt_same_layout(mt_place_md(l, &place), md))
            return list->pdata[i];
    }
    return NULL;
}

const mt_place *mt_lower_as(mt_lowering *l, const mt_value *value, const mt_md *md, GError **error)
{
    mt_dtype        was = mt_lower_set_type(l, mt_md_type(md));
    const mt_place *native = mt_lower_native(l, value, error), *found = native == NULL ? NULL : find_as(l, value, md);
    mt_place        to, joined;

    if (native == NULL || found != NULL) {
        l->type = was;
        return found;
    }
    describe(&to, l, md);
    if (to.strided) {
        found = mt_lower_like(l, value, &to.view, error);
        l->type = was;
        return found;
    }
    to.buffer = mt_session_buffer(l->session, mt_md_bytes(md));
    joined = *native;
    if (native->strided && !mt_view_join(&joined.view)) {
        native = mt_lower_plain(l, value, error);
        if (native != NULL)
            joined = *native;
        mt_view_join(&joined.view);
    }
    l->type = was;
    return native == NULL ? NULL : move(l, value, native, mt_place_md(l, &joined), &to, md, error);
}

typedef struct packing {
    mt_lowering *l;
    const mt_md *from, *to;

    const mt_tensor *tensor;
    int64_t          first; /* element */
} packing;

static bool pack(void *memory, void *data, GError **error)
{
    packing              *p = data;
    dnnl_primitive_desc_t pd = NULL;
    g_autoptr(mt_tensor) source = mt_tensor_aligned(p->tensor, error);

    if (source == NULL)
        return false;
    if (!mt_pd_reorder(&pd, p->l->runtime->engine, NULL, p->from, p->to)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "oneDNN has no reorder for these weights");
        return false;
    }
    return mt_execute_now(p->l, pd, p->from, (char *)source->data + (size_t)p->first * mt_dtype_size(source->dtype), p->to, memory, error);
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
    return mt_lower_packed_part(l, tensor, 0, from, to, place, error);
}

bool mt_lower_packed_part(mt_lowering *l, const mt_tensor *tensor, int64_t first, const mt_md *from, const mt_md *to, mt_place *place,
                          GError **error)
{
    packing     p = {.l = l, .from = from, .to = to, .tensor = tensor, .first = first};
    const void *data = (const char *)tensor->data + (size_t)first * mt_dtype_size(tensor->dtype);

    describe(place, l, to);
    if (!mt_same_layout(from, to) || !mt_tensor_is_aligned(tensor)) {
        g_autofree char *a = mt_md_key(from), *b = mt_md_key(to), *key = g_strdup_printf("%s %s %" G_GINT64_FORMAT, a, b, first);

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
