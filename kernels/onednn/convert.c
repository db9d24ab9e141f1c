/* The types in which values are stored, and loops from one to another. */
#include "kernels/onednn/float_rows.h"
#include "kernels/onednn/lower.h"
#include "kernels/onednn/lowering_private.h"

#include <string.h>

#define CHUNK 1024

typedef struct conversion {
    mt_place from, to;
    int64_t  count;
} conversion;

bool mt_is_quantised(mt_dtype type)
{
    return type == MT_U8 || type == MT_I8;
}

static void load(const mt_place *place, int64_t first, int64_t n, float *to)
{
    const char *at = (const char *)place->buffer->data + place->offset + (size_t)first * mt_dtype_size(place->type);

    if (mt_is_quantised(place->type))
        mt_dequantise_row(place->type, n, at, place->quant.scale, place->quant.zero, to);
    else
        mt_to_float(place->type, n, at, 1, to);
}

static void store(const mt_place *place, int64_t first, int64_t n, const float *from)
{
    char *at = (char *)place->buffer->data + place->offset + (size_t)first * mt_dtype_size(place->type);

    if (mt_is_quantised(place->type))
        mt_quantise_row(place->type, n, from, place->quant.scale, place->quant.zero, at);
    else
        mt_from_float(place->type, n, from, at);
}

static bool run_conversion(mt_step *step, mt_session *session, GError **error)
{
    const conversion *c = step->context;

    (void)session;
    (void)error;
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < c->count; first += CHUNK) {
        int64_t n = MIN(CHUNK, c->count - first);
        float   row[CHUNK];

        load(&c->from, first, n, row);
        store(&c->to, first, n, row);
    }
    return true;
}

void mt_lower_convert(mt_lowering *l, const char *name, const mt_place *from, const mt_place *to)
{
    mt_session *session = mt_lower_session(l);
    conversion *c = g_new0(conversion, 1);
    mt_step    *step;

    *c = (conversion){.from = *from, .to = *to, .count = mt_view_count(&from->view)};
    step = mt_session_step(session, name, mt_is_quantised(to->type) ? "quantise" : "dequantise", c, g_free);
    step->run = run_conversion;
    mt_step_reads(session, step, from->buffer);
    mt_step_writes(session, step, to->buffer);
}

static bool is_view(const mt_node *node)
{
    static const char *const views[] = {"Reshape", "Transpose", "Split", "Slice", "Gather", "Squeeze", "Unsqueeze", "Flatten", "Identity"};

    for (size_t i = 0; i < G_N_ELEMENTS(views); i++)
        if (strcmp(node->op, views[i]) == 0)
            return true;
    return false;
}

/* Is `value`, perhaps seen through views, read by nothing but attention and the outside? */
static bool is_read_in_f32(const mt_graph *graph, const mt_value *value)
{
    for (guint i = 0; i < graph->nodes->len; i++) {
        const mt_node *user = graph->nodes->pdata[i];

        for (guint k = 0; k < user->inputs->len; k++)
            if (user->inputs->pdata[k] == value && strcmp(user->op, "mt.Attention") != 0) {
                if (k > 0 || !is_view(user))
                    return false;
                for (guint o = 0; o < user->outputs->len; o++)
                    if (user->outputs->pdata[o] != NULL && !is_read_in_f32(graph, user->outputs->pdata[o]))
                        return false;
            }
    }
    return true;
}

mt_dtype mt_lower_result_type(const mt_lowering *l, const mt_node *node)
{
    if (l->compute == MT_F32)
        return MT_F32;
    return is_read_in_f32(l->session->graph, mt_node_output(node, 0)) ? MT_F32 : l->compute;
}
