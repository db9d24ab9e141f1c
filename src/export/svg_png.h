/* A picture of ours in SVG as PNG, through libvips and librsvg. */
#ifndef MT_SVG_PNG_H
#define MT_SVG_PNG_H

#include <microtome/error.h>

/* `scale` 1: a CSS pixel is a pixel.  Only for text that this program made: libvips counts its SVG reader among the untrusted, and reading SVG
 * from memory (never from files) is let through here.  MT_ERROR_INTERNAL where libvips was built without librsvg. */
GBytes *mt_svg_png(const char *svg, double scale, GError **error);
/* The same into a file that appears whole, over an older one. */
bool mt_svg_png_write(const char *path, const char *svg, double scale, GError **error);

#endif
