/* metrics.prom: what a folder says, in the text format of Prometheus, for the textfile collector of node_exporter. */
#ifndef MT_METRICS_FILE_H
#define MT_METRICS_FILE_H

#include <microtome/folder.h>

/* Free with g_free. */
char *mt_metrics_text(const mt_folder *folder);
/* OUT/metrics.prom and, if not NULL, `other`; each appears whole.  MT_ERROR_IO. */
bool mt_metrics_write(const mt_folder *folder, const char *other, GError **error);

#endif
