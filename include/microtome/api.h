/* <microtome/api.h>  What every public header needs: GLib's types, the export mark, C linkage. */
#ifndef MICROTOME_API_H
#define MICROTOME_API_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define MT_PUBLIC __attribute__((visibility("default")))

#endif
