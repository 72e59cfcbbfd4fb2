//! Whoever may put an alert into words: the narrator in this process ([`crate::narrator`]) or a
//! language model on a server the hospital already runs ([`openai`]).
//!
//! A backend has no power. It gets codes ([`crate::writer::Request`]), and what it gives back is
//! text that [`crate::writer`] checks and may throw away. It must return soon after `cancel` says
//! true, and every failure carries the reason under which the template then speaks.

use bedwatch_schemas::{rationale::TemplateReason, risk::ModelRef};

use crate::{
    lexicon::Lexicon,
    narrator::{self, Narrator},
    writer::Request,
};

pub mod breaker;
mod message;
pub mod openai;
pub mod slots;

/// Why there are no words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Failure {
    /// What is counted, and stands in the alert.
    pub reason: TemplateReason,
    /// One sentence for the log. Holds no patient data and no text of the model.
    pub what: String,
}

impl Failure {
    pub(crate) fn new(reason: TemplateReason, what: impl Into<String>) -> Self {
        Self { reason, what: what.into() }
    }
}

/// Something that writes rationales. Shared by threads.
pub trait Backend: Send + Sync + std::fmt::Debug {
    /// Who writes, as the alert names it.
    fn model(&self) -> &ModelRef;

    /// The words it may use: what the checker judges by.
    fn lexicon(&self) -> &Lexicon;

    /// The rationale of an alert, every value printed from the evidence. Unchecked.
    ///
    /// # Errors
    /// When there are none: with the reason.
    fn narrate(&self, request: &Request<'_>, cancel: &dyn Fn() -> bool) -> Result<String, Failure>;
}

impl Backend for Narrator {
    fn model(&self) -> &ModelRef {
        Narrator::model(self)
    }

    fn lexicon(&self) -> &Lexicon {
        Narrator::lexicon(self)
    }

    fn narrate(&self, request: &Request<'_>, cancel: &dyn Fn() -> bool) -> Result<String, Failure> {
        let Request { kind, priority, evidence, embedding, phase: _ } = *request;
        let told = self.tell(kind, priority, evidence, embedding, cancel);
        told.map(|told| told.text).map_err(|e| {
            let reason = match e {
                narrator::Error::Cancelled => TemplateReason::Deadline,
                _ => TemplateReason::ModelFailed,
            };
            Failure::new(reason, e.to_string())
        })
    }
}
