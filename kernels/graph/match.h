/* Small questions that the patterns of passes are made of. */
#ifndef MT_MATCH_H
#define MT_MATCH_H

#include "kernels/graph/uses.h"

#include <string.h>

static inline bool mt_is(const mt_node *node, const char *op)
{
    return node != NULL && strcmp(node->op, op) == 0;
}

/* The node that computes `value`, if its operator is `op`. */
static inline mt_node *mt_made_by(const mt_value *value, const char *op)
{
    return value != NULL && value->constant == NULL && mt_is(value->producer, op) ? value->producer : NULL;
}

/* The only user of the node's result, if its operator is `op`. */
static inline mt_node *mt_followed_by(const mt_uses *uses, const mt_node *node, const char *op)
{
    mt_node *user = mt_uses_only(uses, mt_node_output(node, 0));

    return mt_is(user, op) ? user : NULL;
}

/* Of a node with two inputs, the one that is not `value`; NULL when neither or both are. */
static inline mt_value *mt_other_input(const mt_node *node, const mt_value *value)
{
    mt_value *a = mt_node_input(node, 0), *b = mt_node_input(node, 1);

    return a == value && b != value ? b : b == value && a != value ? a : NULL;
}

/* The nodes as they stand now, for passes that insert some. */
GPtrArray *mt_list_nodes(const mt_graph *graph);
/* Offers every node of operator `op` to `rewrite` (true: it fired), then sweeps.  Rewrites made; -1 at the first error. */
typedef bool (*mt_rewrite)(mt_graph *graph, mt_uses *uses, mt_node *node, GError **error);
int mt_rewrite_each(mt_graph *graph, const char *op, mt_rewrite rewrite, GError **error);
/* Type and shape of `like`. */
void mt_copy_type(mt_value *value, const mt_value *like);
/* A constant of one element within 1e-4 of `number`, relative. */
bool mt_is_number(const mt_value *value, double number);
bool mt_same_shape(const mt_value *a, const mt_value *b);
/* A known float32 constant of `count` elements. */
bool mt_is_vector(const mt_value *value, int64_t count);

#endif
