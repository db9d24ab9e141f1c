/* usage: explain_dump MODEL.onnx METHOD COLUMN INPUT.npy OUT.npy [LAYER]
 * The map of one prepared input, for the scripts that know the truth; "METHOD LAYER START JUMP" on stdout. */
#include "src/encoder/explainer.h"

#include <microtome/error.h>

#include <stdio.h>
#include <stdlib.h>

static bool dump(char **argv, const char *layer, GError **error)
{
    mt_explainer_params params = {.layer = layer, .threads = 1};
    g_autoptr(mt_encoder) encoder = mt_encoder_load(argv[1], error);
    g_autoptr(mt_tensor) input = encoder != NULL ? mt_tensor_read_npy(argv[4], error) : NULL;
    if (input == NULL || !mt_explain_method_parse(argv[2], &params.method))
        return false;
    g_autoptr(mt_explainer) explainer = mt_explainer_new(encoder, &params, error);
    if (explainer == NULL)
        return false;
    mt_explain_grid grid = mt_explainer_grid(explainer);
    g_autoptr(mt_tensor) map = mt_tensor_new(MT_F32, 2, grid.size, error);
    if (map == NULL || !mt_explainer_run(explainer, input->data, atoi(argv[3]), map->data, error))
        return false;
    const char *where = mt_explainer_layer(explainer);
    printf("%s %s %g %g\n", mt_explain_method_name(mt_explainer_method(explainer)), where != NULL ? where : "-", grid.start[0],
           grid.jump[0]);
    return mt_tensor_write_npy(map, argv[5], error);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc < 6)
        return 64;
    if (dump(argv, argc > 6 ? argv[6] : NULL, &error))
        return 0;
    fprintf(stderr, "%s\n", error != NULL ? error->message : "no explainer");
    return error != NULL ? mt_error_exit_code(error) : 64;
}
