#include "tools/cmd_model.h"

#include <jansson.h>
#include <stdio.h>

static void print_ports(const mt_model *model)
{
    for (int i = 0; i < mt_model_n_inputs(model) + mt_model_n_outputs(model); i++) {
        bool             input = i < mt_model_n_inputs(model);
        const mt_port   *port = input ? mt_model_input(model, i) : mt_model_output(model, i - mt_model_n_inputs(model));
        g_autofree char *shape = port->rank < 0 ? g_strdup("any shape") : mt_shape_to_string(port->rank, port->shape);
        printf("  %-10s %s  %s %s\n", input ? "input" : "output", port->name, mt_dtype_name(port->dtype), shape);
    }
}

static json_t *port_to_json(const mt_port *port)
{
    json_t *shape = json_array();

    for (int i = 0; i < port->rank; i++)
        json_array_append_new(shape, port->shape[i] < 0 ? json_null() : json_integer(port->shape[i]));
    return json_pack("{s:s s:s s:o}", "name", port->name, "dtype", mt_dtype_name(port->dtype), "shape", shape);
}

static void print_model_json(const mt_model *model, const char *operators)
{
    json_t *inputs = json_array(), *outputs = json_array();

    for (int i = 0; i < mt_model_n_inputs(model); i++)
        json_array_append_new(inputs, port_to_json(mt_model_input(model, i)));
    for (int i = 0; i < mt_model_n_outputs(model); i++)
        json_array_append_new(outputs, port_to_json(mt_model_output(model, i)));
    json_t *root = json_pack("{s:s s:I s:i s:I s:s s:o s:o}", "sha256", mt_model_sha256(model), "opset", (json_int_t)mt_model_opset(model),
                             "nodes", mt_model_n_nodes(model), "parameters", (json_int_t)mt_model_n_parameters(model), "operators",
                             operators, "inputs", inputs, "outputs", outputs);
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

static int run_info(int argc, char **argv)
{
    gboolean json = FALSE;
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {{"json", 0, 0, G_OPTION_ARG_NONE, &json, "machine output", NULL},
                              {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_model_info, entries, &argc, &argv))
        return 64;
    if (argc != 2)
        return mt_command_usage(&mt_command_model_info, "name one model");
    g_autoptr(mt_model) model = mt_model_load(argv[1], &error);
    if (model == NULL)
        return mt_command_fail(&mt_command_model_info, error);
    g_autofree char *operators = mt_model_operators(model);
    if (json) {
        print_model_json(model, operators);
        return 0;
    }
    printf("%s\n  sha256     %s\n  opset      %" G_GINT64_FORMAT "\n  nodes      %d\n  parameters %" G_GINT64_FORMAT "\n", argv[1],
           mt_model_sha256(model), mt_model_opset(model), mt_model_n_nodes(model), mt_model_n_parameters(model));
    print_ports(model);
    printf("  operators  %s\n", operators);
    return 0;
}

const mt_command mt_command_model_info = {
    .name = "model info",
    .arguments = "MODEL.onnx",
    .summary = "Operators, parameters, inputs, outputs.",
    .run = run_info,
};
