#include "src/store/hdf5_version.h"

#include <hdf5.h>

unsigned mt_hdf5_version(void)
{
    unsigned major = 0, minor = 0, release = 0;

    H5get_libversion(&major, &minor, &release);
    return major * 1000000 + minor * 1000 + release;
}
