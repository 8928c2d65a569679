package api

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ApiVersions (key 18), versions 0 to 4.
//
// The answer is the registry. A client may speak a newer version than 4, and
// cannot know before it has asked: such a request is answered in version 0 with
// UNSUPPORTED_VERSION and the range of this API alone, and the client asks
// again (KIP-511). The header of the response is the old one in all versions.
//
// Version 3 is flexible, and brings the client's software name and version;
// version 4 changes nothing for brokers without features of minimum version 0.
func init() {
	register(kmsg.ApiVersions, 0, 4, later((*API).apiVersions), refuseWith((*API).refuseApiVersions))
}

func (a *API) apiVersions(_ context.Context, _ *Request, body *kmsg.ApiVersionsRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.ApiVersionsResponse)
	for key := range registry {
		resp.ApiKeys = append(resp.ApiKeys, versionRange(key))
	}
	slices.SortFunc(resp.ApiKeys, func(x, y kmsg.ApiVersionsResponseApiKey) int { return int(x.ApiKey) - int(y.ApiKey) })
	return resp
}

func (a *API) refuseApiVersions(req *Request) kmsg.Response {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.ErrorCode = a.code(req, kerr.UnsupportedVersion)
	resp.ApiKeys = append(resp.ApiKeys, versionRange(req.Key))
	return resp
}

func versionRange(key int16) kmsg.ApiVersionsResponseApiKey {
	r := kmsg.NewApiVersionsResponseApiKey()
	r.ApiKey, r.MinVersion, r.MaxVersion = key, registry[key].advertised, registry[key].max
	return r
}
