#include "proxy/credential.h"
