/* SPDX-License-Identifier: Apache-2.0 */
/* agilio-kernel.c - see agilio-kernel.h. */

#include <config.h>

#include "agilio-kernel.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <unistd.h>

#include "hash.h"
#include "netlink-socket.h"
#include "netlink.h"
#include "odp-util.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

static uint32_t
hash_ufid(const ovs_u128 *ufid)
{
    return hash_bytes32((const uint32_t *) ufid, sizeof *ufid, 0);
}

/* ## ------ ##
 * ## Asking ##
 * ## ------ ## */

/* The family's number; -ENODEV without agilio.ko, or another error. */
static int
find_family(void)
{
    int number = 0;             /* Another one each time that it is loaded. */
    int error;

    /* Asked for a family that it does not know, the kernel would look for a
     * module. */
    if (access("/sys/module/agilio", F_OK)) {
        return -ENODEV;
    }
    error = nl_lookup_genl_family(AGILIO_GENL_NAME, &number);
    return error ? -error : number;
}

/* Whether a reply is of a version that we know; then also its attributes. */
static bool
parse(const struct ofpbuf *reply, struct nlattr *attrs[AGILIO_N_ATTRS])
{
    static const struct nl_policy policy[AGILIO_N_ATTRS] = {
        [AGILIO_ATTR_NIC] = { .type = NL_A_STRING, .optional = false },
        [AGILIO_ATTR_STATE] = { .type = NL_A_U32, .optional = true },
        [AGILIO_ATTR_WHY] = { .type = NL_A_STRING, .optional = true },
        [AGILIO_ATTR_REGION] = { .type = NL_A_UNSPEC, .optional = true },
        [AGILIO_ATTR_COUNTERS] = { .type = NL_A_UNSPEC, .optional = true },
        [AGILIO_ATTR_RING_FILL] = { .type = NL_A_U32, .optional = true },
        [AGILIO_ATTR_PORT] = { .type = NL_A_UNSPEC, .optional = true },
        [AGILIO_ATTR_DEVICE] = { .type = NL_A_STRING, .optional = true },
        [AGILIO_ATTR_UFID] = { NL_POLICY_FOR(ovs_u128), .optional = true },
        [AGILIO_ATTR_KEY] = { .type = NL_A_NESTED, .optional = true },
        [AGILIO_ATTR_RESIDENCY] = { .type = NL_A_U32, .optional = true },
        [AGILIO_ATTR_ID] = { .type = NL_A_U32, .optional = true },
        [AGILIO_ATTR_BODY] = { .type = NL_A_UNSPEC, .optional = true },
    };
    const struct genlmsghdr *genl = ofpbuf_at(reply, NLMSG_HDRLEN,
                                              GENL_HDRLEN);

    return genl && genl->version == AGILIO_GENL_VERSION
           && nl_policy_parse(reply, NLMSG_HDRLEN + GENL_HDRLEN, policy,
                              attrs, AGILIO_N_ATTRS);
}

typedef void take_cb(struct agilio_kernel *, struct nlattr *attrs[]);

/* Gives each message of a dump to 'take'.  Returns 0 or a positive errno. */
static int
dump(struct agilio_kernel *kernel, int family, enum agilio_genl_cmd cmd,
     take_cb *take)
{
    uint64_t stub[NL_DUMP_BUFSIZE / 8];
    struct nlattr *attrs[AGILIO_N_ATTRS];
    struct ofpbuf request, reply, buf;
    struct nl_dump nl_dump;
    int error = 0, retval;

    ofpbuf_init(&request, 0);
    nl_msg_put_genlmsghdr(&request, 0, family, NLM_F_REQUEST, cmd,
                          AGILIO_GENL_VERSION);
    nl_dump_start(&nl_dump, NETLINK_GENERIC, &request);
    ofpbuf_uninit(&request);

    ofpbuf_use_stub(&buf, stub, sizeof stub);
    while (nl_dump_next(&nl_dump, &reply, &buf)) {
        if (parse(&reply, attrs)) {
            take(kernel, attrs);
        } else {
            error = EPROTO;
        }
    }
    ofpbuf_uninit(&buf);
    retval = nl_dump_done(&nl_dump);
    return retval ? retval : error;
}

