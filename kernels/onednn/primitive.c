/* A step that runs one primitive. */
#include "kernels/onednn/lower.h"
#include "kernels/onednn/lowering_private.h"

#include <string.h>

typedef struct argument {
    int        id;
    mt_buffer *buffer;
    size_t     offset;
    mt_md     *md;
} argument;

struct mt_primitive {
    mt_session           *session;
    mt_step              *step;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t      primitive;
    dnnl_engine_t         engine;
    dnnl_stream_t         stream;
    GArray               *arguments;
    dnnl_exec_arg_t      *exec; /* one per argument and one for the scratch memory */
    int                   n_exec;
};

static void free_primitive(void *context)
{
    mt_primitive *p = context;

    for (guint i = 0; i < p->arguments->len; i++)
        mt_md_free(g_array_index(p->arguments, argument, i).md);
    for (int i = 0; i < p->n_exec; i++)
        dnnl_memory_destroy(p->exec[i].memory);
    g_array_unref(p->arguments);
    g_free(p->exec);
    if (p->primitive != NULL)
        dnnl_primitive_destroy(p->primitive);
    dnnl_primitive_desc_destroy(p->pd);
    g_free(p);
}

static bool add_exec(mt_primitive *p, int id, const mt_md *md, void *data, GError **error)
{
    dnnl_memory_t memory = mt_memory_new(md, p->engine, data);

    if (memory == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MEMORY, "node '%s': oneDNN refused a memory object", p->step->name);
        return false;
    }
    p->exec[p->n_exec++] = (dnnl_exec_arg_t){.arg = id, .memory = memory};
    return true;
}

/* The caller's inputs have no address before a run: their memory objects are pointed at it then. */
static bool bind_primitive(mt_step *step, mt_session *session, GError **error)
{
    mt_primitive *p = step->context;
    g_autoptr(mt_md) scratch = mt_md_of(p->pd, dnnl_query_scratchpad_md, 0);

    p->exec = g_new0(dnnl_exec_arg_t, p->arguments->len + 1);
    for (guint i = 0; i < p->arguments->len; i++) {
        const argument *a = &g_array_index(p->arguments, argument, i);
        void           *data = a->buffer->kind == MT_BUFFER_INPUT ? NULL : (char *)a->buffer->data + a->offset;

        if (!add_exec(p, a->id, a->md, data, error))
            return false;
    }
    return scratch == NULL || add_exec(p, DNNL_ARG_SCRATCHPAD, scratch, session->scratch, error);
}

static bool run_primitive(mt_step *step, mt_session *session, GError **error)
{
    mt_primitive *p = step->context;
    dnnl_status_t status = dnnl_success;

    (void)session;
    for (guint i = 0; i < p->arguments->len && status == dnnl_success; i++) {
        const argument *a = &g_array_index(p->arguments, argument, i);
        if (a->buffer->kind == MT_BUFFER_INPUT)
            status = dnnl_memory_set_data_handle(p->exec[i].memory, (char *)a->buffer->data + a->offset);
    }
    if (status == dnnl_success)
        status = dnnl_primitive_execute(p->primitive, p->stream, p->n_exec, p->exec);
    if (status == dnnl_success)
        status = dnnl_stream_wait(p->stream);
    if (status != dnnl_success)
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "oneDNN status %d in %s", (int)status, step->implementation);
    return status == dnnl_success;
}

mt_primitive *mt_lower_primitive(mt_lowering *l, const char *name, dnnl_primitive_desc_t pd, GError **error)
{
    mt_primitive *p = g_new0(mt_primitive, 1);
    const char   *implementation = "onednn";
    g_autoptr(mt_md) scratch = mt_md_of(pd, dnnl_query_scratchpad_md, 0);

    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &implementation);
    p->session = l->session;
    p->pd = pd;
    p->engine = l->runtime->engine;
    p->stream = l->runtime->stream;
    p->arguments = g_array_new(FALSE, FALSE, sizeof(argument));
    if (dnnl_primitive_create(&p->primitive, pd) != dnnl_success) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "node '%s': oneDNN could not make %s", name, implementation);
        free_primitive(p);
        return NULL;
    }
    p->step = mt_session_step(l->session, name, implementation, p, free_primitive);
    p->step->bind = bind_primitive;
    p->step->run = run_primitive;
    p->step->scratch_bytes = scratch == NULL ? 0 : mt_md_bytes(scratch);
    return p;
}

