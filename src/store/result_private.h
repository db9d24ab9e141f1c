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

#endif
