package gnmi

import (
	"context"
	"errors"
	"strings"

	extpb "github.com/openconfig/gnmi/proto/gnmi_ext"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tandem-ne/tandem/server/yangerr"
)

// maxMessage bounds the text of a status: it travels in HTTP/2 trailers, of
// which clients accept 16 KiB or less. The details say the rest.
const (
	maxMessage    = 1 << 10
	maxViolations = 16
)

// statusOf maps an error of the management plane to a gRPC status: the code of
// the first error, a message naming its path, and a BadRequest detail with one
// violation for each error. A status stays as it is.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	switch {
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, "the client cancelled the request")
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "the client's deadline has passed")
	}
	list := yangerr.From(err)
	msg := list.Error()
	if len(msg) > maxMessage {
		msg = strings.ToValidUTF8(msg[:maxMessage], "") + " ..."
	}
	st := status.New(codeOf(list[0]), msg)
	detail := &errdetails.BadRequest{}
	for _, e := range list[:min(len(list), maxViolations)] {
		v := &errdetails.BadRequest_FieldViolation{Description: e.Message, Reason: string(e.Tag)}
		if e.Path != nil {
			v.Field = e.Path.String()
		}
		detail.FieldViolations = append(detail.FieldViolations, v)
	}
	if with, err := st.WithDetails(detail); err == nil {
		st = with
	}
	return st.Err()
}

// codeOf maps a tag to a code. What the client must change in the request is
// INVALID_ARGUMENT, also where a constraint of the model fails (data-missing is
// that of a mandatory node or a reference: deletes of absent data succeed);
// what another client must end first is ABORTED; what the element's state
// forbids is FAILED_PRECONDITION.
func codeOf(e *yangerr.Error) codes.Code {
	switch e.Tag {
	case yangerr.AccessDenied:
		return codes.PermissionDenied
	case yangerr.InUse, yangerr.LockDenied:
		return codes.Aborted
	case yangerr.ResourceDenied:
		return codes.ResourceExhausted
	case yangerr.OperationNotSupported:
		return codes.Unimplemented
	case yangerr.OperationFailed, yangerr.RollbackFailed:
		switch {
		case e.AppTag != "":
		case e.Path != nil:
			return codes.FailedPrecondition
		default:
			return codes.Internal
		}
	}
	return codes.InvalidArgument
}

// checkExtensions refuses the well-known extensions, none of which is
// supported: to ignore a commit confirmation or a history range would do
// something else than was asked. Registered extensions are experimental
// payloads between parties that agreed on them; they are ignored.
func checkExtensions(exts []*extpb.Extension) error {
	for _, e := range exts {
		m := e.ProtoReflect()
		fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("ext"))
		if fd == nil || fd.Name() == "registered_ext" {
			continue
		}
		return status.Errorf(codes.Unimplemented, "the extension %s is not supported", fd.Name())
	}
	return nil
}
