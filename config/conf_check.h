// SPDX-License-Identifier: BSD-3-Clause
// Parts of conf_check(), and what they share.
#pragma once

#include "config/conf.h"
#include "config/conf_report.h"

#define CONF_SECURE_TRANSPORTS (CONF_TRANSPORT_TLS | CONF_TRANSPORT_DTLS)

// In this order: relays first, which completes what the others look at. (conf_check_address.c)
void conf_check_relays(struct conf *conf, struct conf_report *report);
void conf_check_listeners(const struct conf *conf, struct conf_report *report);
void conf_check_metrics(const struct conf *conf, struct conf_report *report);
