/* An HDF5 file driver over one open descriptor.
 * HDF5 1.10 loses write errors (H5Fclose returns 0 on a full disk) and crashes at exit after a write that failed while the
 * file grew.  So a writing driver tells HDF5 that every write succeeded, latches the first errno, drops what comes after
 * it, and the owner of the descriptor raises the error before it publishes.  No locks are taken (NFS). */
#ifndef MT_FILE_DRIVER_H
#define MT_FILE_DRIVER_H

#include "src/store/handle.h"

typedef struct mt_file_driver {
    int      fd; /* of the caller; HDF5 never opens or closes it */
    bool     writing;
    int      failed; /* the first errno of a write, 0: none */
    uint64_t end;    /* size of the file as HDF5 believes it; what was never written reads as zeros */
    mt_hid   id;
} mt_file_driver;

/* Register with HDF5.  `driver` stays at its address until mt_file_driver_drop, which comes after H5Fclose. */
bool mt_file_driver_init(mt_file_driver *driver, int fd, bool writing, GError **error);
void mt_file_driver_drop(mt_file_driver *driver);

/* A file access list that goes through `driver`, with fixed format versions. */
mt_hid mt_file_driver_access(mt_file_driver *driver, GError **error);

#endif
