// SPDX-License-Identifier: BSD-3-Clause
// Parts of conf_check(), and what they share.
#pragma once

#include "config/conf.h"
#include "config/conf_report.h"

#define CONF_SECURE_TRANSPORTS (CONF_TRANSPORT_TLS | CONF_TRANSPORT_DTLS)

// In this order: relays first, which completes what the others look at. (conf_check_address.c)
void conf_check_relays(struct conf *conf, struct conf_report *report);
// Derives the listeners of NAT behaviour discovery and appends those that the document lacks.
// (conf_check_discovery.c)
void conf_check_discovery(struct conf *conf, struct conf_report *report);
// An address of ours as clients know it.
struct tp_ip conf_public_form(const struct conf *conf, const struct tp_ip *ip);
// Derives the list of realms and whose each listener and user is. (conf_check_realm.c)
void conf_check_realms(struct conf *conf, struct conf_report *report);
// Users who share name and realm. (conf_check_user.c)
void conf_check_users(const struct conf *conf, struct conf_report *report);
void conf_check_listeners(const struct conf *conf, struct conf_report *report);
// Keys of third-party authorization. (conf_check_oauth.c)
void conf_check_oauth(const struct conf *conf, struct conf_report *report);
void conf_check_metrics(const struct conf *conf, struct conf_report *report);