/* ## ------ ##
 * ## Taking ##
 * ## ------ ## */

/* Copies what of 'attr' there is and has room; the rest becomes 0. */
static void
copy(void *to, size_t size, const struct nlattr *attr)
{
    size_t n = attr ? MIN(size, nl_attr_get_size(attr)) : 0;

    memset(to, 0, size);
    if (n) {
        memcpy(to, nl_attr_get(attr), n);
    }
}

/* The one that a message is about. */
static struct agilio_kernel_nic *
find_nic(const struct agilio_kernel *kernel, struct nlattr *attrs[])
{
    const char *name = nl_attr_get_string(attrs[AGILIO_ATTR_NIC]);

    return CONST_CAST(struct agilio_kernel_nic *,
                      agilio_kernel_find_nic(kernel, name));
}

static void
take_nic(struct agilio_kernel *kernel, struct nlattr *attrs[])
{
    struct agilio_kernel_nic *nic = xzalloc(sizeof *nic);
    uint32_t n_workers;

    nic->name = xstrdup(nl_attr_get_string(attrs[AGILIO_ATTR_NIC]));
    if (attrs[AGILIO_ATTR_STATE]) {
        nic->state = nl_attr_get_u32(attrs[AGILIO_ATTR_STATE]);
    }
    if (attrs[AGILIO_ATTR_WHY]) {
        nic->why = xstrdup(nl_attr_get_string(attrs[AGILIO_ATTR_WHY]));
    }
    if (attrs[AGILIO_ATTR_RING_FILL]) {
        nic->ring_fill = nl_attr_get_u32(attrs[AGILIO_ATTR_RING_FILL]);
    }
    copy(&nic->region, sizeof nic->region, attrs[AGILIO_ATTR_REGION]);
    copy(nic->counters[0], sizeof nic->counters[0],
         attrs[AGILIO_ATTR_COUNTERS]);
    n_workers = agilio_from_le32(nic->region.n_workers);
    nic->map = (struct agilio_map) {
        .region = &nic->region,
        .boot_id = agilio_from_le64(nic->region.boot_id),
        .features = (agilio_from_le64(nic->region.features)
                     & AGILIO_FEATURES),
        .n_ports = AGILIO_MAX_PORTS,
        .n_counters = AGILIO_N_COUNTERS,
        .n_workers = MIN(n_workers, AGILIO_KERNEL_WORKERS),
        .max_flows = agilio_from_le32(nic->region.max_flows),
        .max_masks = agilio_from_le32(nic->region.max_masks),
        .ports = nic->ports,
        .counters = nic->counters[0],
        .packets_fd = -1,
        .nic_packets_fd = -1,
    };
    kernel->nics = xrealloc(kernel->nics,
                            (kernel->n_nics + 1) * sizeof *kernel->nics);
    kernel->nics[kernel->n_nics++] = nic;
}

static void
take_port(struct agilio_kernel *kernel, struct nlattr *attrs[])
{
    struct agilio_kernel_nic *nic = find_nic(kernel, attrs);
    struct agilio_port port;
    uint32_t slot;

    copy(&port, sizeof port, attrs[AGILIO_ATTR_PORT]);
    slot = agilio_port_slot(agilio_from_le32(port.id));
    if (!nic || slot >= AGILIO_MAX_PORTS) {
        return;
    }
    nic->ports[slot] = port;
    if (attrs[AGILIO_ATTR_DEVICE]) {
        ovs_strlcpy(nic->devices[slot],
                    nl_attr_get_string(attrs[AGILIO_ATTR_DEVICE]),
                    sizeof nic->devices[slot]);
    }
}

/* The text of 'attr', kept as long as 'kernel'. */
static const char *
keep_reason(struct agilio_kernel *kernel, const struct nlattr *attr)
{
    const char *reason = nl_attr_get_string(attr);
    struct sset_node *node = sset_find(&kernel->reasons, reason);

    return node ? node->name : sset_add(&kernel->reasons, reason)->name;
}

