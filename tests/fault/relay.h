/* A fault proxy: a stretch of network between the service and a store that can be slow, lossy or
 * cut. Relays bytes between Unix sockets, in a thread of its own. */
#ifndef RSVPD_TESTS_RELAY_H
#define RSVPD_TESTS_RELAY_H

struct relay;

struct relay_weather {
    int delay_ms;     /* each way */
    int loss_percent; /* of the pieces sent; a lost one comes as late as TCP would send it again */
    int partitioned;  /* nothing passes, nobody is told */
    int bytes_per_s;  /* of a connection, each way; 0: as many as there are */
};

/* Listens in a directory of its own under the same name as the socket at path. */
struct relay *relay_create(const char *path);
/* The directory, and the socket in it. */
const char *relay_directory(const struct relay *relay);
const char *relay_path(const struct relay *relay);
void relay_set_weather(struct relay *relay, const struct relay_weather *weather);
/* Resets every connection. */
void relay_cut(struct relay *relay);
void relay_destroy(struct relay **relay);

#endif
