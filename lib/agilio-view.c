/* SPDX-License-Identifier: Apache-2.0 */
/* agilio-view.c - see agilio-view.h. */

#include <config.h>

#include "agilio-view.h"

#include "openvswitch/dynamic-string.h"
#include "util.h"

void
agilio_views_init(struct agilio_views *views)
{
    static const enum agilio_nic_status statuses[] = {
        [AGILIO_GENL_DOWN] = AGILIO_NIC_DOWN,
        [AGILIO_GENL_ATTACHED] = AGILIO_NIC_ATTACHED,
        [AGILIO_GENL_ACTIVE] = AGILIO_NIC_ACTIVE,
    };
    agilio_kernel_init(&views->kernel);
    views->items = xmalloc((views->kernel.n_nics + 1) * sizeof *views->items);
    views->n = 0;
    views->path = agilio_nic_path();
    if (views->path || !views->kernel.n_nics) {
        views->items[views->n++] = (struct agilio_view) {
            .name = views->path,
            .map = agilio_nic_map(),
            .status = agilio_nic_status(),
        };
    }
    for (size_t i = 0; i < views->kernel.n_nics; i++) {
        const struct agilio_kernel_nic *nic = views->kernel.nics[i];

        views->items[views->n++] = (struct agilio_view) {
            .name = nic->name,
            .kernel = nic,
            .map = &nic->map,
            .status = (nic->state < ARRAY_SIZE(statuses)
                       ? statuses[nic->state] : AGILIO_NIC_DOWN),
        };
    }
}

void
agilio_views_destroy(struct agilio_views *views)
{
    agilio_kernel_destroy(&views->kernel);
    free(views->items);
    free(views->path);
}

size_t
agilio_views_find(const struct agilio_views *views,
                  const struct agilio_shadow_flow *flow)
{
    size_t i;

    for (i = 0; i < views->n; i++) {
        const struct agilio_kernel_nic *kernel = views->items[i].kernel;

        if (kernel == flow->kernel_nic && (kernel || flow->offered)) {
            break;
        }
    }
    return i;
}

void
agilio_view_describe(const struct agilio_view *view, struct ds *ds)
{
    const struct agilio_kernel_nic *nic = view->kernel;

    if (!nic) {
        agilio_nic_describe(ds);
    } else if (view->status == AGILIO_NIC_DOWN) {
        ds_put_format(ds, "NIC at %s: down (%s)\n", nic->name,
                      nic->why ? nic->why : "connecting");
    } else {
        agilio_map_describe(&nic->map, nic->name,
                            view->status == AGILIO_NIC_ACTIVE, ds);
    }
}

int
agilio_view_call(const struct agilio_view *view, enum agilio_msg_type type,
                 const void *body, size_t len,
                 void *reply, size_t reply_size, size_t *reply_len,
                 char **reason)
{
    int error;

    *reason = NULL;
    error = (view->kernel
             ? agilio_kernel_call(view->name, type, body, len, reply,
                                  reply_size, reply_len, reason)
             : agilio_nic_call(type, body, len, reply, reply_size, reply_len,
                               reason));
    if (error && !*reason) {
        *reason = xstrdup(ovs_strerror(error));
    }
    return error;
}
