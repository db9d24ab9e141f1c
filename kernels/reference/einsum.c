/* Einsum: the sum of products over the letters that the output does not name.  Letters and "..." are understood. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/strided.h"

#include <string.h>

#define EINSUM_INPUTS 4
#define EINSUM_LETTERS 26
/* Labels 0..51 are letters, from 52 on the dimensions behind "...", counted from the right. */
#define ELLIPSIS 52
#define LABELS (ELLIPSIS + MT_MAX_RANK)

typedef struct {
    int     n_inputs;
    int     rank[EINSUM_INPUTS], label[EINSUM_INPUTS][MT_MAX_RANK];
    int     out_rank, out_label[MT_MAX_RANK];
    int     ellipsis;     /* dimensions it stands for at most */
    int64_t size[LABELS]; /* 0: does not occur, -1: open */
    bool    seen[LABELS];
} einsum_plan;

static bool refuse(const mt_node *node, GError **error)
{
    mt_node_error(node, error, "equation '%s' does not fit its inputs or is not understood", mt_node_string(node, "equation", ""));
    return false;
}

/* The labels of one term, whose rank is known (inputs) or not (output: pass -1). */
static int parse_term(const char *term, size_t length, int rank, int ellipsis, int *labels)
{
    int n = 0, letters = 0;

    for (size_t i = 0; i < length; i++)
        letters += g_ascii_isalpha(term[i]);
    for (size_t i = 0; i < length; i++) {
        if (term[i] == ' ')
            continue;
        if (g_ascii_isalpha(term[i]) && n < MT_MAX_RANK) {
            labels[n++] = g_ascii_isupper(term[i]) ? term[i] - 'A' + EINSUM_LETTERS : term[i] - 'a';
        } else if (length - i >= 3 && strncmp(term + i, "...", 3) == 0) {
            int covered = rank >= 0 ? rank - letters : ellipsis;

            if (covered < 0 || n + covered > MT_MAX_RANK)
                return -1;
            for (int k = covered - 1; k >= 0; k--)
                labels[n++] = ELLIPSIS + k;
            i += 2;
        } else {
            return -1;
        }
    }
    return rank >= 0 && n != rank ? -1 : n;
}

/* A size of 1 behind "..." broadcasts. */
static bool join_size(einsum_plan *p, int label, int64_t size)
{
    int64_t *known = &p->size[label];

    if (!p->seen[label] || *known == -1 || (label >= ELLIPSIS && *known == 1))
        *known = p->seen[label] && size == -1 ? *known : size;
    else if (size != *known && size != -1 && !(label >= ELLIPSIS && size == 1))
        return false;
    p->seen[label] = true;
    return true;
}

/* Without an arrow the output is "..." and the letters that occur once, in alphabetical order (upper case first). */
static void implied_output(einsum_plan *p)
{
    for (int k = p->ellipsis - 1; k >= 0; k--)
        p->out_label[p->out_rank++] = ELLIPSIS + k;
    for (int i = 0; i < ELLIPSIS; i++) {
        int label = (i + EINSUM_LETTERS) % ELLIPSIS, uses = 0;

        for (int k = 0; k < p->n_inputs; k++)
            for (int j = 0; j < p->rank[k]; j++)
                uses += p->label[k][j] == label;
        if (uses == 1 && p->out_rank < MT_MAX_RANK)
            p->out_label[p->out_rank++] = label;
    }
}

static bool parse_inputs(const mt_node *node, const char *text, const char *end, einsum_plan *p)
{
    for (p->n_inputs = 0; p->n_inputs < EINSUM_INPUTS; p->n_inputs++) {
        const mt_value *value = mt_node_input(node, p->n_inputs);
        const char     *comma = memchr(text, ',', (size_t)(end - text)), *stop = comma != NULL ? comma : end;
        int             k = p->n_inputs;

        if (value == NULL || (p->rank[k] = parse_term(text, (size_t)(stop - text), value->rank, 0, p->label[k])) < 0)
            return false;
        for (int i = 0; i < p->rank[k]; i++) {
            if (!join_size(p, p->label[k][i], value->shape[i]))
                return false;
            p->ellipsis = MAX(p->ellipsis, p->label[k][i] - ELLIPSIS + 1);
        }
        if (comma == NULL) {
            p->n_inputs++;
            return p->n_inputs == (int)node->inputs->len;
        }
        text = comma + 1;
    }
    return false;
}

