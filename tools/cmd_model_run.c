#include "tools/cmd_model.h"
#include "tools/model_report.h"

#include <stdio.h>
#include <string.h>

/* NAME=x.npy for each input; with one input NAME= may be left out. */
static bool read_inputs(const mt_model *model, char **specs, mt_tensor **tensors, mt_port *ports, GError **error)
{
    for (char **spec = specs; spec != NULL && *spec != NULL; spec++) {
        const char      *equals = strchr(*spec, '=');
        g_autofree char *name = equals != NULL ? g_strndup(*spec, (gsize)(equals - *spec)) : g_strdup(mt_model_input(model, 0)->name);
        int              i = mt_model_find_input(model, name);
        if (i < 0 || tensors[i] != NULL) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--input %s: the model has no such input, or it was given twice", *spec);
            return false;
        }
        tensors[i] = mt_tensor_read_npy(equals != NULL ? equals + 1 : *spec, error);
        if (tensors[i] == NULL)
            return false;
        ports[i] = (mt_port){.dtype = tensors[i]->dtype, .rank = tensors[i]->rank};
        memcpy(ports[i].shape, tensors[i]->shape, sizeof ports[i].shape);
        if (tensors[i]->dtype != mt_model_input(model, i)->dtype) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "--input %s: it holds %s and the model wants %s", *spec,
                        mt_dtype_name(tensors[i]->dtype), mt_dtype_name(mt_model_input(model, i)->dtype));
            return false;
        }
    }
    for (int i = 0; i < mt_model_n_inputs(model); i++)
        if (tensors[i] == NULL) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "give --input %s=x.npy", mt_model_input(model, i)->name);
            return false;
        }
    return true;
}

static bool write_outputs(mt_session *session, const mt_model *model, mt_tensor *const *outputs, const char *folder, GError **error)
{
    for (int i = 0; i < mt_model_n_outputs(model); i++) {
        g_autofree char *safe = g_strdelimit(g_strdup(mt_session_output(session, i)->name), "/", '_'),
                        *name = g_strdup_printf("%s.npy", safe);
        g_autofree char *path = g_build_filename(folder, name, NULL), *shape = mt_shape_to_string(outputs[i]->rank, outputs[i]->shape);
        if (!mt_tensor_write_npy(outputs[i], path, error))
            return false;
        printf("%s  %s %s\n", path, mt_dtype_name(outputs[i]->dtype), shape);
    }
    return true;
}

static bool run_session(mt_session *session, mt_model *model, mt_tensor *const *inputs, const char *folder, GError **error)
{
    int n_in = mt_model_n_inputs(model), n_out = mt_model_n_outputs(model);
    g_autoptr(GPtrArray) outputs = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);
    g_autofree const void **in = g_new0(const void *, n_in);
    g_autofree void       **out = g_new0(void *, n_out);

    for (int i = 0; i < n_in; i++)
        in[i] = inputs[i]->data;
    for (int i = 0; i < n_out; i++) {
        const mt_port *port = mt_session_output(session, i);
        mt_tensor     *tensor = mt_tensor_new(port->dtype, port->rank, port->shape, error);
        if (tensor == NULL)
            return false;
        g_ptr_array_add(outputs, tensor);
        out[i] = tensor->data;
    }
    if (g_mkdir_with_parents(folder, 0755) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "create folder %s: %s", folder, g_strerror(errno));
        return false;
    }
    return mt_session_run(session, in, out, error) && write_outputs(session, model, (mt_tensor *const *)outputs->pdata, folder, error);
}

static int run_run(int argc, char **argv)
{
    gboolean reference = FALSE, verbose = FALSE;
    g_auto(GStrv) specs = NULL;
    g_autofree char  *folder = NULL;
    int               threads = 0;
    g_autofree char  *precision = NULL;
    mt_session_params params = {0};
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {{"input", 0, 0, G_OPTION_ARG_STRING_ARRAY, &specs, "an input as a .npy file; repeat for each", "NAME=x.npy"},
                              {"out", 'o', 0, G_OPTION_ARG_FILENAME, &folder, "folder for <output>.npy", "DIR"},
                              {"reference", 0, 0, G_OPTION_ARG_NONE, &reference, "run the plain loops that define right", NULL},
                              {"precision", 0, 0, G_OPTION_ARG_STRING, &precision, "fp32, bf16 or int8 (default fp32)", "P"},
                              {"threads", 0, 0, G_OPTION_ARG_INT, &threads, "threads (default: the CPUs)", "N"},
                              {"verbose", 0, 0, G_OPTION_ARG_NONE, &verbose, "what runs each node, and why nothing faster does", NULL},
                              {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_model_run, entries, &argc, &argv))
        return 64;
    if (argc != 2 || folder == NULL)
        return mt_command_usage(&mt_command_model_run, "name one model and give -o DIR");
    if (!mt_command_precision(&mt_command_model_run, precision, &params.precision))
        return 64;
    g_autoptr(mt_model) model = mt_model_load(argv[1], &error);
    if (model == NULL)
        return mt_command_fail(&mt_command_model_run, error);
    g_autoptr(GPtrArray) inputs = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);
    g_ptr_array_set_size(inputs, mt_model_n_inputs(model));
    g_autofree mt_port *ports = g_new0(mt_port, mt_model_n_inputs(model));
    if (!read_inputs(model, specs, (mt_tensor **)inputs->pdata, ports, &error))
        return mt_command_fail(&mt_command_model_run, error);
    params.backend = reference ? MT_BACKEND_REFERENCE : MT_BACKEND_AUTO;
    params.threads = mt_command_threads(threads);
    params.inputs = ports;
    params.n_inputs = mt_model_n_inputs(model);
    params.values = (const mt_tensor *const *)inputs->pdata;
    g_autoptr(mt_session) session = mt_session_new(model, &params, &error);
    if (session != NULL && verbose)
        mt_print_choices(session, stderr);
    if (session == NULL || !run_session(session, model, (mt_tensor *const *)inputs->pdata, folder, &error))
        return mt_command_fail(&mt_command_model_run, error);
    return 0;
}

const mt_command mt_command_model_run = {
    .name = "model run",
    .arguments = "MODEL.onnx",
    .summary = "Run a model on arrays: --input NAME=x.npy ... -o DIR.",
    .run = run_run,
};
