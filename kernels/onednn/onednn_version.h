/* oneDNN's version at run time, "2.6.3". */
#ifndef MT_ONEDNN_VERSION_H
#define MT_ONEDNN_VERSION_H

const char *mt_onednn_version(void);
/* Version, build and the instructions it uses here: what decides how it packs.  Free with g_free. */
char *mt_onednn_identity(void);

#endif
