package report

import (
	"encoding/xml"
	"fmt"
	"os"
)

// The subset of the JUnit format that CI systems agree on.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Skipped *junitMessage `xml:"skipped,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

func writeJUnit(path string, r *Results) error {
	suite := junitSuite{Name: fmt.Sprintf("compat %s %s", r.Target, r.Runtime), Tests: len(r.Cells)}
	total := 0.0
	for _, c := range r.Cells {
		total += c.Seconds
		k := junitCase{Class: "compat." + c.Scenario, Name: c.Client, Time: fmt.Sprintf("%.3f", c.Seconds)}
		switch c.Status {
		case Skip:
			suite.Skipped++
			k.Skipped = &junitMessage{Message: c.Reason}
		case Pass:
		default:
			suite.Failures++
			k.Failure = &junitMessage{Message: string(c.Status) + ": " + firstLine(c.Reason), Text: c.Reason}
		}
		suite.Cases = append(suite.Cases, k)
	}
	suite.Time = fmt.Sprintf("%.3f", total)
	body, err := xml.MarshalIndent(junitSuites{Suites: []junitSuite{suite}}, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append([]byte(xml.Header), body...), 0o644); err != nil {
		return fmt.Errorf("write junit: %w", err)
	}
	return nil
}
