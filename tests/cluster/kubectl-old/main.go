// kubectl as released with Kubernetes 1.28: exec, attach and port-forward over
// SPDY only, since the WebSocket client came later. Many such are in use.
package main

import (
	"os"

	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	// The User-Agent begins with this, and the file has another name.
	os.Args[0] = "kubectl"
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
