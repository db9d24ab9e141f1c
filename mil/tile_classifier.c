#include "mil/tile_classifier.h"

#include "kernels/graph/model_from_graph.h"
#include "mil/bag_stream.h"
#include "mil/graph_layers.h"
#include "src/base/alloc.h"

#include <math.h>

void mt_tile_classifier_clear(mt_tile_classifier *self)
{
    g_clear_pointer(&self->model, mt_model_unref);
    mt_linear_clear(&self->hidden);
    mt_linear_clear(&self->output);
}

const char *mt_tile_classifier_linear_key(const mt_state_dict *dict)
{
    static const char *const keys[] = {"classifier", "fc", "linear", "head"};

    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        if (mt_state_dict_has_linear(dict, keys[i]))
            return keys[i];
    return keys[0];
}

static mt_model *build_model(const mt_tile_classifier *self, const char *kind, int64_t dim, GError **error)
{
    mt_graph *graph = mt_graph_new(MT_LAYERS_OPSET);
    mt_value *x = mt_graph_add_input(graph, "features", MT_F32, 2, (int64_t[]){-1, dim});

    if (self->hidden.weight != NULL)
        x = mt_layers_unary(graph, "Relu", mt_layers_linear(graph, self->hidden.weight, self->hidden.bias, x, error), error);
    x = mt_layers_linear(graph, self->output.weight, self->output.bias, x, error);
    if (x == NULL) {
        mt_graph_free(graph);
        return NULL;
    }
    mt_graph_mark_output(graph, x);
    return mt_model_new_from_graph(graph, kind, error);
}

bool mt_tile_classifier_take(mt_state_dict *dict, const char *hidden, const char *output, const char *kind, mt_tile_classifier *self,
                             mt_aggregator_shape *shape, GError **error)
{
    const mt_linear *before = hidden != NULL ? &self->hidden : NULL;

    if ((hidden != NULL && !mt_state_dict_take_linear(dict, hidden, 0, 0, NULL, &self->hidden, error)) ||
        !mt_state_dict_take_linear(dict, output, before != NULL ? before->out : 0, 0, before, &self->output, error) ||
        !mt_state_dict_check_used(dict, kind, error))
        return false;
    *shape = (mt_aggregator_shape){.dim = before != NULL ? before->in : self->output.in, .n_logits = self->output.out};
    self->model = build_model(self, kind, shape->dim, error);
    return self->model != NULL;
}

static bool run_block(void *user, mt_session *session, int64_t slot, int64_t tile, int64_t rows, const float *x, GError **error)
{
    mt_raw_output *raw = user;
    float         *logits = raw->tile_logits + tile * raw->n_logits;

    (void)slot;
    if (!mt_session_run(session, (const void *const[]){x}, (void *const[]){logits}, error))
        return false;
    for (int64_t i = 0; i < rows * raw->n_logits; i++)
        if (!isfinite(logits[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the logits of tile %" G_GINT64_FORMAT " are not finite",
                        tile + i / raw->n_logits);
            return false;
        }
    return true;
}

bool mt_tile_classifier_run(const mt_tile_classifier *self, const mt_bag *bag, int threads, int64_t n_attention, mt_raw_output *raw,
                            GError **error)
{
    mt_bag_stream stream = {.model = self->model, .block = run_block, .user = raw};

    raw->n = bag->n;
    raw->n_logits = self->output.out;
    raw->n_attention = n_attention;
    return (raw->logits = mt_alloc(raw->n_logits, sizeof(float), error)) != NULL &&
           (raw->tile_logits = mt_alloc(raw->n * raw->n_logits, sizeof(float), error)) != NULL &&
           (n_attention == 0 || ((raw->attention = mt_alloc(raw->n * n_attention, sizeof(float), error)) != NULL &&
                                 (raw->attention_logits = mt_alloc(raw->n * n_attention, sizeof(float), error)) != NULL)) &&
           mt_bag_stream_run(&stream, bag, threads, error);
}
