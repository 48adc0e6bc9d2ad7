/* Reads HTTP/1.1 responses whose bodies are Server-Sent Events. */
#ifndef SSE_H
#define SSE_H

#include <stddef.h>

struct event {
    const char *id, *data;
    size_t id_length, data_length;
};

enum progress { GOING, ENDED, BROKEN };

struct reader {
    int state, status, chunked;
    long left;         /* of the chunk, or of the body if its length is known; -1 to the connection's end */
    char size[20];     /* a chunk's size, as far as it has come */
    int digits;
    char *kept;        /* a part of the head, or of an event */
    size_t length, room;
};

/* Begin a response. */
void reader_reset(struct reader *r);
void reader_free(struct reader *r);

/* Take bytes in; each whole event is handed to `take`. What follows a response's end is an error. */
enum progress reader_feed(struct reader *r, const char *p, size_t n,
                          void (*take)(void *, const struct event *), void *who);

/* Whether the response's head is in. */
int reader_has_head(const struct reader *r);

#endif
