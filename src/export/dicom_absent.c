/* What a build without DCMTK says. */
#include <microtome/send.h>

bool mt_send(const mt_send_params *params, mt_send_facts *facts, GError **error)
{
    (void)params;
    *facts = (mt_send_facts){0};
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "this build has no DCMTK: nothing is sent (meson setup -Ddicom=enabled)");
    return false;
}
