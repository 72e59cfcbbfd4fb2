//! Feature frames to risks and rationales: model bundles, ONNX Runtime, the decoder, the fact checker, the template.

pub mod bundle;
pub mod check;
pub mod encoder;
pub mod lexicon;
pub mod pool;
pub mod render;
pub mod runtime;
pub mod template;
pub mod tokens;
