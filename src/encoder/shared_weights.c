#include "src/encoder/shared_weights.h"

#include "kernels/onnx/model_private.h"
#include "src/encoder/encoder_private.h"

#if MT_HAVE_ONEDNN
#include "kernels/onednn/onednn_version.h"
#endif

#include <dlfcn.h>
#include <sys/stat.h>

const char *mt_weights_origin_name(mt_weights_origin origin)
{
    static const char *const names[] = {"own", "filled", "shared"};

    return names[origin];
}

#if MT_HAVE_ONEDNN
static const char of_this_code = 0;

/* The file that this code was loaded from: a program that was replaced while a batch runs may pack in another way. */
static char *code_identity(void)
{
    struct stat status;
    Dl_info     info;

    if (stat("/proc/self/exe", &status) != 0)
        return NULL;
    g_autofree char *program = g_strdup_printf("%lu %lu %ld", status.st_dev, status.st_ino, (long)status.st_ctim.tv_sec);
    if (dladdr(&of_this_code, &info) == 0 || info.dli_fname == NULL || stat(info.dli_fname, &status) != 0)
        return g_steal_pointer(&program);
    return g_strdup_printf("%s %lu %lu %ld", program, status.st_dev, status.st_ino, (long)status.st_ctim.tv_sec);
}

/* All that decides what the bytes are, beside tensor and layout, which name each entry. */
static char *key_of(const mt_encoder *encoder, mt_precision precision)
{
    g_autofree char *code = code_identity(), *library = mt_onednn_identity();
    const char      *model = mt_model_sha256(encoder->model);

    if (code == NULL || *model == '\0')
        return NULL;
    return g_strdup_printf("microtome %s\ncode %s\noneDNN %s\nmodel %s\nprecision %s\n", MT_VERSION, code, library, model,
                           mt_precision_name(precision));
}

static bool fill(mt_encoder *encoder, mt_precision precision, int batch, int fd, const char *key)
{
    g_autoptr(mt_session) session = mt_encoder_bind(encoder, MT_BACKEND_AUTO, precision, batch, 1, NULL);

    if (session == NULL) /* the first case will say why */
        return false;
    mt_compiled *compiled = mt_model_compiled(encoder->model, precision == MT_PRECISION_INT8, NULL);
    return compiled != NULL && mt_compiled_fill_store(compiled, fd, key);
}

mt_weights_origin mt_encoder_share_weights(mt_encoder *encoder, mt_precision precision, int batch, int fd)
{
    bool             empty = mt_weight_store_is_empty(fd);
    g_autofree char *key = key_of(encoder, precision);

    if (key == NULL || (empty && !fill(encoder, precision, batch, fd, key)))
        return MT_WEIGHTS_OWN;
    g_autoptr(mt_weight_store) store = mt_weight_store_open(fd, key);
    mt_compiled *compiled = store == NULL ? NULL : mt_model_compiled(encoder->model, precision == MT_PRECISION_INT8, NULL);
    if (compiled == NULL)
        return MT_WEIGHTS_OWN;
    mt_compiled_use_store(compiled, store);
    return empty ? MT_WEIGHTS_FILLED : MT_WEIGHTS_SHARED;
}
#else
mt_weights_origin mt_encoder_share_weights(mt_encoder *encoder, mt_precision precision, int batch, int fd)
{
    (void)encoder, (void)precision, (void)batch, (void)fd; /* plain loops pack nothing */
    return MT_WEIGHTS_OWN;
}
#endif
