// SPDX-License-Identifier: GPL-2.0-only
/*
 * devlink.c - the function as a devlink device: "devlink dev info", "devlink
 * health".
 *
 * The reporter "control" is in error as long as the NIC is lost.  There is
 * nothing to recover by hand: the watch finds out when the NIC lives again.
 * The dump is of the moment in which the NIC was lost.
 *
 * There are no devlink ports: their names say whether a port is a wire or a
 * virtual function's, which the NIC does not tell.  Representors say their
 * phys_port_name themselves.
 */

#include <net/devlink.h>

#include "agk.h"

static struct agk_nic *nic_of(struct devlink *devlink)
{
	return *(struct agk_nic **)devlink_priv(devlink);
}

static int info_get(struct devlink *devlink, struct devlink_info_req *req,
		    struct netlink_ext_ack *extack)
{
	const struct agilio_region *region = nic_of(devlink)->region;
	char text[32];
	int err;

	err = devlink_info_driver_name_put(req, "agilio");
	if (err)
		return err;
	snprintf(text, sizeof(text), "%u-%u",
		 agilio_from_le16(region->abi_min),
		 agilio_from_le16(region->abi_max));
	err = devlink_info_version_running_put(
		req, DEVLINK_INFO_VERSION_GENERIC_FW_MGMT_API, text);
	if (err)
		return err;
	snprintf(text, sizeof(text), "%016llx",
		 agilio_from_le64(region->boot_id));
	return devlink_info_version_running_put(req, "boot_id", text);
}

static const struct devlink_ops ops = {
	.info_get = info_get,
};

/* ## ------ ##
 * ## Health ##
 * ## ------ ##
 */

static int diagnose(struct devlink_health_reporter *reporter,
		    struct devlink_fmsg *fmsg, struct netlink_ext_ack *extack)
{
	const struct agk_nic *nic = devlink_health_reporter_priv(reporter);
	bool up = READ_ONCE(nic->up);
	const char *why = READ_ONCE(nic->why);
	int err = devlink_fmsg_string_pair_put(fmsg, "state",
					       up ? "up" : "down");

	if (!err && !up && why)
		err = devlink_fmsg_string_pair_put(fmsg, "why", why);
	return err;
}

static int put_ring(struct devlink_fmsg *fmsg, const char *name,
		    const struct agilio_ring_end *end)
{
	int err = devlink_fmsg_pair_nest_start(fmsg, name);

	if (!err)
		err = devlink_fmsg_obj_nest_start(fmsg);
	if (!err)
		err = devlink_fmsg_u32_pair_put(
			fmsg, "prod", agilio_from_le32(
				agilio_load_relaxed(&end->ring->prod)));
	if (!err)
		err = devlink_fmsg_u32_pair_put(
			fmsg, "cons", agilio_from_le32(
				agilio_load_relaxed(&end->ring->cons)));
	if (!err)
		err = devlink_fmsg_bool_pair_put(fmsg, "broken",
						 READ_ONCE(end->broken));
	if (!err)
		err = devlink_fmsg_obj_nest_end(fmsg);
	return err ? err : devlink_fmsg_pair_nest_end(fmsg);
}

/* What the control channel looks like; takes no lock of its. */
static int dump(struct devlink_health_reporter *reporter,
		struct devlink_fmsg *fmsg, void *unused,
		struct netlink_ext_ack *extack)
{
	struct agk_nic *nic = devlink_health_reporter_priv(reporter);
	struct agk_ctl *ctl = &nic->ctl;
	int err = diagnose(reporter, fmsg, extack);

	if (!err)
		err = devlink_fmsg_u32_pair_put(fmsg, "heard_ms_ago",
			jiffies_to_msecs(jiffies - READ_ONCE(nic->heard)));
	if (!err)
		err = devlink_fmsg_u32_pair_put(fmsg, "nic_state",
			agilio_from_le32(agilio_load_relaxed(
				&nic->region->state)));
	if (!err)
		err = devlink_fmsg_u32_pair_put(fmsg, "session",
						READ_ONCE(ctl->session));
	if (!err)
		err = devlink_fmsg_u32_pair_put(fmsg, "last_request",
						READ_ONCE(ctl->id));
	if (!err)
		err = devlink_fmsg_u64_pair_put(fmsg, "errors",
			atomic64_read(&nic->counts[AGK_COUNTER_ctl_errors]));
	if (!err)
		err = put_ring(fmsg, "request_ring", &ctl->request);
	return err ? err : put_ring(fmsg, "reply_ring", &ctl->reply);
}

static const struct devlink_health_reporter_ops control_ops = {
	.name = "control",
	.diagnose = diagnose,
	.dump = dump,
};

void agk_devlink_update(struct agk_nic *nic)
{
	bool lost = !READ_ONCE(nic->up);

	if (!nic->control || lost == nic->reported)
		return;
	nic->reported = lost;
	if (lost)
		devlink_health_report(nic->control, READ_ONCE(nic->why), nic);
	else
		devlink_health_reporter_state_update(
			nic->control, DEVLINK_HEALTH_REPORTER_STATE_HEALTHY);
}

/* ## ------------ ##
 * ## Coming, going ##
 * ## ------------ ##
 */

int agk_devlink_add(struct agk_nic *nic)
{
	struct devlink *devlink = devlink_alloc(&ops, sizeof(nic),
						&nic->pdev->dev);
	int err;

	if (!devlink)
		return -ENOMEM;
	*(struct agk_nic **)devlink_priv(devlink) = nic;
	if (agk_is_pf(nic)) {
		nic->control = devlink_health_reporter_create(
			devlink, &control_ops, 0, nic);
		if (IS_ERR(nic->control)) {
			err = PTR_ERR(nic->control);
			nic->control = NULL;
			devlink_free(devlink);
			return err;
		}
	}
	nic->devlink = devlink;
	devlink_register(devlink);
	return 0;
}

void agk_devlink_del(struct agk_nic *nic)
{
	devlink_unregister(nic->devlink);
	if (nic->control)
		devlink_health_reporter_destroy(nic->control);
	devlink_free(nic->devlink);
}
