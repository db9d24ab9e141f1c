#include "src/case/backend_versions.h"

#include <openslide.h>
#include <tiff.h>
#include <tiffvers.h>
#include <vips/vips.h>

const char *mt_openslide_version(void)
{
    return openslide_get_version();
}

const char *mt_vips_version(void)
{
    return vips_version_string();
}

const char *mt_libtiff_version(void)
{
    return G_STRINGIFY(TIFFLIB_VERSION); /* the day of its release, as built against */
}
