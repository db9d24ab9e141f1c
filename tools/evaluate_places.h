/* `microtome evaluate` on masks and findings. */
#ifndef MT_EVALUATE_PLACES_H
#define MT_EVALUATE_PLACES_H

#include <stdbool.h>

/* Whether the arguments ask for it: they name --masks or --lesions. */
bool mt_evaluate_places_asked(int argc, char **argv);
int  mt_evaluate_places(int argc, char **argv);

#endif
