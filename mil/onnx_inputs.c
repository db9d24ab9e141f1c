#include "mil/onnx_inputs.h"

#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

static mt_head_input role_of(const char *name)
{
    g_autofree char *lower = g_ascii_strdown(name, -1);

    return strstr(lower, "coord") != NULL ? MT_HEAD_COORDS : g_str_has_prefix(lower, "patch_size") ? MT_HEAD_PATCH_SIZE : MT_HEAD_FEATURES;
}

static bool find_all(const mt_model *model, mt_head_inputs *inputs, GError **error)
{
    inputs->n = mt_model_n_inputs(model);
    for (int i = 0; i < inputs->n; i++) {
        const mt_port *port = mt_model_input(model, i);
        mt_head_input  role = inputs->n == 1 ? MT_HEAD_FEATURES : role_of(port->name); /* alone it may have any name */
        if (inputs->index[role] >= 0) {
            g_set_error(
                error, MT_ERROR, MT_ERROR_MODEL,
                "input '%s' of the graph is not known beside '%s': a head takes features, coords (name with \"coord\") and patch_size",
                port->name, inputs->port[role]->name);
            return false;
        }
        inputs->index[role] = i;
        inputs->port[role] = port;
    }
    if (inputs->index[MT_HEAD_FEATURES] >= 0)
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "the graph has no input for the features");
    return false;
}

/* (N, columns) or (1, N, columns), N open. */
static bool is_table(const mt_port *port)
{
    return (port->rank == 2 || (port->rank == 3 && (port->shape[0] == 1 || port->shape[0] < 0))) && port->shape[port->rank - 2] < 0;
}

static bool is_place_type(mt_dtype dtype)
{
    return dtype == MT_I64 || dtype == MT_I32 || dtype == MT_F32;
}

static bool fits_role(const mt_port *port, mt_head_input role)
{
    int64_t columns = is_table(port) ? port->shape[port->rank - 1] : 0;
    bool    single = port->rank >= 0 && is_place_type(port->dtype);

    if (role == MT_HEAD_FEATURES)
        return port->dtype == MT_F32 && columns > 0;
    if (role == MT_HEAD_COORDS)
        return is_place_type(port->dtype) && (columns == 2 || columns == 3);
    for (int i = 0; i < port->rank; i++)
        single &= port->shape[i] == 1 || port->shape[i] < 0;
    return single;
}

static bool check_role(const mt_port *port, mt_head_input role, GError **error)
{
    static const char *const wanted[] = {"float32 (N, D) or (1, N, D) with N open (-1) and D fixed is wanted",
                                         "int64, int32 or float32 (N, 2), (N, 3), (1, N, 2) or (1, N, 3) with N open (-1) is wanted",
                                         "one number, int64, int32 or float32, is wanted"};

    if (fits_role(port, role))
        return true;
    g_autofree char *shape = port->rank >= 0 ? mt_shape_to_string(port->rank, port->shape) : g_strdup("unknown");
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "input '%s' is %s of shape %s: %s", port->name, mt_dtype_name(port->dtype), shape,
                wanted[role]);
    return false;
}

bool mt_head_inputs_choose(const mt_model *model, mt_head_inputs *inputs, GError **error)
{
    *inputs = (mt_head_inputs){.index = {-1, -1, -1}};
    if (!find_all(model, inputs, error))
        return false;
    for (int role = 0; role < MT_HEAD_INPUTS; role++)
        if (inputs->port[role] != NULL && !check_role(inputs->port[role], (mt_head_input)role, error))
            return false;
    const mt_port *features = inputs->port[MT_HEAD_FEATURES], *coords = inputs->port[MT_HEAD_COORDS];
    inputs->dim = features->shape[features->rank - 1];
    inputs->coords_width = coords != NULL ? (int)coords->shape[coords->rank - 1] : 0;
    return true;
}

void mt_head_inputs_bind(const mt_head_inputs *inputs, int64_t n, mt_port *ports)
{
    for (int role = 0; role < MT_HEAD_INPUTS; role++) {
        if (inputs->port[role] == NULL)
            continue;
        mt_port *port = &ports[inputs->index[role]];
        *port = *inputs->port[role];
        for (int i = 0; i < port->rank; i++)
            if (port->shape[i] < 0)
                port->shape[i] = role != MT_HEAD_PATCH_SIZE && i == port->rank - 2 ? n : 1;
    }
}

