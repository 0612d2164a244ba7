// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/setup/interface.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int interface_ioctl(int fd, unsigned long request, const char *name, struct ifreq *ifr)
{
	// ifr_name alone is the question; the rest is the answer or, for ethtool, set by the
	// caller.
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	return ioctl(fd, request, ifr) < 0 ? -errno : 0;
}

static int interface_channels(int fd, const char *name, struct dp_interface *out)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr = {.ifr_data = (void *)&channels};
	int rc = interface_ioctl(fd, SIOCETHTOOL, name, &ifr);

	out->queues = 1;
	if (rc == -EOPNOTSUPP)
		return 0;
	if (rc < 0)
		return rc;
	out->combined = channels.max_combined > 0;
	uint32_t queues = channels.combined_count + channels.rx_count;
	if (queues)
		out->queues = queues;
	return 0;
}

int dp_interface_read(const char *name, struct dp_interface *out)
{
	struct ifreq ifr = {0};
	int rc;

	memset(out, 0, sizeof(*out));
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if ((rc = interface_ioctl(fd, SIOCGIFINDEX, name, &ifr)) < 0)
		goto out;
	out->index = (uint32_t)ifr.ifr_ifindex;
	if ((rc = interface_ioctl(fd, SIOCGIFMTU, name, &ifr)) < 0)
		goto out;
	out->mtu = (uint32_t)ifr.ifr_mtu;
	if ((rc = interface_ioctl(fd, SIOCGIFHWADDR, name, &ifr)) < 0)
		goto out;
	memcpy(out->mac, ifr.ifr_hwaddr.sa_data, sizeof(out->mac));
	if ((rc = interface_ioctl(fd, SIOCGIFFLAGS, name, &ifr)) < 0)
		goto out;
	out->up = ifr.ifr_flags & IFF_UP;
	out->running = out->up && (ifr.ifr_flags & IFF_RUNNING);
	out->promiscuous = ifr.ifr_flags & IFF_PROMISC;
	rc = interface_channels(fd, name, out);
out:
	close(fd);
	return rc;
}
