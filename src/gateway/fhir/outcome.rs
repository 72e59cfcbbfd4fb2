//! OperationOutcome (R4 2.27): what is wrong and where, never the content.

use std::borrow::Cow;

use bedwatch_schemas::dead_letter::{Place, Reason};
use serde_json::{Value, json};

/// Most issues told; the last one says how many more there are.
const MAX_ISSUES: usize = 100;

/// One issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issue {
    pub(super) severity: &'static str,
    /// A code of the value set issue-type.
    pub(super) code: &'static str,
    pub(super) says: Cow<'static, str>,
    /// A FHIRPath expression; empty for the whole.
    pub(super) expression: String,
}

impl Issue {
    /// An error of the whole request.
    pub(super) fn error(code: &'static str, says: impl Into<Cow<'static, str>>) -> Self {
        Self { severity: "error", code, says: says.into(), expression: String::new() }
    }

    /// What is well.
    pub(super) fn information(says: impl Into<Cow<'static, str>>) -> Self {
        Self { severity: "information", code: "informational", says: says.into(), expression: String::new() }
    }

    /// A decoder's rejection.
    pub(super) fn rejection(severity: &'static str, reason: Reason, place: &Place) -> Self {
        let byte = place.byte.map_or_else(String::new, |byte| format!(" at byte {byte}"));
        Self {
            severity,
            code: code(reason),
            says: format!("{}{byte}", reason.name().replace('_', " ")).into(),
            expression: place.path.clone(),
        }
    }
}

const fn code(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed | Reason::Encoding => "structure",
        Reason::TooLarge => "too-long",
        Reason::UnsupportedType => "not-supported",
        Reason::Missing | Reason::NoPatient => "required",
        Reason::UnknownCode | Reason::UnknownUnit => "code-invalid",
        Reason::BadValue | Reason::BadTime => "value",
        Reason::FutureTime => "business-rule",
        Reason::KeyMismatch => "conflict",
    }
}

/// The resource.
pub(super) fn resource(issues: &[Issue]) -> Value {
    let told = issues.iter().take(MAX_ISSUES).enumerate().map(|(n, issue)| {
        let more = issues.len() - MAX_ISSUES.min(issues.len());
        let says = match more {
            more if more > 0 && n + 1 == MAX_ISSUES => format!("{}, and {more} more", issue.says),
            _ => issue.says.to_string(),
        };
        let mut value = json!({ "severity": issue.severity, "code": issue.code, "diagnostics": says });
        if !issue.expression.is_empty() {
            value["expression"] = json!([issue.expression]);
        }
        value
    });
    json!({ "resourceType": "OperationOutcome", "issue": told.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_as_they_stand() {
        let place = Place::at(41, "Bundle.entry[2].resource.status");
        let got = resource(&[Issue::rejection("error", Reason::BadValue, &place)]);
        let want = json!({ "resourceType": "OperationOutcome", "issue": [{
            "severity": "error", "code": "value", "diagnostics": "bad value at byte 41",
            "expression": ["Bundle.entry[2].resource.status"]
        }] });
        assert_eq!(got, want);
        let many = resource(&vec![Issue::error("value", "x"); 250]);
        assert_eq!(many["issue"].as_array().unwrap().len(), MAX_ISSUES);
        assert_eq!(many["issue"][99]["diagnostics"], "x, and 150 more");
    }
}