static void
take_flow(struct agilio_kernel *kernel, struct nlattr *attrs[])
{
    static const enum agilio_residency residencies[] = {
        [AGILIO_GENL_RESIDENT] = AGILIO_RESIDENT,
        [AGILIO_GENL_PENDING] = AGILIO_PENDING,
        [AGILIO_GENL_HOST] = AGILIO_HOST,
        [AGILIO_GENL_REFUSED] = AGILIO_REFUSED,
    };
    const struct nlattr *ufid = attrs[AGILIO_ATTR_UFID];
    const struct nlattr *key = attrs[AGILIO_ATTR_KEY];
    struct agilio_kernel_nic *nic = find_nic(kernel, attrs);
    struct agilio_kernel_flow *flow;
    uint32_t residency;

    residency = (attrs[AGILIO_ATTR_RESIDENCY]
                 ? nl_attr_get_u32(attrs[AGILIO_ATTR_RESIDENCY]) : UINT32_MAX);
    if (!nic || residency >= ARRAY_SIZE(residencies) || !(ufid || key)) {
        return;
    }
    flow = xmalloc(sizeof *flow);
    flow->nic = nic;
    flow->nic_id = (attrs[AGILIO_ATTR_ID]
                    ? nl_attr_get_u32(attrs[AGILIO_ATTR_ID]) : UINT32_MAX);
    flow->residency = residencies[residency];
    if (ufid) {
        flow->ufid = nl_attr_get_u128(ufid);
    } else {
        odp_flow_key_hash(nl_attr_get(key), nl_attr_get_size(key),
                          &flow->ufid);
    }
    flow->reason = (flow->residency == AGILIO_RESIDENT ? NULL
                    : !attrs[AGILIO_ATTR_WHY] ? "nic: not answered yet"
                    : keep_reason(kernel, attrs[AGILIO_ATTR_WHY]));
    hmap_insert(&kernel->flows, &flow->node, hash_ufid(&flow->ufid));
    nic->n_flows++;
}

/* ## ------- ##
 * ## Outside ##
 * ## ------- ## */

/* What can be asked for one after the other; empty if that fails. */
static void
ask(struct agilio_kernel *kernel, enum agilio_genl_cmd cmd, take_cb *take)
{
    int family = find_family();
    int error;

    if (family == -ENODEV || kernel->error) {
        return;
    }
    error = family < 0 ? -family : dump(kernel, family, cmd, take);
    if (error) {
        kernel->error = xasprintf("agilio.ko does not tell of its NICs: %s",
                                  error == EPROTO ? "it is another version"
                                  : ovs_strerror(error));
    }
}

void
agilio_kernel_init(struct agilio_kernel *kernel)
{
    *kernel = (struct agilio_kernel) {
        .flows = HMAP_INITIALIZER(&kernel->flows),
        .reasons = SSET_INITIALIZER(&kernel->reasons),
    };
    ask(kernel, AGILIO_CMD_NIC_GET, take_nic);
    ask(kernel, AGILIO_CMD_PORT_GET, take_port);
}

void
agilio_kernel_get_flows(struct agilio_kernel *kernel)
{
    ask(kernel, AGILIO_CMD_FLOW_GET, take_flow);
}

void
agilio_kernel_destroy(struct agilio_kernel *kernel)
{
    struct agilio_kernel_flow *flow;

    HMAP_FOR_EACH_POP (flow, node, &kernel->flows) {
        free(flow);
    }
    hmap_destroy(&kernel->flows);
    sset_destroy(&kernel->reasons);
    for (size_t i = 0; i < kernel->n_nics; i++) {
        free(kernel->nics[i]->name);
        free(kernel->nics[i]->why);
        free(kernel->nics[i]);
    }
    free(kernel->nics);
    free(kernel->error);
}

