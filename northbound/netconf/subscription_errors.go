package netconf

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-ne/tandem/server/yangerr"
)

// The identities of RFC 8639 section 2.4.6 and RFC 8641 section 4.5, as the
// error-app-tag of RFC 8640 section 7.
const (
	appEncodingUnsupported  = "ietf-subscribed-notifications:encoding-unsupported"
	appFilterUnsupported    = "ietf-subscribed-notifications:filter-unsupported"
	appInsufficient         = "ietf-subscribed-notifications:insufficient-resources"
	appNoSuchSubscription   = "ietf-subscribed-notifications:no-such-subscription"
	appNotSubscribable      = "ietf-yang-push:datastore-not-subscribable"
	appNoSuchResync         = "ietf-yang-push:no-such-subscription-resync"
	appOnChangeUnsupported  = "ietf-yang-push:on-change-unsupported"
	appOnChangeSync         = "ietf-yang-push:on-change-sync-unsupported"
	appPeriodUnsupported    = "ietf-yang-push:period-unsupported"
	appUnchangingSelection  = "ietf-yang-push:unchanging-selection"
	reasonNoSuch            = "ietf-subscribed-notifications:no-such-subscription"
	reasonFilterUnavailable = "ietf-subscribed-notifications:filter-unavailable"
)

// subscriptionTag is the error-tag that RFC 8640 section 7 gives an identity.
func subscriptionTag(identity string) yangerr.Tag {
	switch identity {
	case appInsufficient:
		return yangerr.ResourceDenied
	case appOnChangeUnsupported, appOnChangeSync:
		return yangerr.OperationNotSupported
	case appUnchangingSelection:
		return yangerr.OperationFailed
	}
	return yangerr.InvalidValue
}

// subscriptionError is the error of an identity.
func subscriptionError(identity, format string, args ...any) *yangerr.Error {
	return yangerr.New(subscriptionTag(identity), nil, format, args...).WithAppTag(identity)
}

// hintInfo puts a hint into the structure that the operation has for it: one of
// RFC 8639 for a stream, of RFC 8641 for a datastore. The identity is in the
// error-app-tag and not repeated (RFC 8640 section 7).
func hintInfo(establish, datastore bool, name, value string) yangerr.Info {
	operation, target, space := "modify-subscription", "stream", nsSubscribed
	if establish {
		operation = "establish-subscription"
	}
	if datastore {
		target, space = "datastore", nsPush
	}
	return yangerr.Info{
		Name: operation + "-" + target + "-error-info", Namespace: space,
		Children: []yangerr.Info{{Name: name, Value: value}},
	}
}

// filterError is a filter that cannot be used, with the reason as a hint.
func filterError(establish, datastore bool, why error) error {
	text := why.Error()
	var e *yangerr.Error
	if errors.As(why, &e) {
		text = e.Message
	}
	return subscriptionError(appFilterUnsupported, "%s", text).WithInfo(hintInfo(establish, datastore, "filter-failure-hint", text))
}

// minPeriod is the shortest period of a periodic subscription.
const minPeriod = 100 * time.Millisecond

// centisecond is the unit of periods in RFC 8641.
const centisecond = 10 * time.Millisecond

func periodError(establish bool, period time.Duration) error {
	return subscriptionError(appPeriodUnsupported, "a period of %v is too short", period).
		WithInfo(hintInfo(establish, true, "period-hint", strconv.Itoa(int(minPeriod/centisecond))))
}

// withIdentities gives the errors of decoding an input the error-app-tag of the
// parameter that they are about.
func withIdentities(err error) error {
	var list yangerr.List
	if errors.As(err, &list) {
		for _, e := range list {
			if e.Tag != yangerr.InvalidValue || e.AppTag != "" || e.Path == nil {
				continue
			}
			switch path := e.Path.String(); {
			case strings.HasSuffix(path, "/encoding"):
				e.AppTag = appEncodingUnsupported
			case strings.HasSuffix(path, ":datastore"):
				e.AppTag = appNotSubscribable
			}
		}
	}
	return err
}

// invalidParameter refuses a parameter that has no identity of its own.
func invalidParameter(element, format string, args ...any) error {
	return yangerr.New(yangerr.InvalidValue, nil, format, args...).
		WithInfo(yangerr.Info{Name: yangerr.InfoBadElement, Value: element})
}
