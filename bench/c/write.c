/* Sends commands to Redis as fast as it takes them, so many in flight, on one connection.
 *
 *   write WHERE FILE IN_FLIGHT    WHERE is a port or a socket's path; FILE has each command after its length
 *                                 (32 bits, this machine's order). Prints what it took, as JSON.
 */
#define _GNU_SOURCE
#include "common.h"
#include "publish.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ROOM (1 << 20)

int main(int argc, char **argv)
{
    if (argc != 4)
        die("write WHERE FILE IN_FLIGHT");
    FILE *f = fopen(argv[2], "rb");
    if (!f)
        die("can't read %s", argv[2]);
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f);
    rewind(f);
    char *all = malloc(size + 1);
    if (fread(all, 1, size, f) != size)
        die("can't read %s", argv[2]);
    fclose(f);

    int fd = connect_to(argv[1]);
    set_nonblocking(fd);
    uint64_t in_flight = strtoull(argv[3], NULL, 10), sent = 0, answered = 0, refused = 0;
    static char out[ROOM], in[ROOM];
    char refusal[200] = "";
    size_t at = 0, waiting = 0, done = 0, kept = 0;
    uint64_t begun = now_ns(), cpu = own_ns();
    while (at < size || answered < sent) {
        /* What may go, goes in one write. */
        while (at < size && sent - answered < in_flight) {
            uint32_t length;
            memcpy(&length, all + at, sizeof length);
            if (waiting + length > ROOM)
                break;
            memcpy(out + waiting, all + at + sizeof length, length);
            waiting += length;
            at += sizeof length + length;
            sent++;
        }
        while (done < waiting) {
            ssize_t n = send(fd, out + done, waiting - done, MSG_NOSIGNAL);
            if (n < 0) {
                if (errno == EAGAIN)
                    break;
                die("can't write: %s", strerror(errno));
            }
            done += (size_t)n;
        }
        if (done == waiting)
            done = waiting = 0;
        struct pollfd wait = {.fd = fd, .events = (short)(POLLIN | (waiting ? POLLOUT : 0))};
        if (poll(&wait, 1, 20000) <= 0)
            die("no reply");
        ssize_t n = recv(fd, in + kept, ROOM - kept, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            die("the connection broke");
        if (n > 0) {
            kept += (size_t)n;
            size_t whole = resp_replies(in, kept, &answered, &refused, refusal);
            memmove(in, in + whole, kept - whole);
            kept -= whole;
        }
    }
    uint64_t took = now_ns() - begun;
    if (refused)
        die("Redis refused %llu calls, the first: %s", (unsigned long long)refused, refusal);
    printf("{\"calls\":%llu,\"seconds\":%.6f,\"own_seconds\":%.6f}\n", (unsigned long long)answered,
           (double)took / 1e9, (double)(own_ns() - cpu) / 1e9);
    return 0;
}