static bool make_plan(const mt_node *node, einsum_plan *p, GError **error)
{
    const char *text = mt_node_string(node, "equation", ""), *arrow = strstr(text, "->");

    memset(p, 0, sizeof *p);
    if (!parse_inputs(node, text, arrow != NULL ? arrow : text + strlen(text), p))
        return refuse(node, error);
    if (arrow == NULL)
        implied_output(p);
    else
        p->out_rank = parse_term(arrow + 2, strlen(arrow + 2), -1, p->ellipsis, p->out_label);
    for (int i = 0; i < p->out_rank; i++)
        if (!p->seen[p->out_label[i]])
            return refuse(node, error);
    return p->out_rank >= 0 || refuse(node, error);
}

static bool infer_einsum(mt_node *node, GError **error)
{
    einsum_plan p;
    int64_t     shape[MT_MAX_RANK];

    if (!mt_want_inputs(node, MIN((int)node->inputs->len, EINSUM_INPUTS), EINSUM_INPUTS, error))
        return false;
    for (int i = 0; i < (int)node->inputs->len; i++)
        if (!mt_want_type(node, i, MT_TYPES_NUMBER, error) || !mt_want_same_type(node, 0, i, error))
            return false;
    if (!make_plan(node, &p, error))
        return false;
    for (int i = 0; i < p.out_rank; i++)
        shape[i] = p.size[p.out_label[i]];
    mt_set_output(node, 0, mt_node_input(node, 0)->dtype, p.out_rank, shape);
    return true;
}

/* The stride of every label in one operand; a letter that occurs twice takes the diagonal. */
static void label_strides(const einsum_plan *p, int k, const mt_tensor *operand, int64_t *strides)
{
    int64_t own[MT_MAX_RANK];

    memset(strides, 0, LABELS * sizeof *strides);
    mt_contiguous_strides(operand->rank, operand->shape, own);
    for (int i = 0; i < operand->rank; i++)
        strides[p->label[k][i]] += operand->shape[i] == 1 ? 0 : own[i];
}

typedef struct {
    const einsum_plan      *plan;
    const mt_tensor *const *inputs;
    int64_t                 stride[EINSUM_INPUTS][LABELS];
    int                     n_sum, sum_label[LABELS];
    int64_t                 n_terms;
} einsum_sum;

/* All terms of one output, whose operands start at `base`. */
static double sum_terms(const einsum_sum *s, const int64_t *base)
{
    double total = 0;

    for (int64_t term = 0; term < s->n_terms; term++) {
        int64_t at[EINSUM_INPUTS], rest = term;
        double  product = 1;

        memcpy(at, base, sizeof at);
        for (int i = s->n_sum - 1; i >= 0; i--) {
            int64_t size = s->plan->size[s->sum_label[i]], index = rest % size;

            rest /= size;
            for (int k = 0; k < s->plan->n_inputs; k++)
                at[k] += index * s->stride[k][s->sum_label[i]];
        }
        for (int k = 0; k < s->plan->n_inputs; k++)
            product *= mt_element_double(s->inputs[k], at[k]);
        total += product;
    }
    return total;
}

static void find_summed(einsum_sum *s)
{
    s->n_terms = 1;
    for (int label = 0; label < LABELS; label++) {
        bool named = false;

        for (int i = 0; i < s->plan->out_rank; i++)
            named = named || s->plan->out_label[i] == label;
        if (s->plan->seen[label] && !named) {
            s->sum_label[s->n_sum++] = label;
            s->n_terms *= s->plan->size[label];
        }
    }
}

static bool run_einsum(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    einsum_plan p;
    einsum_sum  s = {.plan = &p, .inputs = inputs};
    int64_t     count = mt_tensor_count(outputs[0]);

    if (!make_plan(node, &p, error))
        return false;
    for (int k = 0; k < p.n_inputs; k++)
        label_strides(&p, k, inputs[k], s.stride[k]);
    find_summed(&s);
    for (int64_t i = 0; i < count; i++) {
        int64_t base[EINSUM_INPUTS] = {0}, rest = i;

        for (int j = p.out_rank - 1; j >= 0; j--) {
            int64_t index = rest % outputs[0]->shape[j];

            rest /= outputs[0]->shape[j];
            for (int k = 0; k < p.n_inputs; k++)
                base[k] += index * s.stride[k][p.out_label[j]];
        }
        double total = sum_terms(&s, base);
        mt_store_doubles(outputs[0], i, 1, &total);
    }
    return true;
}

const mt_operator mt_family_einsum[] = {
    {"Einsum", 12, 21, infer_einsum, run_einsum},
    {NULL, 0, 0, NULL, NULL},
};
