#include "src/train/network_weights.h"

#include "mil/weights.h"

#include <string.h>

/* The last layer of `max` is its classifier. */
static const char *const clam[] = {"attention_net.0", "attention_net.3.attention_a.0", "attention_net.3.attention_b.0",
                                   "attention_net.3.attention_c"};
static const char *const abmil[] = {"patch_embed.0", "global_attn.attention_a.0", "global_attn.attention_b.0", "global_attn.attention_c"};
static const char *const max_pool[] = {"fc.0", "classifier"};

static const char *const *tile_names(const char *model)
{
    return strcmp(model, "max") == 0 ? max_pool : strcmp(model, "abmil") == 0 ? abmil : clam;
}

static void clear_weight(gpointer data)
{
    g_free(((mt_network_weight *)data)->name);
}

static void add_linear(GArray *list, const char *name, int64_t weight, int64_t bias, int64_t out, int64_t in, bool classifier)
{
    const mt_network_weight both[] = {{g_strconcat(name, ".weight", NULL), weight, out, in, classifier},
                                      {g_strconcat(name, ".bias", NULL), bias, out, 0, classifier}};

    g_array_append_vals(list, both, 2);
}

static void add_tile_layers(GArray *list, const char *model, const mt_bag_network *net, const mt_bag_layout *layout)
{
    const char *const *names = tile_names(model);
    int                n = net->max_pool ? 2 : 4;

    for (int i = 0; i < n; i++) {
        int64_t out = i == 0 ? net->hidden : i < n - 1 ? net->attention : net->max_pool || net->branch_per_class ? net->n_logits : 1;
        int64_t in = i == 0 ? net->dim : i < n - 1 || n == 2 ? net->hidden : net->attention;
        add_linear(list, names[i], layout->tile[2 * i], layout->tile[2 * i + 1], out, in, n == 2 && i == 1);
    }
}

GArray *mt_network_weights(const char *model, const mt_bag_network *net, const mt_bag_layout *layout)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(mt_network_weight));
    int64_t hidden = net->hidden, n = net->n_logits;

    g_array_set_clear_func(list, clear_weight);
    add_tile_layers(list, model, net, layout);
    if (layout->classifier >= 0 && !net->branch_per_class)
        add_linear(list, strcmp(model, "abmil") == 0 ? "classifier" : "classifiers", layout->classifier, layout->classifier_bias, n, hidden,
                   true);
    for (int64_t c = 0; layout->classifier >= 0 && net->branch_per_class && c < n; c++) {
        g_autofree char *name = g_strdup_printf("classifiers.%" G_GINT64_FORMAT, c);
        add_linear(list, name, layout->classifier + c * hidden, layout->classifier_bias + c, 1, hidden, true);
    }
    for (int64_t c = 0; layout->instance >= 0 && c < n; c++) {
        g_autofree char *name = g_strdup_printf("instance_classifiers.%" G_GINT64_FORMAT, c);
        int64_t          at = layout->instance + c * (2 * hidden + 2);
        add_linear(list, name, at, at + 2 * hidden, 2, hidden, true);
    }
    return list;
}

/* Names as they were before Lightning, Hugging Face and DataParallel; CLAM's attention stood at 2 before April 2024 with dropout off. */
static const mt_weight *find(const mt_weights *file, const char *name)
{
    static const char *const wrappers[] = {"model.", "module."};
    g_autofree char         *older = g_str_has_prefix(name, "attention_net.3.") ? g_strdup(name) : NULL;

    if (older != NULL)
        older[strlen("attention_net.")] = '2';
    for (int i = 0; i < mt_weights_n(file); i++) {
        const mt_weight *weight = mt_weights_get(file, i);
        const char      *at = weight->name;
        for (guint k = 0; k < G_N_ELEMENTS(wrappers); k++)
            if (g_str_has_prefix(at, wrappers[k])) {
                at += strlen(wrappers[k]);
                k = (guint)-1;
            }
        if (strcmp(at, name) == 0 || (older != NULL && strcmp(at, older) == 0))
            return weight;
    }
    return NULL;
}

static bool fits(const mt_weight *weight, const mt_network_weight *wanted)
{
    return wanted->in > 0 ? weight->rank == 2 && weight->shape[0] == wanted->out && weight->shape[1] == wanted->in
                          : weight->rank == 1 && weight->shape[0] == wanted->out;
}

static char *shape_text(int rank, const int64_t *shape)
{
    g_autoptr(GString) text = g_string_new("(");

    for (int i = 0; i < rank; i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i > 0 ? "," : "", shape[i]);
    g_string_append_c(text, ')');
    return g_strdup(text->str);
}

static bool refuse(const char *path, const mt_weight *weight, const mt_network_weight *wanted, GError **error)
{
    const int64_t    shape[] = {wanted->out, wanted->in};
    g_autofree char *is = weight != NULL ? shape_text(weight->rank, weight->shape) : NULL,
                    *want = shape_text(wanted->in > 0 ? 2 : 1, shape);

    if (weight == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "begin from %s: key '%s' is missing", path, wanted->name);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "begin from %s: key '%s' is %s, %s is wanted", path, weight->name, is, want);
    return false;
}

static bool read_one(const char *path, const mt_weights *file, const mt_network_weight *wanted, float *values, int *kept, GError **error)
{
    const mt_weight *weight = find(file, wanted->name);

    if (weight == NULL || !fits(weight, wanted)) {
        (*kept)++;
        return wanted->classifier || refuse(path, weight, wanted, error);
    }
    mt_tensor *tensor = mt_weights_read(file, weight, error);
    if (tensor == NULL) {
        g_prefix_error(error, "begin from %s: ", path);
        return false;
    }
    memcpy(values + wanted->at, tensor->data, mt_tensor_bytes(tensor));
    mt_tensor_unref(tensor);
    return true;
}

bool mt_network_weights_read(const char *path, const GArray *weights, float *values, int *kept, GError **error)
{
    g_autoptr(mt_weights) file = mt_weights_open(path, error);

    *kept = 0;
    for (guint i = 0; file != NULL && i < weights->len; i++)
        if (!read_one(path, file, &g_array_index(weights, mt_network_weight, i), values, kept, error))
            return false;
    return file != NULL;
}

static bool take_width(const char *path, const mt_weights *file, const char *layer, int64_t *width, GError **error)
{
    g_autofree char *name = g_strconcat(layer, ".weight", NULL);
    const mt_weight *weight = find(file, name);

    if (weight == NULL || weight->rank != 2 || weight->shape[0] < 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "begin from %s: key '%s' is %s", path, name, weight == NULL ? "missing" : "no matrix");
        return false;
    }
    *width = *width > 0 ? *width : weight->shape[0];
    return true;
}

bool mt_network_weights_sizes(const char *path, const char *model, int64_t *hidden, int64_t *attention, GError **error)
{
    const char *const *names = tile_names(model);
    g_autoptr(mt_weights) file = mt_weights_open(path, error);

    return file != NULL && take_width(path, file, names[0], hidden, error) &&
           (names == max_pool || take_width(path, file, names[1], attention, error));
}
