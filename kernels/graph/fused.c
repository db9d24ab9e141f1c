#include "kernels/graph/fused.h"

#include <string.h>

/* Inputs that the operator itself may have, so that operands of posts never look like one of them. */
static int natural_inputs(const mt_node *node)
{
    if (strcmp(node->op, "Conv") == 0 || strcmp(node->op, "ConvTranspose") == 0 || strcmp(node->op, "Gemm") == 0)
        return 3;
    return MAX((int)node->inputs->len, 2);
}

const mt_fused *mt_node_fused(const mt_node *node)
{
    return node->fused;
}

guint mt_node_own_inputs(const mt_node *node)
{
    const mt_fused *fused = node->fused;

    return fused == NULL ? node->inputs->len : MIN(node->inputs->len, (guint)fused->n_inputs);
}

bool mt_node_can_fuse(const mt_node *node, int n)
{
    const mt_fused *fused = node->fused;

    return fused == NULL || (fused->n + n <= MT_POSTS_MAX && mt_node_float_posts(node) == fused->n);
}

int mt_node_float_posts(const mt_node *node)
{
    const mt_fused *fused = node->fused;

    if (fused == NULL || fused->n == 0)
        return 0;
    return fused->n - (fused->posts[fused->n - 1].kind == MT_POST_QUANTISE ? 1 : 0);
}

static mt_post *add_post(mt_node *node, mt_post_kind kind)
{
    mt_fused *fused = node->fused;

    if (fused == NULL) {
        fused = g_new0(mt_fused, 1);
        fused->n_inputs = natural_inputs(node);
        node->fused = fused;
        node->fused_free = g_free;
    }
    fused->posts[fused->n].kind = kind;
    return &fused->posts[fused->n++];
}

/* f, then g, where both are linear. */
static bool join_linear(mt_activation *f, const mt_activation *g)
{
    if (f->function != MT_FN_LINEAR || g->function != MT_FN_LINEAR)
        return false;
    *f = (mt_activation){MT_FN_LINEAR, g->alpha * f->alpha, g->alpha * f->beta + g->beta};
    return true;
}

static mt_activation *last_function(mt_fused *fused)
{
    mt_post *last = fused != NULL && fused->n > 0 ? &fused->posts[fused->n - 1] : NULL;

    return last != NULL && last->kind == MT_POST_ACTIVATION ? &last->activation : NULL;
}

static bool clashes(const mt_fused *fused, int but, const mt_activation *f)
{
    for (int i = 0; i < fused->n; i++) {
        const mt_activation *g = &fused->posts[i].activation;
        if (i != but && fused->posts[i].kind == MT_POST_ACTIVATION && g->function == f->function &&
            (g->alpha != f->alpha || g->beta != f->beta))
            return true;
    }
    return false;
}

bool mt_node_can_fuse_functions(const mt_node *node, const mt_activation *functions, int n)
{
    mt_fused trial = {0};

    if (!mt_node_can_fuse(node, 0))
        return false;
    if (node->fused != NULL)
        trial = *(const mt_fused *)node->fused;
    for (int i = 0; i < n; i++) {
        mt_activation *last = last_function(&trial);
        bool           joined = last != NULL && join_linear(last, &functions[i]);
        if (!joined && trial.n == MT_POSTS_MAX)
            return false;
        if (!joined)
            trial.posts[trial.n++] = (mt_post){.kind = MT_POST_ACTIVATION, .activation = functions[i]};
        if (clashes(&trial, trial.n - 1, &trial.posts[trial.n - 1].activation))
            return false;
    }
    return true;
}

void mt_node_fuse_activation(mt_node *node, const mt_activation *activation)
{
    mt_activation *last = last_function(node->fused);

    if (last == NULL || !join_linear(last, activation))
        add_post(node, MT_POST_ACTIVATION)->activation = *activation;
}

void mt_node_fuse_quantise(mt_node *node, const mt_quant *quant)
{
    add_post(node, MT_POST_QUANTISE)->quant = *quant;
}

void mt_node_fuse_operand(mt_node *node, mt_post_kind kind, mt_value *operand, mt_uses *uses)
{
    mt_post        *post = add_post(node, kind);
    const mt_fused *fused = node->fused;

    while ((int)node->inputs->len < fused->n_inputs)
        mt_uses_add_input(uses, node, NULL);
    post->input = (int)node->inputs->len;
    mt_uses_add_input(uses, node, operand);
}

void mt_node_absorb(mt_node *node, mt_node *user, mt_uses *uses)
{
    mt_uses_forget(uses, user);
    mt_uses_replace(uses, mt_node_output(user, 0), mt_node_output(node, 0));
}
