/* Every sentence that a decision is explained with, in every language: one table, nothing is worded elsewhere.
 * Numbers and names stand in as {name}; each language has the same names (a test holds them against each other). */
#ifndef MT_MESSAGES_H
#define MT_MESSAGES_H

#include <microtome/error.h>

#include <stdarg.h>

typedef enum mt_language { MT_LANGUAGE_EN, MT_LANGUAGE_KO, MT_LANGUAGES } mt_language;

typedef enum mt_message {
    /* what was found */
    MT_MESSAGE_URGENT,
    MT_MESSAGE_REVIEW,
    MT_MESSAGE_CLEAR,
    MT_MESSAGE_BELOW, /* below the threshold, and yet not clear */
    MT_MESSAGE_NO_TISSUE,
    /* where */
    MT_MESSAGE_HIGH_TILES,
    MT_MESSAGE_HIGH_TILES_AREA,
    MT_MESSAGE_NO_HIGH_TILE,
    /* how sure */
    MT_MESSAGE_SET,
    MT_MESSAGE_SET_EMPTY,
    MT_MESSAGE_MEMBERS,
    MT_MESSAGE_NOT_CALIBRATED,
    /* what limits it */
    MT_MESSAGE_UNREAD, /* the cause stands in as it was reported */
    MT_MESSAGE_UNREAD_WITHHELD,
    MT_MESSAGE_OFF_CONTRACT,
    MT_MESSAGE_LITTLE_TISSUE,
    MT_MESSAGE_FEW_TILES,
    MT_MESSAGE_DISTANT,
    MT_MESSAGE_DARK,
    MT_MESSAGE_BRIGHT,
    MT_MESSAGE_CLIPPED,
    MT_MESSAGE_FLAT,
    MT_MESSAGE_BLURRED,
    MT_MESSAGE_SMALL_FIELD,
    MT_MESSAGE_QUALITY_LOW,
    MT_MESSAGE_QUALITY_HIGH,
    MT_MESSAGE_AUDIT,
    MT_MESSAGE_WITHOUT, /* of a patient: cases that do not count, each with why */
    MT_MESSAGE_WITHOUT_RESULT,
    MT_MESSAGE_WITHOUT_TILES,
    MT_MESSAGE_WITHOUT_WITHHELD,
    /* findings: a thing with its size, where it is, what was measured */
    MT_MESSAGE_OBJECT,
    MT_MESSAGE_OBJECT_SCORE,
    MT_MESSAGE_VOXELS,
    MT_MESSAGE_PLACE_PIXEL,
    MT_MESSAGE_PLACE_RIGHT, /* the words of /objects/location */
    MT_MESSAGE_PLACE_LEFT,
    MT_MESSAGE_PLACE_UPPER,
    MT_MESSAGE_PLACE_MIDDLE,
    MT_MESSAGE_PLACE_LOWER,
    MT_MESSAGE_VALUE_BETWEEN,
    MT_MESSAGE_MORE_OBJECTS,
    /* what would change what to do */
    MT_MESSAGE_ACTION_IF,
    MT_MESSAGE_ACTION_UNLESS,
    /* two studies of a patient */
    MT_MESSAGE_GREW,
    MT_MESSAGE_SHRANK,
    MT_MESSAGE_GREW_INSIDE, /* by volume, the diameter says nothing */
    MT_MESSAGE_SHRANK_INSIDE,
    MT_MESSAGE_SAME_SIZE,
    MT_MESSAGE_NOT_SIZED,
    MT_MESSAGE_NEW,
    MT_MESSAGE_GONE,
    MT_MESSAGE_MERGED,
    MT_MESSAGE_SPLIT,
    MT_MESSAGE_VOLUME_CHANGE,
    MT_MESSAGE_DOUBLING,
    MT_MESSAGE_FINDING_BEFORE,
    MT_MESSAGE_VALUE_CHANGE,
    MT_MESSAGE_VALUE_SAME,
    /* a case in words */
    MT_MESSAGE_ASK_WHAT,
    MT_MESSAGE_ASK_WHERE,
    MT_MESSAGE_ASK_SIZE,
    MT_MESSAGE_ASK_SURE,
    MT_MESSAGE_ASK_LIMIT,
    MT_MESSAGE_ASK_CHANGE,
    MT_MESSAGE_ASK_NEXT,
    MT_MESSAGE_ASK_LIKE,
    MT_MESSAGE_ASK_WHY,
    MT_MESSAGE_LABEL_FOUND,
    MT_MESSAGE_LABEL_NOT_FOUND,
    MT_MESSAGE_LABEL_FIRST,
    MT_MESSAGE_NOTHING_FOUND,
    MT_MESSAGE_SCORE_WITHHELD,
    MT_MESSAGE_REGION_MM,
    MT_MESSAGE_REGION_PX,
    MT_MESSAGE_REGION_PLANE,
    MT_MESSAGE_SIZE_OBJECT,
    MT_MESSAGE_SIZE_TISSUE,
    MT_MESSAGE_CHANGE_NOT_URGENT,
    MT_MESSAGE_CHANGE_CLEAR,
    MT_MESSAGE_CHANGE_NO_REVIEW,
    MT_MESSAGE_CHANGE_REVIEW,
    MT_MESSAGE_REMOVED_TILES,
    MT_MESSAGE_REMOVED_PART,
    MT_MESSAGE_REMOVED_PARTS,
    MT_MESSAGE_NEXT_URGENT,
    MT_MESSAGE_NEXT_REVIEW,
    MT_MESSAGE_NEXT_AUDIT,
    MT_MESSAGE_NEXT_AGAIN,
    MT_MESSAGE_LIKE_SCORE,
    MT_MESSAGE_LIKE,
    /* the report of a batch */
    MT_MESSAGE_REPORT_TITLE,
    MT_MESSAGE_REPORT_COUNTS,
    MT_MESSAGE_REPORT_DEMONSTRATION,
    MT_MESSAGE_REPORT_DONE,
    MT_MESSAGE_REPORT_FAILED,
    MT_MESSAGE_REPORT_RUNNING,
    MT_MESSAGE_REPORT_PENDING,
    MT_MESSAGE_REPORT_URGENT,
    MT_MESSAGE_REPORT_REVIEW,
    MT_MESSAGE_REPORT_CLEAR,
    MT_MESSAGE_REPORT_NONE,
    MT_MESSAGE_REPORT_WITHHELD,
    MT_MESSAGE_REPORT_TO_DO,
    MT_MESSAGE_REPORT_RESCAN,
    MT_MESSAGE_REPORT_SETTING,
    MT_MESSAGE_REPORT_RERUN,
    MT_MESSAGE_REPORT_HELP,
    MT_MESSAGE_REPORT_CASES,
    MT_MESSAGE_REPORT_CASE,
    MT_MESSAGE_REPORT_SLIDE,
    MT_MESSAGE_REPORT_HEAT,
    MT_MESSAGE_REPORT_PROJECTED,
    MT_MESSAGE_REPORT_DECISION,
    MT_MESSAGE_REPORT_SCORE,
    MT_MESSAGE_REPORT_QUALITY,
    MT_MESSAGE_REPORT_TIME,
    MT_MESSAGE_REPORT_REASON,
    MT_MESSAGE_REPORT_STAGE,
    MT_MESSAGE_REPORT_EXIT_CODE,
    MT_MESSAGE_REPORT_SIGNAL,
    MT_MESSAGE_REPORT_ATTEMPTS,
    MT_MESSAGE_REPORT_UNREAD,
    MT_MESSAGE_REPORT_TILES,
    MT_MESSAGE_REPORT_TISSUE,
    MT_MESSAGE_REPORT_FEW_PICTURES,
    MT_MESSAGE_REPORT_STAGE_MASK,
    MT_MESSAGE_REPORT_STAGE_READ,
    MT_MESSAGE_REPORT_STAGE_ENCODE,
    MT_MESSAGE_REPORT_STAGE_SCORE,
    MT_MESSAGE_REPORT_STAGE_WRITE,
    MT_MESSAGE_REPORT_THREADS,
    MT_MESSAGE_REPORT_RESEARCH,
    MT_MESSAGES,
} mt_message;

/* "en", "ko"; false when unknown. */
bool mt_language_parse(const char *name, mt_language *language);
/* English for NULL and what is unknown. */
mt_language mt_language_of(const char *name);
const char *mt_language_name(mt_language language);
/* The sentence with its {names}. */
const char *mt_message_template(mt_message message, mt_language language);
/* The sentence with name, value, name, value, ..., NULL put in; free with g_free. */
char *mt_message_text(mt_message message, mt_language language, ...) G_GNUC_NULL_TERMINATED;
char *mt_message_text_of(mt_message message, mt_language language, va_list pairs);

#endif
