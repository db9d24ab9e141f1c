#include "kernels/graph/uses.h"

struct mt_uses {
    mt_graph   *graph;
    GHashTable *users; /* mt_value -> GPtrArray of mt_node, one entry a use, NULL for a graph output */
};

static GPtrArray *users_of(const mt_uses *uses, const mt_value *value)
{
    return g_hash_table_lookup(uses->users, value);
}

static void add_use(mt_uses *uses, mt_value *value, mt_node *node)
{
    GPtrArray *users = users_of(uses, value);

    if (users == NULL) {
        users = g_ptr_array_new();
        g_hash_table_insert(uses->users, value, users);
    }
    g_ptr_array_add(users, node);
}

mt_uses *mt_uses_new(mt_graph *graph)
{
    mt_uses *uses = g_new0(mt_uses, 1);

    uses->graph = graph;
    uses->users = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_ptr_array_unref);
    for (guint i = 0; i < graph->nodes->len; i++)
        mt_uses_add_node(uses, graph->nodes->pdata[i]);
    for (guint i = 0; i < graph->outputs->len; i++)
        add_use(uses, graph->outputs->pdata[i], NULL);
    return uses;
}

void mt_uses_free(mt_uses *uses)
{
    if (uses == NULL)
        return;
    g_hash_table_unref(uses->users);
    g_free(uses);
}

int mt_uses_count(const mt_uses *uses, const mt_value *value)
{
    GPtrArray *users = users_of(uses, value);

    return users == NULL ? 0 : (int)users->len;
}

mt_node *mt_uses_only(const mt_uses *uses, const mt_value *value)
{
    return mt_uses_count(uses, value) == 1 ? mt_uses_nth(uses, value, 0) : NULL;
}

mt_node *mt_uses_nth(const mt_uses *uses, const mt_value *value, int n)
{
    return users_of(uses, value)->pdata[n];
}

static void replace_in(GPtrArray *list, const mt_value *from, mt_value *to)
{
    for (guint i = 0; i < list->len; i++)
        if (list->pdata[i] == from)
            list->pdata[i] = to;
}

void mt_uses_replace(mt_uses *uses, mt_value *from, mt_value *to)
{
    GPtrArray *users = users_of(uses, from);

    if (users == NULL || from == to)
        return;
    g_ptr_array_ref(users);
    for (guint i = 0; i < users->len; i++) {
        mt_node *node = users->pdata[i];

        replace_in(node == NULL ? uses->graph->outputs : node->inputs, from, to);
        add_use(uses, to, node);
    }
    g_hash_table_remove(uses->users, from);
    g_ptr_array_unref(users);
}

void mt_uses_add_input(mt_uses *uses, mt_node *node, mt_value *input)
{
    g_ptr_array_add(node->inputs, input);
    if (input != NULL)
        add_use(uses, input, node);
}

void mt_uses_add_node(mt_uses *uses, mt_node *node)
{
    for (guint i = 0; i < node->inputs->len; i++)
        if (node->inputs->pdata[i] != NULL)
            add_use(uses, node->inputs->pdata[i], node);
}

void mt_uses_forget(mt_uses *uses, const mt_node *node)
{
    for (guint i = 0; i < node->inputs->len; i++) {
        GPtrArray *users = node->inputs->pdata[i] == NULL ? NULL : users_of(uses, node->inputs->pdata[i]);
        if (users != NULL)
            g_ptr_array_remove_fast(users, (gpointer)node);
    }
}