const struct agilio_kernel_flow *
agilio_kernel_find_flow(const struct agilio_kernel *kernel,
                        const ovs_u128 *ufid)
{
    const struct agilio_kernel_flow *flow;

    HMAP_FOR_EACH_WITH_HASH (flow, node, hash_ufid(ufid), &kernel->flows) {
        if (ovs_u128_equals(flow->ufid, *ufid)) {
            return flow;
        }
    }
    return NULL;
}

const struct agilio_kernel_nic *
agilio_kernel_find_nic(const struct agilio_kernel *kernel, const char *name)
{
    for (size_t i = 0; i < kernel->n_nics; i++) {
        if (!strcmp(kernel->nics[i]->name, name)) {
            return kernel->nics[i];
        }
    }
    return NULL;
}

const struct agilio_kernel_nic *
agilio_kernel_find_device(const struct agilio_kernel *kernel,
                          const char *name)
{
    for (size_t i = 0; i < kernel->n_nics; i++) {
        if (agilio_kernel_port_id(kernel->nics[i], name)
            != AGILIO_PORT_NONE) {
            return kernel->nics[i];
        }
    }
    return NULL;
}

uint32_t
agilio_kernel_port_id(const struct agilio_kernel_nic *nic, const char *name)
{
    for (size_t slot = 0; slot < AGILIO_MAX_PORTS; slot++) {
        if (!strcmp(nic->devices[slot], name)) {
            return agilio_from_le32(nic->ports[slot].id);
        }
    }
    return AGILIO_PORT_NONE;
}

/* Begins a request about NIC 'name'.  False if there is no agilio.ko. */
static bool
begin(struct ofpbuf *request, enum agilio_genl_cmd cmd, const char *name,
      uint32_t flags)
{
    int family = find_family();

    if (family < 0) {
        return false;
    }
    ofpbuf_init(request, 0);
    nl_msg_put_genlmsghdr(request, 0, family, NLM_F_REQUEST | flags, cmd,
                          AGILIO_GENL_VERSION);
    nl_msg_put_string(request, AGILIO_ATTR_NIC, name);
    return true;
}

int
agilio_kernel_keepalive(const char *name)
{
    struct ofpbuf request;
    int error;

    if (!begin(&request, AGILIO_CMD_KEEPALIVE, name, NLM_F_ACK)) {
        return ENODEV;
    }
    error = nl_transact(NETLINK_GENERIC, &request, NULL);
    ofpbuf_uninit(&request);
    return error;
}

/* Reads the reply to AGILIO_CMD_ASK. */
static int
read_answer(const struct ofpbuf *answer, void *reply, size_t reply_size,
            size_t *reply_len, char **reason)
{
    struct nlattr *attrs[AGILIO_N_ATTRS];

    if (!parse(answer, attrs)) {
        return EPROTO;
    }
    if (attrs[AGILIO_ATTR_WHY]) {
        *reason = xstrdup(nl_attr_get_string(attrs[AGILIO_ATTR_WHY]));
        return EINVAL;
    }
    if (!attrs[AGILIO_ATTR_BODY]) {
        return EPROTO;
    }
    copy(reply, reply_size, attrs[AGILIO_ATTR_BODY]);
    *reply_len = MIN(reply_size, nl_attr_get_size(attrs[AGILIO_ATTR_BODY]));
    return 0;
}

int
agilio_kernel_call(const char *name, enum agilio_msg_type type,
                   const void *body, size_t len,
                   void *reply, size_t reply_size, size_t *reply_len,
                   char **reason)
{
    struct ofpbuf request, *answer;
    int error;

    if (!begin(&request, AGILIO_CMD_ASK, name, 0)) {
        return ENODEV;
    }
    nl_msg_put_u32(&request, AGILIO_ATTR_MSG, type);
    nl_msg_put_unspec(&request, AGILIO_ATTR_BODY, body, len);
    error = nl_transact(NETLINK_GENERIC, &request, &answer);
    ofpbuf_uninit(&request);
    if (!error) {
        error = read_answer(answer, reply, reply_size, reply_len, reason);
        ofpbuf_delete(answer);
    }
    return error;
}