bool mt_head_inputs_check(const mt_head_inputs *inputs, const mt_bag *bag, GError **error)
{
    const mt_port *coords = inputs->port[MT_HEAD_COORDS], *patch_size = inputs->port[MT_HEAD_PATCH_SIZE];

    /* reading no row says what is missing */
    if (coords != NULL && !mt_bag_read_coords(bag, 0, 0, inputs->coords_width, NULL, error)) {
        g_prefix_error(error, "input '%s': ", coords->name);
        return false;
    }
    if (patch_size == NULL || bag->tile_level0 > 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "input '%s': the edge of a tile in level-0 px is wanted, these features do not say it, or not one for all tiles",
                patch_size->name);
    return false;
}

/* Whole and exact: a place that is moved by a rounding is another place. */
static bool store_place(int64_t value, mt_dtype dtype, void *out, int64_t i)
{
    if (dtype == MT_I64)
        ((int64_t *)out)[i] = value;
    else if (dtype == MT_I32)
        ((int32_t *)out)[i] = (int32_t)CLAMP(value, INT32_MIN, INT32_MAX);
    else
        ((float *)out)[i] = (float)value;
    if (dtype == MT_I32)
        return ((int32_t *)out)[i] == value;
    return dtype == MT_I64 || (ABS((double)value) < 0x1p62 && (int64_t)((float *)out)[i] == value);
}

static bool convert_places(const mt_head_inputs *inputs, const int64_t *places, int64_t n, void *out, GError **error)
{
    const mt_port *port = inputs->port[MT_HEAD_COORDS];

    for (int64_t i = 0; i < n * inputs->coords_width; i++)
        if (!store_place(places[i], port->dtype, out, i)) {
            g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                        "input '%s': tile %" G_GINT64_FORMAT " lies at %" G_GINT64_FORMAT ", which is no whole number of %s", port->name,
                        i / inputs->coords_width, places[i], mt_dtype_name(port->dtype));
            return false;
        }
    return true;
}

static void *read_places(const mt_head_inputs *inputs, const mt_bag *bag, GError **error)
{
    mt_dtype dtype = inputs->port[MT_HEAD_COORDS]->dtype;
    int64_t  count = bag->n * inputs->coords_width;
    int64_t *places = mt_alloc(count, sizeof *places, error);
    void    *out = places != NULL && dtype != MT_I64 ? mt_alloc(count, mt_dtype_size(dtype), error) : places;
    bool     ok = out != NULL && mt_bag_read_coords(bag, 0, bag->n, inputs->coords_width, places, error) &&
              (dtype == MT_I64 || convert_places(inputs, places, bag->n, out, error));

    if (!ok && out != places)
        g_clear_pointer(&out, mt_free);
    if (!ok || out != places)
        mt_free(places);
    return ok ? out : NULL;
}

/* Whole where the graph wants a whole number; float32 keeps the fraction. */
static void *make_patch_size(const mt_port *port, double edge, GError **error)
{
    void *out = mt_alloc(1, mt_dtype_size(port->dtype), error);

    if (out == NULL)
        return NULL;
    if (port->dtype == MT_F32)
        *(float *)out = (float)edge;
    else if (!store_place((int64_t)fmin(round(edge), 0x1p53), port->dtype, out, 0)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "input '%s': an edge of %g px does not fit in %s", port->name, edge,
                    mt_dtype_name(port->dtype));
        g_clear_pointer(&out, mt_free);
    }
    return out;
}

bool mt_head_inputs_read(const mt_head_inputs *inputs, const mt_bag *bag, void *values[MT_HEAD_INPUTS], GError **error)
{
    const mt_port *patch_size = inputs->port[MT_HEAD_PATCH_SIZE];
    float         *features = mt_alloc(bag->n * bag->dim, sizeof(float), error);

    memset(values, 0, MT_HEAD_INPUTS * sizeof *values);
    values[inputs->index[MT_HEAD_FEATURES]] = features;
    if (features == NULL || !mt_bag_read(bag, 0, bag->n, features, error))
        return false;
    if (inputs->coords_width > 0 && (values[inputs->index[MT_HEAD_COORDS]] = read_places(inputs, bag, error)) == NULL)
        return false;
    return patch_size == NULL || (values[inputs->index[MT_HEAD_PATCH_SIZE]] = make_patch_size(patch_size, bag->tile_level0, error)) != NULL;
}

void mt_head_inputs_clear(void *values[MT_HEAD_INPUTS])
{
    for (int i = 0; i < MT_HEAD_INPUTS; i++)
        g_clear_pointer(&values[i], mt_free);
}

double mt_head_inputs_bytes(const mt_head_inputs *inputs)
{
    size_t place = inputs->coords_width > 0 ? sizeof(int64_t) + mt_dtype_size(inputs->port[MT_HEAD_COORDS]->dtype) : 0;

    return (double)inputs->dim * sizeof(float) + (double)inputs->coords_width * (double)place;
}
