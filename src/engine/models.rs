//! The models in force, shared by every core.

use std::sync::Arc;

use bedwatch_inference::{encoder::Encoder, fusion::Fusion, writer::Writer};

/// The encoder and the writer of rationales. Without an encoder only rules alert; without a
/// narrator the writer speaks by template.
#[derive(Clone)]
pub struct Models {
    /// The time-series encoder.
    pub encoder: Option<Arc<Encoder>>,
    /// What joins the encoder's view with finer scales and other modalities; only beside an encoder.
    pub fusion: Option<Arc<Fusion>>,
    /// Narrator, checker and template.
    pub writer: Arc<Writer>,
}
