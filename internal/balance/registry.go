package balance

import "time"

// Registry keeps the groups of all deployments, beyond a change of the configuration.
type Registry struct{}

// tell lets other replicas know how an upstream is; with the lock.
func (g *Group) tell(int, time.Time) {}
