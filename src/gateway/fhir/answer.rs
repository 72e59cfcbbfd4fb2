//! Responses in FHIR JSON.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::outcome::{self, Issue};

/// A response with a resource.
pub(super) fn resource(status: StatusCode, resource: &Value) -> Response {
    let mut response = Response::new(Body::from(resource.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+json; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// A response with an OperationOutcome.
pub(super) fn outcome(status: StatusCode, issues: &[Issue]) -> Response {
    resource(status, &outcome::resource(issues))
}

/// The response to a batch or transaction: one entry for each of the request's, with the issues that
/// are about it.
pub(super) fn bundle(kind: &str, entries: usize, issues: &[Issue]) -> Response {
    let of = |index: usize| {
        let prefix = format!("Bundle.entry[{index}]");
        let own: Vec<Issue> = issues
            .iter()
            .filter(|i| {
                i.expression
                    .strip_prefix(&prefix)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
            .cloned()
            .collect();
        if own.is_empty() {
            json!({ "response": { "status": "202 Accepted" } })
        } else {
            json!({ "response": { "status": "422 Unprocessable Entity", "outcome": outcome::resource(&own) } })
        }
    };
    let entries: Vec<Value> = (0..entries).map(of).collect();
    let whole = json!({ "resourceType": "Bundle", "type": format!("{kind}-response"), "entry": entries });
    resource(StatusCode::OK, &whole)
}
