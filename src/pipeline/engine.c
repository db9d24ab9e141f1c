#include <microtome/engine.h>

#include "src/case/backend_versions.h"
#include "src/store/hdf5_version.h"

#if MT_HAVE_ONEDNN
#include "kernels/onednn/onednn_version.h"
#endif

#include <pthread.h>

const char *mt_engine_isa(void)
{
    if (__builtin_cpu_supports("avx512vnni"))
        return "AVX-512 VNNI";
    if (__builtin_cpu_supports("avx512bw"))
        return "AVX-512";
    if (__builtin_cpu_supports("avx2"))
        return "AVX2";
    return __builtin_cpu_supports("sse4.1") ? "SSE4.1" : "baseline";
}

const char *mt_engine_backend(void)
{
#if MT_HAVE_ONEDNN
    return "oneDNN";
#else
    return "reference loops (built without oneDNN)";
#endif
}

static mt_engine_library libraries[8]; /* written once, by list_libraries() */

static void list_libraries(void)
{
    static char hdf5[32], glib[32];
    unsigned    version = mt_hdf5_version();
    int         n = 0;

    g_snprintf(hdf5, sizeof hdf5, "%u.%u.%u", version / 1000000, version / 1000 % 1000, version % 1000);
    g_snprintf(glib, sizeof glib, "%u.%u.%u", glib_major_version, glib_minor_version, glib_micro_version);
    libraries[n++] = (mt_engine_library){"microtome", MT_VERSION};
    libraries[n++] = (mt_engine_library){"OpenSlide", mt_openslide_version()};
    libraries[n++] = (mt_engine_library){"libvips", mt_vips_version()};
    libraries[n++] = (mt_engine_library){"libtiff", mt_libtiff_version()};
    libraries[n++] = (mt_engine_library){"HDF5", hdf5};
    libraries[n++] = (mt_engine_library){"GLib", glib};
#if MT_HAVE_ONEDNN
    libraries[n++] = (mt_engine_library){"oneDNN", mt_onednn_version()};
#endif
}

const mt_engine_library *mt_engine_libraries(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, list_libraries);
    return libraries;
}
