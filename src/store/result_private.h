/* A result from the inside, for what copies from it. */
#ifndef MT_RESULT_PRIVATE_H
#define MT_RESULT_PRIVATE_H

#include "src/store/file_driver.h"

#include <microtome/result.h>

struct mt_result {
    char          *path;
    int            fd;
    mt_file_driver driver;
    mt_hid         file;
};

/* A dataset that will be read whole: of the file itself, and no larger than its bytes can be.  -1 with an error. */
mt_hid mt_result_open_dataset(const mt_result *result, const char *object, GError **error);

#endif
