/* Multi-head gated attention (TRIDENT's ABMILSlideEncoder): h = gelu(pre x); head i: s_i = branch_i(tanh(a_i h) * sigmoid(g_i h)),
 * z_i = sum of softmax(s_i) h; M = gelu(post(condense(z_0, z_1, ..))).  With a classifier logits = W M + b, else a slide embedding.
 * Keys: pre_attention_layers.0, image_pooler.attention_heads.{i}.0, .gating_layers.{i}.0 (or none of them), .branching_layers.{i},
 * .condensing_layer (absent for one head), post_attention_layers.0, classifier.
 * All heads are one attention pool: their layers on top of each other, and the branches a matrix with zeros off its blocks. */
#include "mil/aggregator.h"
#include "mil/attention_pool.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

#define HEADS_MAX 256

typedef struct multi_head {
    void     *pool;
    int64_t   heads, width;
    mt_linear condense, post, classifier; /* weight NULL: none */
} multi_head;

static void free_multi_head(void *data)
{
    multi_head *self = data;

    if (self == NULL)
        return;
    mt_attention_pool_free(self->pool);
    mt_linear_clear(&self->condense);
    mt_linear_clear(&self->post);
    mt_linear_clear(&self->classifier);
    g_free(self);
}

static bool recognise(const mt_state_dict *dict)
{
    return mt_state_dict_has_linear(dict, "image_pooler.attention_heads.0.0");
}

static char *head_key(const char *part, int64_t head, const char *after)
{
    return g_strdup_printf("image_pooler.%s.%" G_GINT64_FORMAT "%s", part, head, after);
}

static int64_t count_heads(const mt_state_dict *dict)
{
    for (int64_t i = 0; i < HEADS_MAX; i++) {
        g_autofree char *key = head_key("attention_heads", i, ".0");
        if (!mt_state_dict_has_linear(dict, key))
            return MAX(i, 1);
    }
    return HEADS_MAX;
}

/* Room for `heads` layers like `one`, on top of each other; `in` columns, all zero. */
static bool make_stack(mt_linear *stack, const char *key, int64_t out, int64_t in, GError **error)
{
    *stack = (mt_linear){.out = out, .in = in, .key = g_strdup(key)};
    stack->weight = mt_tensor_new(MT_F32, 2, (int64_t[]){out, in}, error);
    stack->bias = stack->weight != NULL ? mt_tensor_new(MT_F32, 1, &out, error) : NULL;
    if (stack->bias == NULL)
        return false;
    memset(stack->weight->data, 0, (size_t)(out * in) * sizeof(float));
    return true;
}

/* Layer `one` becomes rows row .. of the stack, from column `column`. */
static void put(mt_linear *stack, const mt_linear *one, int64_t row, int64_t column)
{
    for (int64_t i = 0; i < one->out; i++) {
        memcpy((float *)stack->weight->data + (row + i) * stack->in + column, (const float *)one->weight->data + i * one->in,
               (size_t)one->in * sizeof(float));
        ((float *)stack->bias->data)[row + i] = ((const float *)one->bias->data)[i];
    }
}

/* PART.{i}AFTER of all heads; the first sets the width of the others. */
static bool take_stack(mt_state_dict *dict, const char *part, const char *after, int64_t heads, int64_t in, int64_t out, mt_linear *stack,
                       GError **error)
{
    bool ok = true;

    for (int64_t i = 0; ok && i < heads; i++) {
        g_autofree char *key = head_key(part, i, after);
        mt_linear        one = {0};
        ok = mt_state_dict_take_linear(dict, key, in, out, NULL, &one, error) &&
             (i > 0 || make_stack(stack, part, heads * one.out, in, error));
        if (ok) {
            out = one.out;
            put(stack, &one, i * out, 0);
        }
        mt_linear_clear(&one);
    }
    return ok;
}

static bool take_branches(mt_state_dict *dict, int64_t heads, const mt_linear *before, mt_linear *stack, GError **error)
{
    int64_t width = before->out / heads;
    bool    ok = make_stack(stack, "branching_layers", heads, before->out, error);

    for (int64_t i = 0; ok && i < heads; i++) {
        g_autofree char *key = head_key("branching_layers", i, "");
        mt_linear        one = {0};
        ok = mt_state_dict_take_linear(dict, key, width, 1, NULL, &one, error);
        if (ok)
            put(stack, &one, i, i * width);
        mt_linear_clear(&one);
    }
    return ok;
}