static void add_argument(mt_primitive *p, int id, const mt_place *place, const mt_md *md)
{
    argument a = {.id = id, .buffer = place->buffer, .offset = place->offset, .md = mt_md_copy(md)};

    g_array_append_val(p->arguments, a);
}

void mt_primitive_reads(mt_primitive *p, int id, const mt_place *place, const mt_md *md)
{
    add_argument(p, id, place, md);
    mt_step_reads(p->session, p->step, place->buffer);
}

void mt_primitive_writes(mt_primitive *p, int id, const mt_place *place, const mt_md *md)
{
    add_argument(p, id, place, md);
    mt_step_writes(p->session, p->step, place->buffer);
}

void mt_primitive_in_place(mt_primitive *p, const mt_place *from, const mt_place *to)
{
    if (from->offset != 0 || to->offset != 0 || !from->strided || !to->strided) /* a padded result may be cleared before it is read */
        return;
    p->step->reuse_from = from->buffer;
    p->step->reuse_to = to->buffer;
}

dnnl_primitive_attr_t mt_lower_attr(void)
{
    dnnl_primitive_attr_t attr = NULL;

    if (dnnl_primitive_attr_create(&attr) != dnnl_success)
        return NULL;
    dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    mt_attr_deterministic(attr);
    return attr;
}

bool mt_is_slow(const_dnnl_primitive_desc_t pd)
{
    const char *implementation = "";

    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &implementation);
    return strncmp(implementation, "ref", 3) == 0;
}

bool mt_execute_now(mt_lowering *l, dnnl_primitive_desc_t pd, const mt_md *from_md, const void *from, const mt_md *to_md, void *to,
                    GError **error)
{
    dnnl_primitive_t primitive = NULL;
    dnnl_memory_t    source = mt_memory_new(from_md, l->runtime->engine, (void *)from);
    dnnl_memory_t    target = mt_memory_new(to_md, l->runtime->engine, to);
    dnnl_exec_arg_t  args[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, target}};
    bool             done = source != NULL && target != NULL && dnnl_primitive_create(&primitive, pd) == dnnl_success;

    done = done && dnnl_primitive_execute(primitive, l->runtime->stream, 2, args) == dnnl_success;
    done = done && dnnl_stream_wait(l->runtime->stream) == dnnl_success;
    if (primitive != NULL)
        dnnl_primitive_destroy(primitive);
    if (source != NULL)
        dnnl_memory_destroy(source);
    if (target != NULL)
        dnnl_memory_destroy(target);
    dnnl_primitive_desc_destroy(pd);
    if (!done)
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "oneDNN could not pack weights");
    return done;
}

bool mt_lower_reorder(mt_lowering *l, const char *name, const mt_place *from, const mt_md *from_md, const mt_place *to, const mt_md *to_md,
                      GError **error)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = mt_lower_attr();
    bool                  made = mt_pd_reorder(&pd, l->runtime->engine, attr, from_md, to_md);
    mt_primitive         *p;

    dnnl_primitive_attr_destroy(attr);
    if (!made) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "node '%s': oneDNN has no reorder between two of its layouts", name);
        return false;
    }
    p = mt_lower_primitive(l, name, pd, error);
    if (p == NULL)
        return false;
    mt_primitive_reads(p, DNNL_ARG_FROM, from, from_md);
    mt_primitive_writes(p, DNNL_ARG_TO, to, to_md);
    return true;
}
