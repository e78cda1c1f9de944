#include "proxy/identity.h"
