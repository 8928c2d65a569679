package cluster

import (
	"context"
	"errors"
	"fmt"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
)

// Proxies is toxiproxy's API for the edges of one cluster. Safe for concurrent use. On nil, which is no toxiproxy at all,
// everything that would break a link is an error that wraps ErrCannot.
type Proxies struct {
	api    string
	client *toxiproxy.Client
}

// Traffic is what crossed an edge, in bytes, as toxiproxy counts it: Up from whoever dials, Down towards them.
// Toxiproxy adds a connection's bytes when the connection ends, not before.
type Traffic struct{ Up, Down int64 }

func newProxies(api string) *Proxies {
	return &Proxies{api: api, client: toxiproxy.NewClient(api)}
}

// errNoProxies is what there is to say without a toxiproxy.
var errNoProxies = fmt.Errorf("there is no toxiproxy before this cluster: %w", ErrCannot)

// proxy finds an edge's proxy.
func (p *Proxies) proxy(e Edge) (*toxiproxy.Proxy, error) {
	if p == nil {
		return nil, errNoProxies
	}
	return p.client.Proxy(string(e))
}

// Listens is where each proxy listens, as toxiproxy sees it.
func (p *Proxies) Listens() (map[Edge]string, error) {
	all, err := p.client.Proxies()
	if err != nil {
		return nil, err
	}
	out := map[Edge]string{}
	for name, x := range all {
		out[Edge(name)] = x.Listen
	}
	return out, nil
}

func (p *Proxies) populate(plans []proxyPlan) error {
	var config []toxiproxy.Proxy
	for _, x := range plans {
		config = append(config, toxiproxy.Proxy{Name: string(x.edge), Listen: x.listen, Upstream: x.upstream, Enabled: true})
	}
	if _, err := p.client.Populate(config); err != nil {
		return fmt.Errorf("set up toxiproxy's proxies: %w", err)
	}
	return nil
}

// SetEnabled opens or closes an edge: a closed one refuses connections, and closing resets those that are open.
func (p *Proxies) SetEnabled(e Edge, enabled bool) error {
	_, err := p.set(e, enabled)
	return err
}

// set is SetEnabled, and tells whether that changed anything.
func (p *Proxies) set(e Edge, enabled bool) (changed bool, err error) {
	proxy, err := p.proxy(e)
	if err == nil && proxy.Enabled != enabled {
		proxy.Enabled, changed = enabled, true
		err = proxy.Save()
	}
	if err != nil {
		return false, fmt.Errorf("proxy %s, enabled=%v: %w", e, enabled, err)
	}
	return changed, nil
}

// AddToxic puts a toxic on one stream (upstream or downstream) of an edge, under a name of its own.
func (p *Proxies) AddToxic(e Edge, name, kind, stream string, attrs map[string]any) error {
	proxy, err := p.proxy(e)
	if err == nil {
		_, err = proxy.AddToxic(name, kind, stream, 1, attrs)
	}
	if api := new(toxiproxy.ApiError); errors.As(err, &api) && api.Message == "invalid toxic type" {
		err = fmt.Errorf("%w: this toxiproxy is not the suite's own, compat/toxiproxy: %w", err, ErrCannot)
	}
	if err != nil {
		return fmt.Errorf("toxic %s on the %s of %s: %w", kind, stream, e, err)
	}
	return nil
}

// RemoveToxic takes a toxic away.
func (p *Proxies) RemoveToxic(e Edge, name string) error {
	proxy, err := p.proxy(e)
	if err == nil {
		err = proxy.RemoveToxic(name)
	}
	if err != nil {
		return fmt.Errorf("remove toxic %s of %s: %w", name, e, err)
	}
	return nil
}

// Reset enables every edge and takes every toxic away.
func (p *Proxies) Reset() error {
	if p == nil {
		return nil
	}
	if err := p.client.ResetState(); err != nil {
		return fmt.Errorf("reset toxiproxy: %w", err)
	}
	return nil
}

// Traffic of every edge since toxiproxy started, of connections that have ended.
func (p *Proxies) Traffic(ctx context.Context) (map[Edge]Traffic, error) {
	body, err := httpGet(ctx, "http://"+p.api+"/metrics")
	if err != nil {
		return nil, fmt.Errorf("toxiproxy's counters: %w", err)
	}
	out := map[Edge]Traffic{}
	for _, s := range parseMetrics(string(body)) {
		// Received is counted where the bytes enter toxiproxy; sent is left out when the far side has gone.
		if s.name != "toxiproxy_proxy_received_bytes_total" {
			continue
		}
		e := Edge(s.labels["proxy"])
		t := out[e]
		switch s.labels["direction"] {
		case "upstream":
			t.Up += int64(s.value)
		case "downstream":
			t.Down += int64(s.value)
		}
		out[e] = t
	}
	return out, nil
}
