#include "proxy/kubeconfig.h"
