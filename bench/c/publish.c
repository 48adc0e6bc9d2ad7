#define _GNU_SOURCE
#include "publish.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 65536

void publisher_open(struct publisher *p, const char *where, const char *file, const char *replies, uint64_t base)
{
    FILE *f = fopen(file, "rb");
    if (!f)
        die("can't read %s", file);
    char line[1024], *at = line;
    if (!fgets(line, sizeof line, f))
        die("%s is empty", file);
    while (p->places < 16) {
        unsigned long offset;
        int width, used;
        char kind;
        if (sscanf(at, " %lu:%d:%c%n", &offset, &width, &kind, &used) != 3)
            break;
        p->place[p->places].at = offset;
        p->place[p->places].width = width;
        p->place[p->places++].kind = kind;
        at += used;
    }
    p->bytes = malloc(ROOM);
    p->size = fread(p->bytes, 1, ROOM, f);
    fclose(f);
    p->in = malloc(ROOM);
    p->base = base;
    p->replies = !strcmp(replies, "resp") ? RESP_REPLIES : !strcmp(replies, "http") ? HTTP_REPLIES : NO_REPLIES;
    p->fd = connect_to(where);
    set_nonblocking(p->fd);
}

static void number(char *into, int width, uint64_t value)
{
    for (int i = width - 1; i >= 0; i--, value /= 10)
        into[i] = (char)('0' + value % 10);
}

void publisher_send(struct publisher *p, uint64_t count)
{
    static char *out;
    static size_t room;
    if (count * p->size > room) {
        room = count * p->size;
        out = realloc(out, room);
    }
    size_t length = 0;
    for (uint64_t i = 0; i < count; i++) {
        for (int k = 0; k < p->places; k++) {
            uint64_t value = p->sent;
            if (p->place[k].kind == 'o')
                value += p->base;
            else if (p->place[k].kind == 't')
                value = now_ns();
            number(p->bytes + p->place[k].at, p->place[k].width, value);
        }
        memcpy(out + length, p->bytes, p->size);
        length += p->size;
        p->sent++;
    }
    for (size_t done = 0; done < length;) {
        ssize_t n = send(p->fd, out + done, length - done, MSG_NOSIGNAL);
        if (n > 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd wait = {.fd = p->fd, .events = POLLIN | POLLOUT};
            poll(&wait, 1, 1000);
            if (wait.revents & POLLIN)
                publisher_read(p);
        } else {
            die("the publisher's connection broke: %s", strerror(errno));
        }
    }
}

/* The end of one RESP value; NULL if it isn't whole. */
static const char *resp_end(const char *p, const char *end)
{
    const char *line = memchr(p, '\n', (size_t)(end - p));
    if (!line)
        return NULL;
    long n = strtol(p + 1, NULL, 10);
    line++;
    if (*p == '$')
        return n < 0 ? line : line + n + 2 <= end ? line + n + 2 : NULL;
    if (*p == '*')
        for (; n > 0 && line; n--)
            line = line < end ? resp_end(line, end) : NULL;
    return line;
}

size_t resp_replies(const char *p, size_t n, uint64_t *answered, uint64_t *refused, char refusal[200])
{
    static const char ok[] = "*4\r\n$2\r\nOK\r\n";
    const char *end = p + n, *at = p, *next;
    while (at < end && (next = resp_end(at, end))) {
        ++*answered;
        if ((size_t)(next - at) < sizeof ok - 1 || memcmp(at, ok, sizeof ok - 1)) {
            if (!(*refused)++)
                snprintf(refusal, 200, "%.*s", (int)(next - at), at);
        }
        at = next;
    }
    return (size_t)(at - p);
}

static size_t http_replies(struct publisher *p)
{
    size_t done = 0;
    char *head;
    while ((head = memmem(p->in + done, p->kept - done, "\r\n\r\n", 4))) {
        char *length = memmem(p->in + done, (size_t)(head - p->in) - done, "Content-Length: ", 16);
        size_t end = (size_t)(head + 4 - p->in) + (length ? strtoul(length + 16, NULL, 10) : 0);
        if (end > p->kept)
            break;
        if (memcmp(p->in + done, "HTTP/1.1 20", 11) && !p->refused++)
            snprintf(p->refusal, sizeof p->refusal, "%.*s", 60, p->in + done);
        p->answered++;
        done = end;
    }
    return done;
}

void publisher_read(struct publisher *p)
{
    ssize_t n;
    while ((n = recv(p->fd, p->in + p->kept, ROOM - p->kept, 0)) > 0) {
        p->kept += (size_t)n;
        size_t done = p->replies == RESP_REPLIES
                          ? resp_replies(p->in, p->kept, &p->answered, &p->refused, p->refusal)
                      : p->replies == HTTP_REPLIES ? http_replies(p)
                                                   : p->kept;
        memmove(p->in, p->in + done, p->kept - done);
        p->kept -= done;
    }
    if (n == 0)
        die("the publisher's connection was closed");
}