static bool take_heads(mt_state_dict *dict, int64_t heads, mt_attention_layers *layers, GError **error)
{
    layers->gelu = layers->branch_per_class = true;
    if (!mt_state_dict_take_linear(dict, "pre_attention_layers.0", 0, 0, NULL, &layers->project, error))
        return false;
    int64_t width = layers->project.out;
    if (!take_stack(dict, "attention_heads", ".0", heads, width, 0, &layers->tanh_branch, error))
        return false;
    if (mt_state_dict_has_linear(dict, "image_pooler.gating_layers.0.0") &&
        !take_stack(dict, "gating_layers", ".0", heads, width, layers->tanh_branch.out / heads, &layers->gate, error))
        return false;
    return take_branches(dict, heads, &layers->tanh_branch, &layers->logits, error);
}

static bool take_end(multi_head *self, mt_state_dict *dict, GError **error)
{
    if (self->heads > 1 && !mt_state_dict_take_linear(dict, "image_pooler.condensing_layer", self->heads * self->width, self->width, NULL,
                                                      &self->condense, error))
        return false;
    if (!mt_state_dict_take_linear(dict, "post_attention_layers.0", self->width, 0, NULL, &self->post, error))
        return false;
    return (!mt_state_dict_has_linear(dict, "classifier") ||
            mt_state_dict_take_linear(dict, "classifier", self->post.out, 0, &self->post, &self->classifier, error)) &&
           mt_state_dict_check_used(dict, "multi_head", error);
}

static bool take_all(multi_head *self, mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    g_auto(mt_attention_layers) layers = {0};

    self->heads = count_heads(dict);
    if (!take_heads(dict, self->heads, &layers, error))
        return false;
    self->width = layers.project.out;
    if (!take_end(self, dict, error))
        return false;
    self->pool = mt_attention_pool_new(&layers, shape, error);
    shape->n_logits = self->classifier.weight != NULL ? self->classifier.out : 0;
    return self->pool != NULL;
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    multi_head *self = g_new0(multi_head, 1);

    if (!take_all(self, dict, shape, error)) {
        free_multi_head(self);
        return NULL;
    }
    return self;
}

static void apply(const mt_linear *linear, const float *x, float *y)
{
    for (int64_t i = 0; i < linear->out; i++) {
        const float *row = (const float *)linear->weight->data + i * linear->in;
        double       sum = ((const float *)linear->bias->data)[i];
        for (int64_t j = 0; j < linear->in; j++)
            sum += (double)row[j] * x[j];
        y[i] = (float)sum;
    }
}

static void gelu(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(0.5 * x[i] * (1 + erf(x[i] * M_SQRT1_2)));
}

static bool finish(const multi_head *self, mt_raw_output *raw, GError **error)
{
    float *condensed = mt_alloc(self->width, sizeof(float), error),
          *out = condensed != NULL ? mt_alloc(self->post.out, sizeof(float), error) : NULL;

    if (out != NULL) {
        if (self->condense.weight != NULL)
            apply(&self->condense, raw->embedding, condensed);
        apply(&self->post, self->condense.weight != NULL ? condensed : raw->embedding, out);
        gelu(out, self->post.out);
        mt_free(raw->embedding);
        raw->embedding = out;
        raw->dim = self->post.out;
    }
    mt_free(condensed);
    if (out == NULL || self->classifier.weight == NULL)
        return out != NULL;
    raw->n_logits = self->classifier.out;
    if ((raw->logits = mt_alloc(raw->n_logits, sizeof(float), error)) == NULL)
        return false;
    apply(&self->classifier, raw->embedding, raw->logits);
    return true;
}

static bool predict(const void *data, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const multi_head *self = data;

    if (!mt_attention_pool_predict(self->pool, bag, options, raw, error))
        return false;
    raw->heads = self->heads > 1;
    return finish(self, raw, error);
}

const mt_aggregator mt_aggregator_multi_head = {"multi_head", recognise, build, predict, free_multi_head};
