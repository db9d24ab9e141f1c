/* Addresses of DICOM applications, as users write them. */
#include "src/export/dicom_peer.h"

#include <string.h>

#define TITLE_CHARACTERS 16 /* PS3.5, value representation AE */

static bool good_title(const char *title)
{
    size_t n = strlen(title);

    for (const char *c = title; *c != '\0'; c++)
        if (!g_ascii_isprint(*c) || *c == '\\' || *c == ':' || *c == '@')
            return false;
    return n >= 1 && n <= TITLE_CHARACTERS && strspn(title, " ") < n;
}

static bool take_titles(char *titles, mt_dicom_peer *peer)
{
    char *colon = strchr(titles, ':');

    if (colon != NULL)
        *colon = '\0';
    peer->calling = g_strdup(colon != NULL ? titles : "MICROTOME");
    peer->called = g_strdup(colon != NULL ? colon + 1 : titles);
    return good_title(peer->calling) && good_title(peer->called);
}

static bool take_host(const char *text, mt_dicom_peer *peer)
{
    const char *colon = strrchr(text, ':');
    guint64     port;

    if (colon == NULL || colon == text || !g_ascii_string_to_unsigned(colon + 1, 10, 1, 65535, &port, NULL))
        return false;
    peer->host = g_strndup(text, (gsize)(colon - text));
    peer->port = (int)port;
    return strpbrk(peer->host, " \t/@[]:") == NULL; /* DCMTK knows no IPv6 */
}

bool mt_dicom_peer_parse(const char *text, mt_dicom_peer *peer, GError **error)
{
    g_autofree char *copy = g_strdup(text);
    char            *at = strchr(copy, '@');

    *peer = (mt_dicom_peer){0};
    if (at != NULL) {
        *at = '\0';
        if (take_titles(copy, peer) && take_host(at + 1, peer))
            return true;
    }
    mt_dicom_peer_clear(peer);
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                "\"%s\" is no address of a DICOM application: [CALLING:]CALLED@HOST:PORT is wanted, titles of 1 to %d characters, as "
                "ORTHANC@pacs:4242",
                text, TITLE_CHARACTERS);
    return false;
}

void mt_dicom_peer_clear(mt_dicom_peer *peer)
{
    g_free(peer->calling);
    g_free(peer->called);
    g_free(peer->host);
    *peer = (mt_dicom_peer){0};
}
