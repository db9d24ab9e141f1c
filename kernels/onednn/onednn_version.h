/* oneDNN's version at run time, "2.6.3". */
#ifndef MT_ONEDNN_VERSION_H
#define MT_ONEDNN_VERSION_H

const char *mt_onednn_version(void);

#endif
