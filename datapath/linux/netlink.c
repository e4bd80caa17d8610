// SPDX-License-Identifier: GPL-2.0-only
/*
 * netlink.c - the generic netlink family "agilio"; see agilio/netlink.h.
 *
 * For ovs-vswitchd's agilio/... commands.  A dump is put together part by part
 * as its reader takes them; in between no lock is held, so what comes and goes
 * meanwhile may be in it or not, but nothing that stays is left out: NICs go by
 * their serial numbers, ports by slots, flows by ids.
 *
 * The nics lock is the outermost of all.  It keeps NICs from going while they
 * are asked; one that hangs holds up who asks, for AGK_TIMEOUT at most.
 */

#include <linux/openvswitch.h>
#include <net/genetlink.h>

#include "agilio/netlink.h"
#include "agk.h"
#include "flow.h"
#include "offload.h"

static LIST_HEAD(nics);
static DEFINE_MUTEX(nics_mutex);
static unsigned long last_serial;

static struct genl_family family;

/* ## ----- ##
 * ## Dumps ##
 * ## ----- ##
 */

/* A part of a dump, and how far it has come. */
struct part {
	struct sk_buff *skb;
	struct netlink_callback *cb;
	u8 cmd;
	struct agk_nic *nic;
};

/* Begins a message about the NIC; NULL if there is no room. */
static void *begin(const struct part *p)
{
	void *msg = genlmsg_put(p->skb, NETLINK_CB(p->cb->skb).portid,
				p->cb->nlh->nlmsg_seq, &family, NLM_F_MULTI,
				p->cmd);

	if (msg && nla_put_string(p->skb, AGILIO_ATTR_NIC,
				  pci_name(p->nic->pdev))) {
		genlmsg_cancel(p->skb, msg);
		return NULL;
	}
	return msg;
}

/* Ends it, or takes it back if something did not fit. */
static int end(const struct part *p, void *msg, bool whole)
{
	if (!whole) {
		genlmsg_cancel(p->skb, msg);
		return -EMSGSIZE;
	}
	genlmsg_end(p->skb, msg);
	return 0;
}

static int put_why(struct sk_buff *skb, const char *why)
{
	return why ? nla_put_string(skb, AGILIO_ATTR_WHY, why) : 0;
}

/* Fills a part: calls 'put' for each NIC, and again in the next part for the
 * one that it did not get done with.
 */
static int dump(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd,
		int (*put)(const struct part *p, unsigned long *cursor))
{
	struct part p = { .skb = skb, .cb = cb, .cmd = cmd };
	unsigned long *serial = (unsigned long *)&cb->args[0];
	unsigned long *cursor = (unsigned long *)&cb->args[1];
	int err = 0;

	mutex_lock(&nics_mutex);
	list_for_each_entry(p.nic, &nics, netlink_node) {
		if (p.nic->serial < *serial)
			continue;
		if (p.nic->serial > *serial)
			*cursor = 0;
		*serial = p.nic->serial;
		err = put(&p, cursor);
		if (err)
			break;
		++*serial;
		*cursor = 0;
	}
	mutex_unlock(&nics_mutex);
	return skb->len ? skb->len : err;
}

/* ## ----------- ##
 * ## What we tell ##
 * ## ----------- ##
 */

static int put_counters(struct sk_buff *skb, const struct agk_nic *nic)
{
	agilio_le64 counters[AGILIO_N_COUNTERS];
	u32 i;

	for (i = 0; i < AGILIO_N_COUNTERS; i++)
		counters[i] = agilio_to_le64(agk_nic_counter(nic, i));
	return nla_put(skb, AGILIO_ATTR_COUNTERS, sizeof(counters), counters);
}

