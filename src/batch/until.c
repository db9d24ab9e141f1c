/* --until HH:MM. */
#include <microtome/batch.h>

#include <stdio.h>

bool mt_batch_parse_until(const char *text, gint64 now_us, gint64 *until_us, GError **error)
{
    g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(now_us / G_USEC_PER_SEC), now = g_date_time_to_local(utc);
    int  hour, minute;
    char rest;

    if (sscanf(text, "%2d:%2d%c", &hour, &minute, &rest) != 2 || hour < 0 || hour > 23 || minute < 0 || minute > 59) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--until %s: a time of day HH:MM is wanted, as 06:30", text);
        return false;
    }
    for (int days = 0; days < 3; days++) { /* an hour that summer time leaves out does not come that day */
        g_autoptr(GDateTime) day = g_date_time_add_days(now, days);
        g_autoptr(GDateTime) then = g_date_time_new_local(g_date_time_get_year(day), g_date_time_get_month(day),
                                                          g_date_time_get_day_of_month(day), hour, minute, 0);
        if (then != NULL && g_date_time_to_unix(then) * G_USEC_PER_SEC > now_us) {
            *until_us = g_date_time_to_unix(then) * G_USEC_PER_SEC;
            return true;
        }
    }
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--until %s: this hour does not come", text);
    return false;
}
