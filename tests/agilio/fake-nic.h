/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake-nic.h - a NIC for the tests of the host: a real function (region,
 * socket, doorbells), and behind it a thread that answers what it is asked, or
 * misbehaves as it is told.  No packet is ever processed; the test plays the
 * ports and the workers itself, with fake.f->qps and the port table.
 *
 * One NIC at a time.  'mood' may be changed at any time; everything else only
 * while the NIC is stopped, but for what says otherwise.
 */

#ifndef FAKE_NIC_H
#define FAKE_NIC_H 1

#include <pthread.h>
#include <unistd.h>

#include "host/function.h"
#include "ovs-thread.h"
#include "util.h"

enum fake_mood {
    FAKE_KIND,                  /* Answers everything. */
    FAKE_MUTE,                  /* Takes no requests. */
    FAKE_REFUSE,                /* Answers with an error. */
    FAKE_WRONG_ID,              /* Answers a request that was not made. */
    FAKE_NONSENSE,              /* Answers HELLO with too little. */
};

static struct {
    struct agl_function *f;
    pthread_t thread;
    int mood;                   /* enum fake_mood, atomic. */
    int stop;                   /* Atomic. */
    uint32_t n_foreign_flows;
    uint16_t abi_min, abi_max;

    /* What it was told, atomic. */
    uint32_t admin_up;          /* Of the last PORT_SET of flags. */
    uint32_t mtu;
    uint32_t mac_byte;          /* The last byte of the address. */
} fake;

static void
fake_port_set(struct agilio_reader *body)
{
    uint32_t what, flags, mtu;
    const uint8_t *mac;

    agilio_get_u32(body);
    what = agilio_get_u32(body);
    flags = agilio_get_u32(body);
    mtu = agilio_get_u32(body);
    mac = agilio_get_bytes(body, 6);
    if (what & AGILIO_PORT_SET_FLAGS) {
        agilio_store_relaxed(&fake.admin_up, flags);
    }
    if (what & AGILIO_PORT_SET_MTU) {
        agilio_store_relaxed(&fake.mtu, mtu);
    }
    if (what & AGILIO_PORT_SET_MAC && mac) {
        agilio_store_relaxed(&fake.mac_byte, mac[5]);
    }
}

static void
fake_answer(const struct agilio_msg *request, struct agilio_reader *body)
{
    int mood = agilio_load_relaxed(&fake.mood);
    uint16_t type = agilio_from_le16(request->type);
    uint32_t id = agilio_from_le32(request->id);
    uint8_t buf[AGILIO_MAX_MSG];
    struct agilio_writer w;
    bool error = mood == FAKE_REFUSE;

    agilio_msg_start(&w, buf, sizeof buf, type,
                     AGILIO_MSG_F_REPLY | (error ? AGILIO_MSG_F_ERROR : 0),
                     id + (mood == FAKE_WRONG_ID && type != AGILIO_MSG_HELLO),
                     agilio_from_le32(request->session));
    if (error) {
        agilio_put_u32(&w, AGILIO_E_NOENT);
        agilio_put_bytes(&w, "not today", 9);
    } else if (type == AGILIO_MSG_HELLO && mood != FAKE_NONSENSE) {
        agilio_put_u16(&w, AGILIO_ABI_MAX);
        agilio_put_u16(&w, 0);
        agilio_put_u32(&w, fake.n_foreign_flows);
        agilio_put_u64(&w, UINT64_MAX);
    } else if (type == AGILIO_MSG_TRACKER_DUMP) {
        /* An echo, for the tests of requests. */
        agilio_put_bytes(&w, body->p, body->end - body->p);
    } else if (type == AGILIO_MSG_PORT_SET) {
        fake_port_set(body);
    }
    if (agilio_msg_send(&fake.f->region.reply, buf,
                        agilio_msg_end(&w, buf)) > 0) {
        agl_function_kick(fake.f, AGILIO_VECTOR_CONTROL);
    }
}

static void
fake_run(void)
{
    enum agl_function_event event = agl_function_run(fake.f);
    uint8_t buf[AGILIO_MAX_MSG];
    struct agilio_reader body;
    struct agilio_msg msg;
    uint32_t i;

    if (event == AGL_HOST_WAITING) {
        for (i = 0; i < fake.f->region.geometry.n_qps; i++) {
            agl_region_reset_qp(&fake.f->region.qps[i]);
        }
        agl_region_reset_control(&fake.f->region);
        agl_function_welcome(fake.f);
    }
    while (agl_function_attached(fake.f)
           && agilio_load_relaxed(&fake.mood) != FAKE_MUTE
           && agilio_ring_free(&fake.f->region.reply) > 128
           && agilio_msg_receive(&fake.f->region.request, buf, &msg, &body)) {
        fake_answer(&msg, &body);
    }
}

static void *
fake_main(void *aux OVS_UNUSED)
{
    while (!agilio_load_acquire(&fake.stop)) {
        fake_run();
        usleep(20);
    }
    return NULL;
}

/* Starts a NIC with 4 port slots, all empty.  False if it cannot. */
static bool
fake_start(const char *path)
{
    const struct agl_geometry geometry = {
        .type = AGILIO_FUNCTION_PF,
        .n_ports = 4,
        .n_qps = 4,
        .max_flows = 128,
        .max_masks = 8,
        .n_workers = 1,
        .control_granules = 256,
        .packet_granules = 256,
    };
    char *error = NULL;

    if (agl_function_create(path, &geometry, &fake.f, &error)) {
        printf("%s\n", error);
        free(error);
        return false;
    }
    if (fake.abi_max) {
        fake.f->region.header->abi_min = agilio_to_le16(fake.abi_min);
        fake.f->region.header->abi_max = agilio_to_le16(fake.abi_max);
    }
    fake.stop = 0;
    return !pthread_create(&fake.thread, NULL, fake_main, NULL);
}

static void
fake_stop(void)
{
    agilio_store_release(&fake.stop, 1);
    pthread_join(fake.thread, NULL);
    agl_function_destroy(fake.f);
    fake.f = NULL;
}

/* Writes an entry of the port table; may be called while the NIC runs. */
static inline void
fake_set_port(uint32_t slot, uint32_t incarnation, const char *name,
              uint32_t flags)
{
    struct agilio_port *port = &fake.f->region.ports[slot];
    struct agilio_region *h = fake.f->region.header;

    agilio_store_relaxed(&port->seq, agilio_to_le32(1));
    agilio_fence();
    port->id = agilio_to_le32(incarnation ? agilio_port_id(slot, incarnation)
                              : AGILIO_PORT_NONE);
    port->flags = agilio_to_le32(flags);
    port->mtu = agilio_to_le32(1500);
    port->speed = agilio_to_le32(10000);
    memcpy(port->mac, "\x02\x00\x00\x00\x00\x07", 6);
    ovs_strzcpy(port->name, name, sizeof port->name);
    agilio_store_release(&port->seq, agilio_to_le32(2));
    agilio_store_release(&h->port_seq,
                         agilio_to_le32(agilio_from_le32(h->port_seq) + 1));
}

/* Waits, quiescing, until COND; false after 'ms' milliseconds. */
#define WAIT_FOR(COND, MS)                                              \
    ({                                                                  \
        int left__ = (MS);                                              \
                                                                        \
        while (!(COND) && left__-- > 0) {                               \
            xnanosleep(1000 * 1000);                                    \
        }                                                               \
        left__ >= 0;                                                    \
    })

#endif /* fake-nic.h */
