//! The models in force, shared by every core.

use std::sync::Arc;

use bedwatch_inference::{encoder::Encoder, writer::Writer};

/// The encoder and the writer of rationales. Without an encoder only rules alert; without a
/// narrator the writer speaks by template.
#[derive(Clone)]
pub struct Models {
    /// The time-series encoder.
    pub encoder: Option<Arc<Encoder>>,
    /// Narrator, checker and template.
    pub writer: Arc<Writer>,
}
