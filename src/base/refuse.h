/* An error of the engine's domain, and false: `return mt_refuse(error, MT_ERROR_INPUT, "read %s: ..", path);` */
#ifndef MT_REFUSE_H
#define MT_REFUSE_H

#include <microtome/error.h>

#include <stdbool.h>

G_BEGIN_DECLS

bool mt_refuse(GError **error, mt_error code, const char *format, ...) G_GNUC_PRINTF(3, 4);

G_END_DECLS

#endif
