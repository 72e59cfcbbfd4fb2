//! Names that bedwatch gives in FHIR, in and out: what goes out by them is known again when it comes
//! back.

/// The identifier system of episodes (`<alert id>`) and messages (`<alert id>/<sequence>`).
pub const ALERTS: &str = "https://bedwatch.org/fhir/NamingSystem/alert";
/// The code system of phases: a tag of what we have written says in which phase it was.
pub const PHASES: &str = "https://bedwatch.org/fhir/CodeSystem/alert-phase";
/// The code system of what people do with an alert ([`crate::feedback::Action`]).
pub const RESPONSES: &str = "https://bedwatch.org/fhir/CodeSystem/alert-response";
/// The code system of why ([`crate::feedback::FeedbackReason`]).
pub const REASONS: &str = "https://bedwatch.org/fhir/CodeSystem/alert-response-reason";
/// The code system of who ([`crate::feedback::Role`]).
pub const ROLES: &str = "https://bedwatch.org/fhir/CodeSystem/alert-response-role";
/// The extension that says for how many minutes an alert is snoozed.
pub const SNOOZE_MINUTES: &str = "https://bedwatch.org/fhir/StructureDefinition/snooze-minutes";
