//! The paths of the API and the methods of each, whichever function answers them.

/// Path templates and what `Allow` says of each; where a path fits two, the first tells. A subscription may be named
/// `test`; no dead letter is named `redrive`. `infra/openapi.yaml` has the same; its tests ask the API.
const PATHS: [(&str, &str); 42] = [
    ("/v1/archive", "GET"),
    ("/v1/correlations/{correlation_id}", "GET"),
    ("/v1/dead-letters", "GET"),
    ("/v1/dead-letters/redrive", "POST"),
    ("/v1/dead-letters/{dead_letter_id}", "GET"),
    ("/v1/dead-letters/{dead_letter_id}/discard", "POST"),
    ("/v1/dead-letters/{dead_letter_id}/redrive", "POST"),
    ("/v1/dispatch", "GET"),
    ("/v1/dispatch/pause", "POST"),
    ("/v1/dispatch/resume", "POST"),
    ("/v1/events", "GET, POST"),
    ("/v1/events/{event_id}", "GET"),
    ("/v1/events/{event_id}/journey", "GET"),
    ("/v1/health", "GET"),
    ("/v1/health/deep", "GET"),
    ("/v1/integrity", "GET"),
    ("/v1/jobs", "GET"),
    ("/v1/jobs/{job_id}", "GET"),
    ("/v1/jobs/{job_id}/cancel", "POST"),
    ("/v1/jobs/{job_id}/failures", "GET"),
    ("/v1/jobs/{job_id}/pause", "POST"),
    ("/v1/jobs/{job_id}/resume", "POST"),
    ("/v1/redrives", "POST"),
    ("/v1/replays", "POST"),
    ("/v1/schedules", "GET, POST"),
    ("/v1/schedules/{schedule}", "DELETE, GET"),
    ("/v1/schemas", "GET"),
    ("/v1/schemas/{type}", "GET, PUT"),
    ("/v1/schemas/{type}/{version}", "GET, PUT"),
    ("/v1/schemas/{type}/{version}/check", "POST"),
    ("/v1/stats", "GET"),
    ("/v1/stats/failed", "GET"),
    ("/v1/stats/slow", "GET"),
    ("/v1/subscriptions", "GET, POST"),
    ("/v1/subscriptions/test", "DELETE, GET, PATCH, POST"),
    ("/v1/subscriptions/{subscription}", "DELETE, GET, PATCH"),
    ("/v1/subscriptions/{subscription}/pause", "POST"),
    ("/v1/subscriptions/{subscription}/resume", "POST"),
    ("/v1/subscriptions/{subscription}/test", "POST"),
    ("/v1/tenants", "POST"),
    ("/v1/tenants/{tenant}", "GET, PATCH"),
    ("/v1/tenants/{tenant}/keys", "POST"),
];

/// The methods that a path can be called with; none when there is no such path.
pub(crate) fn methods_of(path: &str) -> Option<&'static str> {
    let found = PATHS.iter().find(|(template, _)| matches(template, path));
    found.map(|(_, methods)| *methods)
}

/// The methods that a path can be called with, when this is none of them: the gateway takes a path that is spelled out for
/// a path with a parameter, where it has no route of this method.
pub(crate) fn refused(method: &str, path: &str) -> Option<&'static str> {
    let methods = methods_of(path)?;
    let is_allowed = methods.split(", ").any(|allowed| allowed == method);
    (!is_allowed).then_some(methods)
}

fn matches(template: &str, path: &str) -> bool {
    let segments = |text: &str| text.split('/').count();
    let mut pairs = template.split('/').zip(path.split('/'));
    segments(template) == segments(path)
        && pairs.all(|(wanted, found)| match wanted.starts_with('{') {
            true => !found.is_empty(),
            false => wanted == found,
        })
}

#[cfg(test)]
mod tests {
    use super::{methods_of, refused};

    #[test]
    fn a_path_that_is_spelled_out_is_not_taken_for_one_with_a_parameter() {
        assert_eq!(refused("GET", "/v1/dead-letters/redrive"), Some("POST"));
        assert_eq!(refused("POST", "/v1/dead-letters/redrive"), None);
        assert_eq!(refused("GET", "/v1/subscriptions/test"), None);
        assert_eq!(refused("GET", "/v1/nothing"), None);
    }

    #[test]
    fn a_path_is_found_by_its_segments() {
        assert_eq!(methods_of("/v1/health"), Some("GET"));
        assert_eq!(methods_of("/v1/tenants"), Some("POST"));
        assert_eq!(methods_of("/v1/tenants/demo"), Some("GET, PATCH"));
        assert_eq!(methods_of("/v1/tenants/demo/keys"), Some("POST"));
        let unknown = [
            "",
            "/",
            "/v1/health/",
            "/v1/tenants//keys",
            "/v1/tenants/a/b/keys",
            "/v1/tenants/",
            "/V1/health",
        ];
        for path in unknown {
            assert_eq!(methods_of(path), None, "{path}");
        }
    }
}
