/* Versions of the libraries that read cases, as they are at run time. */
#ifndef MT_BACKEND_VERSIONS_H
#define MT_BACKEND_VERSIONS_H

const char *mt_openslide_version(void);
const char *mt_vips_version(void);
const char *mt_libtiff_version(void);

#endif
