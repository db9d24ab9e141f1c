/* What is computed twice is computed once:
 *
 *   x -> ReduceMean -> a                      x -> ReduceMean -> a (used as b too)
 *    \-> ReduceMean -> b
 *
 * Nodes are equal when operator, attributes and inputs are; small constants when their bytes are.  In topological order one
 * round finds chains too.  A node whose result is a graph output stays, since outputs keep their own values. */
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"

#define SMALL_BYTES 256

static bool is_small(const mt_tensor *t)
{
    return t != NULL && mt_tensor_bytes(t) <= SMALL_BYTES && t->dtype != MT_DTYPE_NONE;
}

/* The same for two values whose constants have the same bytes, else the value's own address. */
static void append_value(GString *key, const mt_value *value)
{
    const mt_tensor *t = value == NULL ? NULL : value->constant;

    if (!is_small(t)) {
        g_string_append_printf(key, "|%p", t != NULL ? (const void *)t : (const void *)value);
        return;
    }
    g_string_append_printf(key, "|c%d:%d", t->dtype, t->rank);
    for (int i = 0; i < t->rank; i++)
        g_string_append_printf(key, ",%" G_GINT64_FORMAT, t->shape[i]);
    g_string_append_c(key, ':');
    for (size_t i = 0; i < mt_tensor_bytes(t); i++)
        g_string_append_printf(key, "%02x", ((const unsigned char *)t->data)[i]);
}

static void append_attr(GString *key, const char *name, const mt_attr *attr)
{
    g_string_append_printf(key, "|%s=%d:%" G_GINT64_FORMAT ":%a:%s:%p:", name, attr->type, attr->i, attr->f, attr->s == NULL ? "" : attr->s,
                           (const void *)attr->tensor);
    for (int i = 0; i < attr->n && attr->ints != NULL; i++)
        g_string_append_printf(key, "%" G_GINT64_FORMAT ",", attr->ints[i]);
    for (int i = 0; i < attr->n && attr->floats != NULL; i++)
        g_string_append_printf(key, "%a,", attr->floats[i]);
}

static char *key_of(const mt_node *node)
{
    GString *key = g_string_new(node->op);
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(node->attrs), (GCompareFunc)g_strcmp0);

    for (const GList *name = names; name != NULL; name = name->next)
        append_attr(key, name->data, mt_node_attr(node, name->data));
    for (guint i = 0; i < node->inputs->len; i++)
        append_value(key, node->inputs->pdata[i]);
    g_string_append_printf(key, "|%u", node->outputs->len);
    return g_string_free(key, FALSE);
}

/* Chance is never equal; quantised graphs have a DequantizeLinear for each reader, so that it can be fused into that. */
static bool stays_apart(const mt_node *node)
{
    return g_str_has_prefix(node->op, "Random") || mt_is(node, "Multinomial") || mt_is(node, "Bernoulli") ||
           mt_is(node, "QuantizeLinear") || mt_is(node, "DequantizeLinear");
}

static bool gives_output(const mt_graph *graph, const mt_node *node)
{
    for (guint i = 0; i < node->outputs->len; i++)
        if (node->outputs->pdata[i] != NULL && g_ptr_array_find(graph->outputs, node->outputs->pdata[i], NULL))
            return true;
    return false;
}

/* Every output that is wanted of `node`, `first` has too. */
static bool covers(const mt_uses *uses, const mt_node *first, const mt_node *node)
{
    for (guint i = 0; i < node->outputs->len; i++)
        if (mt_node_output(node, (int)i) != NULL && mt_node_output(first, (int)i) == NULL &&
            mt_uses_count(uses, mt_node_output(node, (int)i)) > 0)
            return false;
    return true;
}

int mt_pass_merge_equal(mt_graph *graph, GError **error)
{
    g_autoptr(mt_uses) uses = mt_uses_new(graph);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    int rewrites = 0;

    (void)error;
    for (guint i = 0; i < graph->nodes->len; i++) {
        mt_node *node = graph->nodes->pdata[i], *first;
        char    *key = node->fused != NULL || stays_apart(node) ? NULL : key_of(node);

        first = key == NULL ? NULL : g_hash_table_lookup(seen, key);
        if (first == NULL) {
            if (key != NULL)
                g_hash_table_insert(seen, key, node);
            continue;
        }
        g_free(key);
        if (gives_output(graph, node) || !covers(uses, first, node))
            continue;
        mt_uses_forget(uses, node);
        for (guint k = 0; k < node->outputs->len; k++)
            if (mt_node_output(node, (int)k) != NULL && mt_node_output(first, (int)k) != NULL)
                mt_uses_replace(uses, mt_node_output(node, (int)k), mt_node_output(first, (int)k));
        rewrites++;
    }
    if (rewrites > 0)
        mt_graph_sweep(graph);
    return rewrites;
}
