/* The attributes of a node: a table from name to a typed value. */
#include "kernels/graph/graph.h"

static void free_attr(gpointer data)
{
    mt_attr *attr = data;

    g_free(attr->s);
    g_free(attr->ints);
    g_free(attr->floats);
    g_clear_pointer(&attr->tensor, mt_tensor_unref);
    g_free(attr);
}

static mt_attr *put_attr(GHashTable *attrs, const char *name, mt_attr_type type)
{
    mt_attr *attr = g_new0(mt_attr, 1);

    attr->type = type;
    g_hash_table_replace(attrs, g_strdup(name), attr);
    return attr;
}

GHashTable *mt_attrs_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_attr);
}

GHashTable *mt_attrs_copy(GHashTable *attrs)
{
    GHashTable    *copy = mt_attrs_new();
    GHashTableIter iter;
    gpointer       name, value;

    g_hash_table_iter_init(&iter, attrs);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const mt_attr *from = value;
        mt_attr       *to = put_attr(copy, name, from->type);

        *to = *from;
        to->s = g_strdup(from->s);
        to->ints = from->ints == NULL ? NULL : g_memdup2(from->ints, (gsize)from->n * sizeof *from->ints);
        to->floats = from->floats == NULL ? NULL : g_memdup2(from->floats, (gsize)from->n * sizeof *from->floats);
        to->tensor = from->tensor == NULL ? NULL : mt_tensor_ref(from->tensor);
    }
    return copy;
}

void mt_node_set_int(mt_node *node, const char *name, int64_t value)
{
    put_attr(node->attrs, name, MT_ATTR_INT)->i = value;
}

void mt_node_set_float(mt_node *node, const char *name, double value)
{
    put_attr(node->attrs, name, MT_ATTR_FLOAT)->f = value;
}

void mt_node_set_string(mt_node *node, const char *name, const char *value)
{
    char *copy = g_strdup(value); /* before the old value goes: they may be the same */

    put_attr(node->attrs, name, MT_ATTR_STRING)->s = copy;
}

void mt_node_set_ints(mt_node *node, const char *name, const int64_t *values, int n)
{
    int64_t *copy = g_memdup2(values, (gsize)n * sizeof *values);
    mt_attr *attr = put_attr(node->attrs, name, MT_ATTR_INTS);

    attr->n = n;
    attr->ints = copy;
}

void mt_node_set_floats(mt_node *node, const char *name, const double *values, int n)
{
    double  *copy = g_memdup2(values, (gsize)n * sizeof *values);
    mt_attr *attr = put_attr(node->attrs, name, MT_ATTR_FLOATS);

    attr->n = n;
    attr->floats = copy;
}

void mt_node_set_tensor(mt_node *node, const char *name, mt_tensor *tensor)
{
    mt_tensor *held = mt_tensor_ref(tensor);

    put_attr(node->attrs, name, MT_ATTR_TENSOR)->tensor = held;
}

const mt_attr *mt_node_attr(const mt_node *node, const char *name)
{
    return g_hash_table_lookup(node->attrs, name);
}

static const mt_attr *typed_attr(const mt_node *node, const char *name, mt_attr_type type)
{
    const mt_attr *attr = mt_node_attr(node, name);

    return attr != NULL && attr->type == type ? attr : NULL;
}

int64_t mt_node_int(const mt_node *node, const char *name, int64_t fallback)
{
    const mt_attr *attr = typed_attr(node, name, MT_ATTR_INT);

    return attr != NULL ? attr->i : fallback;
}

double mt_node_float(const mt_node *node, const char *name, double fallback)
{
    const mt_attr *attr = typed_attr(node, name, MT_ATTR_FLOAT);

    return attr != NULL ? attr->f : fallback;
}

const char *mt_node_string(const mt_node *node, const char *name, const char *fallback)
{
    const mt_attr *attr = typed_attr(node, name, MT_ATTR_STRING);

    return attr != NULL ? attr->s : fallback;
}

const int64_t *mt_node_ints(const mt_node *node, const char *name, int *n)
{
    static const int64_t none[1];
    const mt_attr       *attr = typed_attr(node, name, MT_ATTR_INTS);

    *n = attr != NULL ? attr->n : 0;
    if (attr == NULL)
        return NULL;
    return attr->ints != NULL ? attr->ints : none; /* an empty list is present, unlike an absent one */
}
