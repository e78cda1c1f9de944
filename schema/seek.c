#include "schema/seek.h"
