/* Gatehouse plugin ABI: all stable headers. Start reading at plugin.h. */
#ifndef GATEHOUSE_H
#define GATEHOUSE_H

#include "abi.h"
#include "host.h"
#include "hooks.h"
#include "plugin.h"
#include "provider.h"
#include "auth.h"
#include "ext/gateway.h"
#include "ext/http.h"
#include "ext/metrics.h"
#include "ext/regex.h"
#include "ext/schema.h"

#endif