static int put_nic(const struct part *p, unsigned long *cursor)
{
	const struct agk_nic *nic = p->nic;
	struct sk_buff *skb = p->skb;
	bool up = READ_ONCE(nic->up);
	u32 state = !up ? AGILIO_GENL_DOWN : READ_ONCE(nic->flows_on) ?
		    AGILIO_GENL_ACTIVE : AGILIO_GENL_ATTACHED;
	void *msg = begin(p);

	if (!msg)
		return -EMSGSIZE;
	return end(p, msg,
		   !nla_put_u32(skb, AGILIO_ATTR_STATE, state) &&
		   !put_why(skb, up ? NULL : READ_ONCE(nic->why)) &&
		   !nla_put(skb, AGILIO_ATTR_REGION, sizeof(*nic->region),
			    nic->region) &&
		   !put_counters(skb, nic) &&
		   !nla_put_u32(skb, AGILIO_ATTR_RING_FILL,
				agk_reprs_ring_fill(p->nic)));
}

static int put_port(const struct part *p, const struct agilio_port *port,
		    const char *device)
{
	void *msg = begin(p);

	if (!msg)
		return -EMSGSIZE;
	return end(p, msg,
		   !nla_put(p->skb, AGILIO_ATTR_PORT, sizeof(*port), port) &&
		   (!*device || !nla_put_string(p->skb, AGILIO_ATTR_DEVICE,
						device)));
}

static int put_ports(const struct part *p, unsigned long *slot)
{
	struct agilio_port port;
	char device[IFNAMSIZ];
	int err = 0;

	for (; *slot < p->nic->n_ports; ++*slot) {
		if (agk_repr_show(p->nic, *slot, &port, device))
			err = put_port(p, &port, device);
		if (err)
			break;
	}
	return err;
}

static u32 residency(const struct agk_flow_info *info)
{
	return info->refused ? AGILIO_GENL_REFUSED :
	       info->why ? AGILIO_GENL_HOST :
	       info->there ? AGILIO_GENL_RESIDENT : AGILIO_GENL_PENDING;
}

static int put_flow(const struct agk_flow_info *info, void *part)
{
	const struct part *p = part;
	void *msg = begin(p);

	if (!msg)
		return -EMSGSIZE;
	return end(p, msg,
		   !ovs_offload_put_id(p->skb, info->id, AGILIO_ATTR_UFID,
				       AGILIO_ATTR_KEY) &&
		   !nla_put_u32(p->skb, AGILIO_ATTR_RESIDENCY,
				residency(info)) &&
		   !put_why(p->skb, info->why) &&
		   (residency(info) != AGILIO_GENL_RESIDENT ||
		    !nla_put_u32(p->skb, AGILIO_ATTR_ID, info->nic_id)));
}

static int put_flows(const struct part *p, unsigned long *id)
{
	return agk_flows_visit(p->nic, id, put_flow, (void *)p);
}

static int dump_nics(struct sk_buff *skb, struct netlink_callback *cb)
{
	return dump(skb, cb, AGILIO_CMD_NIC_GET, put_nic);
}

static int dump_ports(struct sk_buff *skb, struct netlink_callback *cb)
{
	return dump(skb, cb, AGILIO_CMD_PORT_GET, put_ports);
}

static int dump_flows(struct sk_buff *skb, struct netlink_callback *cb)
{
	return dump(skb, cb, AGILIO_CMD_FLOW_GET, put_flows);
}

/* ## -------- ##
 * ## Requests ##
 * ## -------- ##
 */

/* Asks the NIC that a request names. */
static int ask_nic(struct genl_info *info, enum agilio_msg_type type,
		   const void *body, size_t len, struct agk_reply *reply)
{
	struct agk_nic *nic;
	int err = -ENODEV;

	if (GENL_REQ_ATTR_CHECK(info, AGILIO_ATTR_NIC))
		return -EINVAL;
	mutex_lock(&nics_mutex);
	list_for_each_entry(nic, &nics, netlink_node)
		if (!nla_strcmp(info->attrs[AGILIO_ATTR_NIC],
				pci_name(nic->pdev)))
			err = agk_ctl_ask(nic, type, body, len, reply);
	mutex_unlock(&nics_mutex);
	return err;
}

