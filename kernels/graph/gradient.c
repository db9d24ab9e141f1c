/* From the last node to the first: each operator's rule adds the gradients of its inputs to what later nodes gave them. */
#include "kernels/graph/gradient.h"

#include "kernels/graph/gradient_rules.h"

#include <string.h>

static const mt_gradient_rule *find_rule(const char *op)
{
    const mt_gradient_rule *const families[] = {mt_gradients_elementwise, mt_gradients_product, mt_gradients_reduce, mt_gradients_views,
                                                mt_gradients_spatial};

    for (guint i = 0; i < G_N_ELEMENTS(families); i++)
        for (const mt_gradient_rule *rule = families[i]; rule->op != NULL; rule++)
            if (strcmp(rule->op, op) == 0)
                return rule;
    return NULL;
}

bool mt_gradient_is_known(const char *op)
{
    return find_rule(op) != NULL;
}

static bool any_active(const mt_reverse *r, const GPtrArray *values)
{
    for (guint i = 0; i < values->len; i++)
        if (values->pdata[i] != NULL && g_hash_table_contains(r->active, values->pdata[i]))
            return true;
    return false;
}

/* Everything between the targets and the outputs, in the order of the nodes. */
static void mark_active(mt_reverse *r, mt_value *const *targets, int n_targets, guint n_nodes)
{
    for (int i = 0; i < n_targets; i++)
        g_hash_table_add(r->active, targets[i]);
    for (guint i = 0; i < n_nodes; i++) {
        const mt_node *node = r->graph->nodes->pdata[i];

        if (!any_active(r, node->inputs))
            continue;
        for (guint k = 0; k < node->outputs->len; k++)
            if (node->outputs->pdata[k] != NULL)
                g_hash_table_add(r->active, node->outputs->pdata[k]);
    }
}

static bool is_known(const mt_value *value)
{
    bool known = value->rank >= 0 && (value->dtype == MT_F32 || value->dtype == MT_F64);

    for (int i = 0; i < value->rank; i++)
        known = known && value->shape[i] >= 0;
    return known;
}

static bool check_values(mt_value *const *values, int n, const char *what, GError **error)
{
    for (int i = 0; i < n; i++) {
        if (is_known(values[i]))
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "add gradients: %s '%s' is not floating-point or its shape is open", what,
                    values[i]->name);
        return false;
    }
    return true;
}

static void reverse_node(mt_reverse *r, const mt_node *node)
{
    g_autofree mt_value   **dy = g_new0(mt_value *, node->outputs->len + 1);
    const mt_gradient_rule *rule;
    bool                    any = false;

    for (guint i = 0; i < node->outputs->len; i++) {
        dy[i] = node->outputs->pdata[i] == NULL ? NULL : g_hash_table_lookup(r->sums, node->outputs->pdata[i]);
        any = any || dy[i] != NULL;
    }
    if (!any || !any_active(r, node->inputs))
        return;
    rule = find_rule(node->op);
    if (rule == NULL)
        mt_reverse_refuse(r, node, NULL);
    else
        rule->reverse(r, node, dy);
}

static void seed(mt_reverse *r, mt_value *const *outputs, mt_value *const *seeds, int n)
{
    for (int i = 0; i < n; i++) {
        mt_value *given = seeds != NULL ? seeds[i] : NULL;

        if (given == NULL)
            given = mt_reverse_expand(r, mt_reverse_number(r, outputs[i], 1), outputs[i]);
        mt_reverse_give(r, outputs[i], given);
    }
}

bool mt_graph_add_gradients(mt_graph *graph, mt_value *const *outputs, mt_value *const *seeds, int n_outputs, mt_value *const *targets,
                            int n_targets, mt_value **gradients, GError **error)
{
    mt_reverse r = {.graph = graph};
    guint      n_nodes = graph->nodes->len;

    if (!check_values(outputs, n_outputs, "output", error) || !check_values(targets, n_targets, "value", error))
        return false;
    r.sums = g_hash_table_new(NULL, NULL);
    r.active = g_hash_table_new(NULL, NULL);
    mark_active(&r, targets, n_targets, n_nodes);
    seed(&r, outputs, seeds, n_outputs);
    for (guint i = n_nodes; i-- > 0 && r.error == NULL;)
        reverse_node(&r, graph->nodes->pdata[i]);
    for (int i = 0; i < n_targets; i++) {
        gradients[i] = g_hash_table_lookup(r.sums, targets[i]);
        if (gradients[i] == NULL)
            gradients[i] = mt_reverse_zeros(&r, targets[i]);
    }
    g_hash_table_unref(r.sums);
    g_hash_table_unref(r.active);
    if (r.error != NULL)
        g_propagate_error(error, r.error);
    return r.error == NULL;
}
