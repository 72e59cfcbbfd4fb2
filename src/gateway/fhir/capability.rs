//! `/metadata`: what the receiver takes (CapabilityStatement, R4 5.1).

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::{Receiver, TYPES, answer};

pub(super) async fn statement(State(_): State<Arc<Receiver>>) -> Response {
    answer::resource(StatusCode::OK, &resource())
}

fn resource() -> Value {
    let resources: Vec<Value> = TYPES
        .iter()
        .map(|kind| {
            json!({
                "type": kind,
                "interaction": [{ "code": "create" }, { "code": "update" }],
                "versioning": "no-version",
                "readHistory": false,
                "updateCreate": true
            })
        })
        .collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        // The date of the statement, not of this answer.
        "date": "2026-11-25",
        "kind": "instance",
        "software": { "name": "bedwatch gateway", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": "A receiver: resources go to Kafka and cannot be read back here." },
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{
            "mode": "server",
            "documentation": "POST / takes a Bundle (batch, transaction, collection, history, message), \
                one resource, or a subscription notification with full-resource content. An answer is given \
                once Kafka has the message.",
            "resource": resources,
            "interaction": [{ "code": "transaction" }, { "code": "batch" }]
        }]
    })
}