static int keepalive(struct sk_buff *skb, struct genl_info *info)
{
	return ask_nic(info, AGILIO_MSG_KEEPALIVE, NULL, 0, NULL);
}

static int send_reply(struct genl_info *info, const struct agk_reply *reply)
{
	const struct nlattr *nic = info->attrs[AGILIO_ATTR_NIC];
	struct sk_buff *skb = genlmsg_new(nla_total_size(nla_len(nic)) +
					  nla_total_size(reply->len),
					  GFP_KERNEL);
	void *msg;

	if (!skb)
		return -ENOMEM;
	msg = genlmsg_put_reply(skb, info, &family, 0, AGILIO_CMD_ASK);
	if (!msg || nla_put_string(skb, AGILIO_ATTR_NIC, nla_data(nic)) ||
	    nla_put(skb, reply->refused ? AGILIO_ATTR_WHY : AGILIO_ATTR_BODY,
		    reply->len, reply->bytes)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, msg);
	return genlmsg_reply(skb, info);
}

static int ask(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *body = info->attrs[AGILIO_ATTR_BODY];
	struct agk_reply *reply;
	u32 type;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, AGILIO_ATTR_MSG) || !body)
		return -EINVAL;
	type = nla_get_u32(info->attrs[AGILIO_ATTR_MSG]);
	if (type != AGILIO_MSG_TRACE && type != AGILIO_MSG_TRACKER_DUMP)
		return -EOPNOTSUPP;
	reply = kzalloc(sizeof(*reply), GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	err = ask_nic(info, type, nla_data(body), nla_len(body), reply);
	if (!err || reply->refused)
		err = send_reply(info, reply);
	kfree(reply);
	return err;
}

static const struct nla_policy policy[AGILIO_N_ATTRS] = {
	[AGILIO_ATTR_NIC] = { .type = NLA_NUL_STRING },
	[AGILIO_ATTR_MSG] = { .type = NLA_U32 },
	[AGILIO_ATTR_BODY] = {
		.type = NLA_BINARY,
		.len = AGILIO_MAX_MSG - sizeof(struct agilio_msg),
	},
};

static const struct genl_small_ops ops[] = {
	{ .cmd = AGILIO_CMD_NIC_GET, .flags = GENL_ADMIN_PERM,
	  .dumpit = dump_nics },
	{ .cmd = AGILIO_CMD_PORT_GET, .flags = GENL_ADMIN_PERM,
	  .dumpit = dump_ports },
	{ .cmd = AGILIO_CMD_FLOW_GET, .flags = GENL_ADMIN_PERM,
	  .dumpit = dump_flows },
	{ .cmd = AGILIO_CMD_KEEPALIVE, .flags = GENL_ADMIN_PERM,
	  .doit = keepalive },
	{ .cmd = AGILIO_CMD_ASK, .flags = GENL_ADMIN_PERM, .doit = ask },
};

static struct genl_family family = {
	.name = AGILIO_GENL_NAME,
	.version = AGILIO_GENL_VERSION,
	.maxattr = AGILIO_ATTR_MAX,
	.policy = policy,
	.netnsok = true,
	.parallel_ops = true,
	.small_ops = ops,
	.n_small_ops = ARRAY_SIZE(ops),
	.module = THIS_MODULE,
};

/* ## ------------ ##
 * ## Coming, going ##
 * ## ------------ ##
 */

void agk_netlink_add(struct agk_nic *nic)
{
	mutex_lock(&nics_mutex);
	nic->serial = ++last_serial;
	list_add_tail(&nic->netlink_node, &nics);
	mutex_unlock(&nics_mutex);
}

void agk_netlink_del(struct agk_nic *nic)
{
	mutex_lock(&nics_mutex);
	list_del(&nic->netlink_node);
	mutex_unlock(&nics_mutex);
}

int agk_netlink_init(void)
{
	return genl_register_family(&family);
}

void agk_netlink_exit(void)
{
	genl_unregister_family(&family);
}
