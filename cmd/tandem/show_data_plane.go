package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

func printDataPlane(w io.Writer, reply []byte) error {
	var data struct {
		Driver   string   `xml:"mpls-tp>node>data-plane>driver"`
		Reason   string   `xml:"mpls-tp>node>data-plane>reason"`
		Depth    string   `xml:"mpls-tp>node>data-plane>maximum-label-stack-depth"`
		Limits   []string `xml:"mpls-tp>node>data-plane>limitation"`
		Features []struct {
			Name      string `xml:"name"`
			Supported bool   `xml:"supported"`
		} `xml:"mpls-tp>node>data-plane>feature"`
		Interfaces []struct {
			Name     string   `xml:"name"`
			Mode     string   `xml:"mode"`
			Reason   string   `xml:"reason"`
			Offloads []string `xml:"offload-switched"`
			Queueing string   `xml:"queueing"`
		} `xml:"mpls-tp>node>data-plane>interface"`
		Discards []struct {
			Reason  string `xml:"reason"`
			Packets uint64 `xml:"packets"`
		} `xml:"mpls-tp>node>data-plane>discard"`
		Resynchronizations uint64 `xml:"mpls-tp>node>data-plane>sequence-resynchronizations"`
	}
	if err := xml.Unmarshal(reply, &data); err != nil {
		return err
	}
	fmt.Fprintf(w, "driver %s: %s\nlabels imposed at most: %s\n", data.Driver, data.Reason, data.Depth)
	for _, l := range data.Limits {
		fmt.Fprintf(w, "limit: %s\n", l)
	}
	if len(data.Interfaces) > 0 {
		err := table(w, "INTERFACE MODE WHY OFFLOADS-SWITCHED QUEUES", func(row func(...any)) {
			for _, i := range data.Interfaces {
				row(i.Name, i.Mode, i.Reason, strings.Join(i.Offloads, ","), i.Queueing)
			}
		})
		if err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	err := table(w, "FEATURE SUPPORTED", func(row func(...any)) {
		for _, f := range data.Features {
			row(f.Name, f.Supported)
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(w)
	err = table(w, "DROPPED PACKETS", func(row func(...any)) {
		for _, d := range data.Discards {
			if d.Packets > 0 {
				row(d.Reason, d.Packets)
			}
		}
	})
	if err == nil && data.Resynchronizations > 0 {
		_, err = fmt.Fprintf(w, "\nsequence numbers of pseudowires taken anew: %d\n", data.Resynchronizations)
	}
	return err
}
