#include "schema/cast.h"
