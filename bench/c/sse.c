#define _GNU_SOURCE
#include "sse.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD, SIZE, DATA, AFTER, TRAILER, PLAIN, OVER };

typedef void taker(void *, const struct event *);

void reader_reset(struct reader *r)
{
    r->state = HEAD;
    r->status = r->chunked = r->digits = 0;
    r->length = 0;
}

void reader_free(struct reader *r)
{
    free(r->kept);
    r->kept = NULL;
    r->length = r->room = 0;
}

int reader_has_head(const struct reader *r)
{
    return r->state != HEAD;
}

static void keep(struct reader *r, const char *p, size_t n)
{
    if (r->length + n > r->room) {
        r->room = (r->length + n) * 2;
        r->kept = realloc(r->kept, r->room);
    }
    memcpy(r->kept + r->length, p, n);
    r->length += n;
}

/* Hand on each whole event; returns where the first one that isn't whole begins. */
static size_t events(const char *p, size_t n, taker *take, void *who)
{
    size_t at = 0, start = 0;
    struct event e = {0};
    const char *end;
    while ((end = memchr(p + at, '\n', n - at))) {
        const char *line = p + at;
        size_t length = (size_t)(end - line);
        at += length + 1;
        if (length && line[length - 1] == '\r')
            length--;
        if (!length) {
            if (e.data)
                take(who, &e);
            e = (struct event){0};
            start = at;
        } else if (length >= 5 && !memcmp(line, "data:", 5)) {
            size_t skip = length > 5 && line[5] == ' ' ? 6 : 5;
            e.data = line + skip;
            e.data_length = length - skip;
        } else if (length >= 3 && !memcmp(line, "id:", 3)) {
            size_t skip = length > 3 && line[3] == ' ' ? 4 : 3;
            e.id = line + skip;
            e.id_length = length - skip;
        } else if (line[0] == ':' && line == p + start) {
            start = at; /* a heartbeat between events */
        }
    }
    return start;
}

static void body(struct reader *r, const char *p, size_t n, taker *take, void *who)
{
    if (r->length) {
        keep(r, p, n);
        size_t done = events(r->kept, r->length, take, who);
        memmove(r->kept, r->kept + done, r->length - done);
        r->length -= done;
        return;
    }
    size_t done = events(p, n, take, who);
    if (done < n)
        keep(r, p + done, n - done);
}

/* Read the head; returns whether it is one. */
static int head(struct reader *r)
{
    keep(r, "", 1);
    if (strncmp(r->kept, "HTTP/1.1 ", 9))
        return 0;
    r->status = atoi(r->kept + 9);
    r->left = -1;
    for (char *line = r->kept; (line = strstr(line, "\r\n")) && line[2];) {
        line += 2;
        if (!strncasecmp(line, "transfer-encoding:", 18) && strcasestr(line, "chunked"))
            r->chunked = 1;
        else if (!strncasecmp(line, "content-length:", 15))
            r->left = atol(line + 15);
    }
    r->length = 0;
    r->state = r->chunked ? SIZE : PLAIN;
    if (r->left == 0 && !r->chunked)
        r->state = OVER;
    return 1;
}

enum progress reader_feed(struct reader *r, const char *p, size_t n, taker *take, void *who)
{
    const char *end = p + n;
    while (p < end) {
        size_t here = (size_t)(end - p);
        switch (r->state) {
        case HEAD: {
            size_t before = r->length > 3 ? r->length - 3 : 0;
            keep(r, p, here);
            char *blank = memmem(r->kept + before, r->length - before, "\r\n\r\n", 4);
            if (!blank) {
                if (r->length > 65536)
                    return BROKEN;
                return GOING;
            }
            size_t over = r->length - (size_t)(blank + 4 - r->kept);
            r->length -= over;
            p = end - over;
            if (!head(r))
                return BROKEN;
            break;
        }
        case SIZE:
            if (*p == '\n') {
                r->size[r->digits] = 0;
                r->left = strtol(r->size, NULL, 16);
                r->digits = 0;
                r->state = r->left ? DATA : TRAILER;
            } else if (r->digits < 18) {
                r->size[r->digits++] = *p;
            } else {
                return BROKEN;
            }
            p++;
            break;
        case DATA: {
            size_t part = here < (size_t)r->left ? here : (size_t)r->left;
            body(r, p, part, take, who);
            p += part;
            r->left -= (long)part;
            if (!r->left)
                r->state = AFTER;
            break;
        }
        case AFTER:
            if (*p++ == '\n')
                r->state = SIZE;
            break;
        case TRAILER: /* none of ours has one: the empty line alone */
            if (*p++ == '\n')
                r->state = OVER;
            break;
        case PLAIN: {
            size_t part = r->left >= 0 && here > (size_t)r->left ? (size_t)r->left : here;
            body(r, p, part, take, who);
            p += part;
            if (r->left >= 0 && !(r->left -= (long)part))
                r->state = OVER;
            break;
        }
        default:
            return BROKEN;
        }
    }
    return r->state == OVER ? ENDED : GOING;
}
