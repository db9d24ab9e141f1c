#include <microtome/error.h>

G_DEFINE_QUARK(mt-error-quark, mt_error)

int mt_error_exit_code(const GError *error)
{
    static const int codes[] = {
        [MT_ERROR_USAGE] = 64,   [MT_ERROR_RANGE] = 64,    [MT_ERROR_INPUT] = 65, [MT_ERROR_SPACING] = 65,
        [MT_ERROR_LIMIT] = 65,   [MT_ERROR_MISSING] = 66,  [MT_ERROR_INTERNAL] = 70, [MT_ERROR_MEMORY] = 70,
        [MT_ERROR_IO] = 74,      [MT_ERROR_STOPPED] = 75,  [MT_ERROR_MODEL] = 78,
    };

    if (error == NULL)
        return 0;
    if (error->domain != MT_ERROR || error->code < 0 || error->code >= (int)G_N_ELEMENTS(codes))
        return 70;
    return codes[error->code];
}
