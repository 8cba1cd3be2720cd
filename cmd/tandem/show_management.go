package main

import (
	"encoding/xml"
	"io"
)

// The filters of the views of the management plane.
const (
	sessionsFilter = `<netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"><sessions/><datastores/></netconf-state>`
	commitsFilter  = `<commit-log xmlns="urn:tandem:yang:mtp-commits"/>`
)

func printSessions(w io.Writer, reply []byte) error {
	var data struct {
		Sessions []struct {
			ID        string `xml:"session-id"`
			User      string `xml:"username"`
			Host      string `xml:"source-host"`
			Transport string `xml:"transport"`
			Login     string `xml:"login-time"`
			RPCs      uint64 `xml:"in-rpcs"`
			Errors    uint64 `xml:"out-rpc-errors"`
			Notified  uint64 `xml:"out-notifications"`
		} `xml:"netconf-state>sessions>session"`
		Locks []struct {
			Name   string `xml:"name"`
			Global string `xml:"locks>global-lock>locked-by-session"`
		} `xml:"netconf-state>datastores>datastore"`
	}
	if err := xml.Unmarshal(reply, &data); err != nil {
		return err
	}
	return table(w, "SESSION USER FROM TRANSPORT SINCE RPCS ERRORS NOTIFICATIONS LOCKS", func(row func(...any)) {
		for _, s := range data.Sessions {
			locks := ""
			for _, l := range data.Locks {
				if l.Global == s.ID {
					locks += " " + l.Name
				}
			}
			if locks != "" {
				locks = locks[1:]
			}
			row(s.ID, s.User, s.Host, s.Transport, s.Login, s.RPCs, s.Errors, s.Notified, locks)
		}
	})
}

func printCommits(w io.Writer, reply []byte) error {
	var data struct {
		Commits []struct {
			ID        string `xml:"id"`
			Time      string `xml:"time"`
			User      string `xml:"user"`
			Protocol  string `xml:"protocol"`
			Confirmed string `xml:"confirmed"`
			Comment   string `xml:"comment"`
		} `xml:"commit-log>commit"`
		Deadline string `xml:"commit-log>pending-confirmed-commit>deadline"`
	}
	if err := xml.Unmarshal(reply, &data); err != nil {
		return err
	}
	if data.Deadline != "" {
		if _, err := io.WriteString(w, "rolled back unless confirmed by "+data.Deadline+"\n"); err != nil {
			return err
		}
	}
	return table(w, "COMMIT TIME USER PROTOCOL CONFIRMED COMMENT", func(row func(...any)) {
		for _, c := range data.Commits {
			row(c.ID, c.Time, c.User, c.Protocol, c.Confirmed, c.Comment)
		}
	})
}
