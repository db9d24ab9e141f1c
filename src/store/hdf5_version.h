/* The HDF5 library's version at run time, as major * 1,000,000 + minor * 1,000 + release. */
#ifndef MT_HDF5_VERSION_H
#define MT_HDF5_VERSION_H

unsigned mt_hdf5_version(void);

#endif
