//! The words of an alert and who wrote them. A rationale is display text only: nothing reads a
//! decision from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::risk::ModelRef;

/// The rationale of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rationale {
    /// Plain text; every number in it stands in the alert's evidence.
    pub text: String,
    /// Who wrote it.
    pub source: RationaleSource,
}

/// Who wrote a rationale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RationaleSource {
    /// A language model, checked.
    Model(ModelRef),
    /// The template, and why it spoke instead of a model.
    Template(TemplateReason),
}

/// Why the template spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TemplateReason {
    /// Technical alerts are always told by template.
    Technical,
    /// A site's own rules are always told by template: no model has learned their words.
    SiteRule,
    /// No narrator is loaded.
    NoModel,
    /// The deadline came first.
    Deadline,
    /// The queue before the narrator was full.
    QueueFull,
    /// The model failed to run.
    ModelFailed,
    /// The fact checker refused what the model wrote.
    CheckFailed,
    /// Only raised alerts are put into words by the model.
    Lifecycle,
    /// The language model's server cannot be reached, or the connection broke.
    BackendUnreachable,
    /// The server did not answer in its time.
    BackendTimeout,
    /// The server answered with another status than 200, a redirect included.
    BackendRefused,
    /// The server's answer is too large, no chat completion, or no slot text.
    BackendReply,
    /// The server failed several times in a row and is left alone for a while.
    BackendOpen,
    /// As many calls to the server as allowed are still under way.
    BackendBusy,
}

impl TemplateReason {
    /// Every reason, in a fixed order.
    pub const ALL: [Self; 14] = [
        Self::Technical,
        Self::SiteRule,
        Self::NoModel,
        Self::Deadline,
        Self::QueueFull,
        Self::ModelFailed,
        Self::CheckFailed,
        Self::Lifecycle,
        Self::BackendUnreachable,
        Self::BackendTimeout,
        Self::BackendRefused,
        Self::BackendReply,
        Self::BackendOpen,
        Self::BackendBusy,
    ];

    /// The snake-case name, also the metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Technical => "technical",
            Self::SiteRule => "site_rule",
            Self::NoModel => "no_model",
            Self::Deadline => "deadline",
            Self::QueueFull => "queue_full",
            Self::ModelFailed => "model_failed",
            Self::CheckFailed => "check_failed",
            Self::Lifecycle => "lifecycle",
            Self::BackendUnreachable => "backend_unreachable",
            Self::BackendTimeout => "backend_timeout",
            Self::BackendRefused => "backend_refused",
            Self::BackendReply => "backend_reply",
            Self::BackendOpen => "backend_open",
            Self::BackendBusy => "backend_busy",
        }
    }
}
