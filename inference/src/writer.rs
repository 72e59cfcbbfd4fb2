//! The writer of rationales: a backend (the narrator, or a model on a server) where it can, the
//! template where it must, the checker before either is shown.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use bedwatch_schemas::{
    alert::{AlertKind, Phase, Priority},
    evidence::Evidence,
    rationale::{Rationale, RationaleSource, TemplateReason},
};

use crate::{
    backend::Backend,
    check::{check, check_raised},
    lexicon::Lexicon,
    narrator::Narrator,
    template,
};

/// What a rationale is written from.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What the alert is about.
    pub kind: AlertKind,
    /// Where in its life it is.
    pub phase: Phase,
    /// How soon someone must respond.
    pub priority: Priority,
    /// What it rests on.
    pub evidence: &'a Evidence,
    /// The model's view of the moment it was decided; empty where there is none.
    pub embedding: &'a [f32],
}

/// Every reason, in the order of the counters.
const REASONS: [TemplateReason; TemplateReason::ALL.len()] = TemplateReason::ALL;

/// How many rationales each source wrote since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// By the narrator or a model on a server.
    pub model: u64,
    /// By the template, by its reason's name.
    pub template: BTreeMap<&'static str, u64>,
    /// Texts of the template that the checker refused: a fault of ours; they are not shown.
    pub template_refused: u64,
}

impl Counts {
    /// All rationales by the template.
    #[must_use]
    pub fn templates(&self) -> u64 {
        self.template.values().sum()
    }
}

/// Writes rationales. Shared by threads.
#[derive(Debug)]
pub struct Writer {
    backend: Option<Box<dyn Backend>>,
    lexicon: Lexicon,
    model: AtomicU64,
    template: [AtomicU64; REASONS.len()],
    template_refused: AtomicU64,
}

impl Writer {
    /// A writer with a narrator, or with the template alone.
    #[must_use]
    pub fn new(narrator: Option<Narrator>) -> Self {
        Self::over(narrator.map(|n| Box::new(n) as Box<dyn Backend>))
    }

    /// A writer with this backend.
    #[must_use]
    pub fn with(backend: impl Backend + 'static) -> Self {
        Self::over(Some(Box::new(backend)))
    }

    fn over(backend: Option<Box<dyn Backend>>) -> Self {
        let lexicon = backend.as_ref().map_or_else(Lexicon::built_in, |b| b.lexicon().clone());
        Self {
            backend,
            lexicon,
            model: AtomicU64::new(0),
            template: Default::default(),
            template_refused: AtomicU64::new(0),
        }
    }

    /// The words in force, for whoever checks independently.
    #[must_use]
    pub fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }

    /// Whether a model would be asked for this alert: only raised alerts about a patient, of a kind whose
    /// words a model has learned.
    /// Callers that queue need not queue the others.
    #[must_use]
    pub fn asks_model(&self, request: &Request<'_>) -> bool {
        let learned = !request.kind.is_technical() && !matches!(request.kind, AlertKind::Site(_));
        self.backend.is_some() && request.phase == Phase::Raised && learned
    }

    /// The rationale of an alert. `cancel` is asked between tokens: once it says true, the template
    /// speaks. Never fails.
    #[must_use]
    pub fn write(&self, request: &Request<'_>, cancel: &dyn Fn() -> bool) -> Rationale {
        match self.narrate(request, cancel) {
            Ok(rationale) => rationale,
            Err(reason) => self.template(request, reason),
        }
    }

    fn narrate(&self, request: &Request<'_>, cancel: &dyn Fn() -> bool) -> Result<Rationale, TemplateReason> {
        if request.kind.is_technical() {
            return Err(TemplateReason::Technical);
        }
        if matches!(request.kind, AlertKind::Site(_)) {
            return Err(TemplateReason::SiteRule);
        }
        if request.phase != Phase::Raised {
            return Err(TemplateReason::Lifecycle);
        }
        let backend = self.backend.as_ref().ok_or(TemplateReason::NoModel)?;
        let text = backend.narrate(request, cancel).map_err(|e| {
            if e.reason != TemplateReason::Deadline {
                // Failures hold no patient data.
                let (kind, reason) = (request.kind.name(), e.reason.name());
                tracing::warn!(kind, reason, error = %e, "the model gave no words, template speaks");
            }
            e.reason
        })?;
        let judged = check(&text, request.kind, request.evidence, &self.lexicon)
            .and_then(|()| check_raised(&text, request.priority, &self.lexicon));
        if let Err(found) = judged {
            let why = found.first().map_or("", |u| u.why.name());
            tracing::warn!(kind = request.kind.name(), why, "the model's text was refused, template speaks");
            return Err(TemplateReason::CheckFailed);
        }
        self.model.fetch_add(1, Ordering::Relaxed);
        Ok(Rationale { text, source: RationaleSource::Model(backend.model().clone()) })
    }

    /// The template's rationale, for this reason.
    #[must_use]
    pub fn template(&self, request: &Request<'_>, reason: TemplateReason) -> Rationale {
        let mut text = template::write(request.kind, request.phase, request.priority, request.evidence);
        if let Err(found) = check(&text, request.kind, request.evidence, &self.lexicon) {
            let why = found.first().map_or("", |u| u.why.name());
            tracing::error!(kind = request.kind.name(), why, "the template's text was refused");
            self.template_refused.fetch_add(1, Ordering::Relaxed);
            text = template::bare(request.kind);
        }
        let at = REASONS.iter().position(|r| *r == reason).expect("every reason is listed");
        self.template[at].fetch_add(1, Ordering::Relaxed);
        Rationale { text, source: RationaleSource::Template(reason) }
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |c: &AtomicU64| c.load(Ordering::Relaxed);
        Counts {
            model: read(&self.model),
            template: REASONS.iter().zip(&self.template).map(|(r, c)| (r.name(), read(c))).collect(),
            template_refused: read(&self.template_refused),
        }
    }
}

#[cfg(test)]
mod tests;
