package gnmi

import (
	"context"
	"fmt"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tandem-ne/tandem/server/schema"
)

// capabilities lists the implemented modules with their revisions and the
// encodings (gNMI specification section 3.2).
func capabilities(s *schema.Schema) *gpb.CapabilityResponse {
	resp := &gpb.CapabilityResponse{
		SupportedEncodings: []gpb.Encoding{gpb.Encoding_JSON, gpb.Encoding_JSON_IETF, gpb.Encoding_PROTO},
		GNMIVersion:        Version,
	}
	for _, m := range s.Modules() {
		if m.Implemented {
			resp.SupportedModels = append(resp.SupportedModels, &gpb.ModelData{
				Name: m.Name, Organization: m.Organization, Version: m.Revision,
			})
		}
	}
	return resp
}

// Capabilities is the RPC of gNMI specification section 3.2.
func (s *Server) Capabilities(_ context.Context, req *gpb.CapabilityRequest) (*gpb.CapabilityResponse, error) {
	if err := checkExtensions(req.GetExtension()); err != nil {
		return nil, err
	}
	return s.capabilities, nil
}

// checkEncoding refuses what is not supported, naming it (sections 3.3.1 and
// 3.5.1.1). The zero value is JSON.
func checkEncoding(e gpb.Encoding) error {
	switch e {
	case gpb.Encoding_JSON, gpb.Encoding_JSON_IETF, gpb.Encoding_PROTO:
		return nil
	}
	name, ok := gpb.Encoding_name[int32(e)]
	if !ok {
		name = fmt.Sprint(int32(e))
	}
	return status.Errorf(codes.Unimplemented, "the encoding %s is not supported; JSON, JSON_IETF and PROTO are", name)
}

// checkModels refuses use_models: a subset of the modules cannot be chosen,
// and ignoring the wish would return what the client excluded (section 2.6).
func checkModels(models []*gpb.ModelData) error {
	if len(models) > 0 {
		return status.Error(codes.Unimplemented, "use_models is not supported")
	}
	return nil
}
