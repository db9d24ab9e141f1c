#include "src/base/refuse.h"

/* As G_DEFINE_QUARK, whose static variable several threads would read and write without order. */
GQuark mt_error_quark(void)
{
    static GQuark quark;
    GQuark        known = __atomic_load_n(&quark, __ATOMIC_RELAXED);

    if (known == 0) {
        known = g_quark_from_static_string("mt-error-quark");
        __atomic_store_n(&quark, known, __ATOMIC_RELAXED);
    }
    return known;
}

int mt_error_exit_code(const GError *error)
{
    static const int codes[] = {
        [MT_ERROR_USAGE] = 64, [MT_ERROR_RANGE] = 64,   [MT_ERROR_INPUT] = 65,    [MT_ERROR_SPACING] = 65,
        [MT_ERROR_LIMIT] = 65, [MT_ERROR_MISSING] = 66, [MT_ERROR_INTERNAL] = 70, [MT_ERROR_MEMORY] = 70,
        [MT_ERROR_IO] = 74,    [MT_ERROR_STOPPED] = 75, [MT_ERROR_MODEL] = 78,
    };

    if (error == NULL)
        return 0;
    if (error->domain != MT_ERROR || error->code < 0 || error->code >= (int)G_N_ELEMENTS(codes))
        return 70;
    return codes[error->code];
}

bool mt_refuse(GError **error, mt_error code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error_literal(error, MT_ERROR, code, text);
    return false;
}
