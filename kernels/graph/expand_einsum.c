/* A sum of products over letters is a product of matrices between views:
 *
 *   a, b -> Einsum("bhwc,hkc->bhwk") -> y
 *
 *   a -> Transpose -> Reshape (batch.., free a, summed) --> MatMul -> Reshape -> Transpose -> y
 *   b -> Transpose -> Reshape (batch.., summed, free b) -/
 *
 * Letters of both operands and the result are the batch, those of both but not the result are summed over.  Not for letters
 * that one operand has twice, that only one operand and not the result has, or for other than two operands. */
#include "kernels/graph/insert.h"
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"

typedef struct term {
    char letters[MT_MAX_RANK + 1];
    int  n;
} term;

typedef struct equation {
    term    a, b, out;
    term    batch, free_a, free_b, summed;
    int64_t size[128];
} equation;

static bool has(const term *t, char letter)
{
    return memchr(t->letters, letter, (size_t)t->n) != NULL;
}

static bool push(term *t, char letter)
{
    if (t->n == MT_MAX_RANK || has(t, letter))
        return false;
    t->letters[t->n++] = letter;
    return true;
}

static bool parse_term(term *t, const char **text)
{
    for (; g_ascii_isalpha(**text) || **text == ' '; (*text)++)
        if (**text != ' ' && !push(t, **text))
            return false;
    return true;
}

static bool parse(equation *e, const char *text)
{
    if (!parse_term(&e->a, &text) || *text++ != ',' || !parse_term(&e->b, &text) || *text++ != '-' || *text++ != '>')
        return false;
    return parse_term(&e->out, &text) && *text == '\0';
}

/* Sizes of the letters; false when the operands disagree. */
static bool measure(equation *e, const term *t, const mt_value *value)
{
    if (value == NULL || value->dtype != MT_F32 || value->rank != t->n)
        return false;
    for (int i = 0; i < t->n; i++) {
        int64_t *size = &e->size[(unsigned char)t->letters[i]];

        if (value->shape[i] < 1 || (*size != 0 && *size != value->shape[i]))
            return false;
        *size = value->shape[i];
    }
    return true;
}

static bool sort_letters(equation *e)
{
    for (int i = 0; i < e->a.n; i++) {
        char letter = e->a.letters[i];
        bool in_b = has(&e->b, letter), in_out = has(&e->out, letter);

        if (!in_b && !in_out)
            return false;
        push(in_b && in_out ? &e->batch : in_b ? &e->summed : &e->free_a, letter);
    }
    for (int i = 0; i < e->b.n; i++) {
        if (has(&e->a, e->b.letters[i]))
            continue;
        if (!has(&e->out, e->b.letters[i]))
            return false;
        push(&e->free_b, e->b.letters[i]);
    }
    return e->summed.n > 0 && e->batch.n + 2 <= MT_MAX_RANK;
}

static int64_t count_of(const equation *e, const term *t)
{
    int64_t count = 1;

    for (int i = 0; i < t->n; i++)
        count *= e->size[(unsigned char)t->letters[i]];
    return count;
}

static void append(term *t, const term *more)
{
    memcpy(t->letters + t->n, more->letters, (size_t)more->n);
    t->n += more->n;
}

/* Where the letters of `to` stand in `from`. */
static void permutation(const term *from, const term *to, int64_t *perm)
{
    for (int i = 0; i < to->n; i++)
        perm[i] = (const char *)memchr(from->letters, to->letters[i], (size_t)from->n) - from->letters;
}

/* `value` as a stack of matrices with the letters of `rows` and `columns`. */
static mt_value *as_matrices(const mt_inserter *at, const equation *e, mt_value *value, const term *own, const term *rows,
                             const term *columns, GError **error)
{
    term    order = e->batch;
    int64_t perm[MT_MAX_RANK], shape[MT_MAX_RANK];

    append(&order, rows);
    append(&order, columns);
    permutation(own, &order, perm);
    value = mt_insert_transpose(at, value, perm, error);
    for (int i = 0; i < e->batch.n; i++)
        shape[i] = e->size[(unsigned char)e->batch.letters[i]];
    shape[e->batch.n] = count_of(e, rows);
    shape[e->batch.n + 1] = count_of(e, columns);
    return value == NULL ? NULL : mt_insert_reshape(at, value, e->batch.n + 2, shape, error);
}

static mt_value *expand(const mt_inserter *at, const equation *e, mt_value *a, mt_value *b, GError **error)
{
    term    order = e->batch;
    int64_t perm[MT_MAX_RANK], shape[MT_MAX_RANK];

    a = as_matrices(at, e, a, &e->a, &e->free_a, &e->summed, error);
    b = a == NULL ? NULL : as_matrices(at, e, b, &e->b, &e->summed, &e->free_b, error);
    a = b == NULL ? NULL : mt_insert_binary(at, "MatMul", a, b, error);
    append(&order, &e->free_a);
    append(&order, &e->free_b);
    for (int i = 0; i < order.n; i++)
        shape[i] = e->size[(unsigned char)order.letters[i]];
    a = a == NULL ? NULL : mt_insert_reshape(at, a, order.n, shape, error);
    permutation(&order, &e->out, perm);
    return a == NULL ? NULL : mt_insert_transpose(at, a, perm, error);
}

static bool rewrite(mt_graph *graph, mt_uses *uses, mt_node *node, GError **error)
{
    mt_inserter at = {graph, uses, node};
    mt_value   *a = mt_node_input(node, 0), *b = mt_node_input(node, 1), *y;
    equation    e = {0};

    if (node->inputs->len != 2 || !parse(&e, mt_node_string(node, "equation", "")) || !measure(&e, &e.a, a) || !measure(&e, &e.b, b))
        return false;
    if (!sort_letters(&e) || e.out.n != e.batch.n + e.free_a.n + e.free_b.n)
        return false;
    y = expand(&at, &e, a, b, error);
    if (y == NULL)
        return false;
    mt_insert_replace(&at, mt_node_output(node, 0), y);
    return true;
}

int mt_pass_expand_einsum(mt_graph *graph, GError **error)
{
    return mt_rewrite_each(graph, "Einsum", rewrite, error);
}
