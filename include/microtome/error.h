/* <microtome/error.h>  The one error domain and its exit codes.
 * A message says what was being done, to which file or option, what was wrong and what to do. */
#ifndef MICROTOME_ERROR_H
#define MICROTOME_ERROR_H

#include <microtome/api.h>

G_BEGIN_DECLS

typedef enum mt_error {
    MT_ERROR_USAGE,    /* settings that contradict each other or the folder; exit 64 */
    MT_ERROR_RANGE,    /* a parameter outside its documented range; exit 64 */
    MT_ERROR_INPUT,    /* the input was read and refused; exit 65 */
    MT_ERROR_SPACING,  /* µm/px wanted and unknown, or off the contract; exit 65 */
    MT_ERROR_LIMIT,    /* a file asks for more than src/base/limits.h allows; exit 65 */
    MT_ERROR_MISSING,  /* the named input does not exist; exit 66 */
    MT_ERROR_INTERNAL, /* a promise of the engine was broken; exit 70 */
    MT_ERROR_MEMORY,   /* memory was refused, or the budget is too small; exit 70 */
    MT_ERROR_IO,       /* reading or writing failed; exit 74 */
    MT_ERROR_STOPPED,  /* asked to stop; run again to resume; exit 75 */
    MT_ERROR_MODEL,    /* model, card, head or recipe unusable; exit 78 */
} mt_error;

#define MT_ERROR (mt_error_quark())
MT_PUBLIC GQuark mt_error_quark(void);

/* The program's exit code for `error` (design: 64..78); 70 for an error of another domain, 0 for NULL. */
MT_PUBLIC int mt_error_exit_code(const GError *error);

G_END_DECLS

#endif
