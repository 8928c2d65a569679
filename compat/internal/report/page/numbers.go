package page

import (
	"fmt"
	"maps"
	"slices"

	"lockstep/compat/internal/report"
)

// clientNumbers is one client over all its cells.
type clientNumbers struct {
	Client, Version  string
	Cells            int
	Records          string
	Leader, Follower string
	Share            float64 // of what was served, in percent by followers; -1: nothing was counted
	Stop             int64   // ms
	StopAt           string  // the cell's anchor
	StopIn           string  // its scenario
	Lag              int64
	LagIn            string
}

func numbers(cells []report.Cell) []clientNumbers {
	var out []clientNumbers
	for _, client := range clientsOf(cells) {
		n := clientNumbers{Client: client, Share: -1}
		var records, leader, follower int64
		for _, c := range cells {
			if c.Client != client || c.Status == report.Skip {
				continue
			}
			n.Cells++
			if c.ClientVersion != "" {
				n.Version = c.ClientVersion
			}
			records, leader, follower = records+c.Records, leader+c.Served.Leader, follower+c.Served.Follower
			if c.MaxUnavailability > n.Stop {
				n.Stop, n.StopIn, n.StopAt = c.MaxUnavailability, c.Scenario, anchor(c.Scenario+"-"+c.Client)
			}
			if c.WorstLagRecords > n.Lag {
				n.Lag, n.LagIn = c.WorstLagRecords, c.Scenario
			}
		}
		if n.Cells == 0 {
			continue
		}
		n.Records, n.Leader, n.Follower = thousands(records), thousands(leader), thousands(follower)
		if leader+follower > 0 {
			n.Share = 100 * float64(follower) / float64(leader+follower)
		}
		out = append(out, n)
	}
	return out
}

// table is named columns and rows of text.
type table struct {
	Columns []string
	Rows    []tableRow
}

type tableRow struct {
	Name  string
	Cells []string
}

// resume is the longest time each client took to go on after each kind of fault, over all its cells.
func resume(cells []report.Cell) table {
	worst := map[string]map[string]int64{}
	var t table
	for _, c := range cells {
		for fault, ms := range c.Resume {
			if !slices.Contains(t.Columns, fault) {
				t.Columns = append(t.Columns, fault)
			}
			if worst[c.Client] == nil {
				worst[c.Client] = map[string]int64{}
			}
			worst[c.Client][fault] = max(worst[c.Client][fault], ms)
		}
	}
	slices.Sort(t.Columns)
	for _, client := range clientsOf(cells) {
		if worst[client] == nil {
			continue
		}
		r := tableRow{Name: client}
		for _, fault := range t.Columns {
			text := ""
			if ms, there := worst[client][fault]; there {
				text = thousands(ms) + " ms"
			}
			r.Cells = append(r.Cells, text)
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}

// delayRow is what reading from a follower costs a client under some load.
type delayRow struct {
	Client, Load string
	report.Delay
	Extra50, Extra99 string
}

func delays(cells []report.Cell) []delayRow {
	var out []delayRow
	for _, c := range cells {
		for _, load := range slices.Sorted(maps.Keys(c.Delay)) {
			d := c.Delay[load]
			out = append(out, delayRow{c.Client, load, d, fmt.Sprintf("%+.1f", d.Extra.P50), fmt.Sprintf("%+.1f", d.Extra.P99)})
		}
	}
	return out
}

// scalingRow is what nodes' links carried to a client's readers, wherever these were.
type scalingRow struct {
	Client, Readers string
	Nodes           []carried
	Total           string // kB/s
	Times           string // of the leader's alone
}

// carried is one node's part. Fill is how much of its link was used, in percent.
type carried struct {
	Bytes string
	Fill  int
}

func scaling(cells []report.Cell) []scalingRow {
	var out []scalingRow
	row := func(c report.Cell, readers, times string, x report.Carried) {
		r := scalingRow{Client: c.Client, Readers: readers, Total: thousands(int64(x.KBps(0))), Times: times}
		for _, node := range slices.Sorted(maps.Keys(x.Bytes)) {
			fill := 100 * x.KBps(node) / float64(c.Scaling.LinkKBps)
			r.Nodes = append(r.Nodes, carried{thousands(x.Bytes[node] / 1000), int(fill + 0.5)})
		}
		out = append(out, r)
	}
	for _, c := range cells {
		if x := c.Scaling; x != nil {
			row(c, "on the leader", "", x.Leader)
			row(c, "one at each node", fmt.Sprintf("%.2f ×", x.Times), x.Spread)
		}
	}
	return out
}

// clientsOf are the clients in the order in which they first appear.
func clientsOf(cells []report.Cell) []string {
	var out []string
	for _, c := range cells {
		if !slices.Contains(out, c.Client) {
			out = append(out, c.Client)
		}
	}
	return out
}
