//! Feature frames to risks and rationales: model bundles, ONNX Runtime, the decoder, the fact checker, the template.
//!
//! - [`bundle`] vouches for a model's files, [`runtime`] loads ONNX Runtime, [`pool`] lends sessions.
//! - [`tokens`] and [`encoder`]: a frame to calibrated risks, and why, by running the model again.
//! - [`fusion`]: the encoder's view joined by minutes, EEG, beats, sensor glucose and coded events.
//! - [`neighbours`]: what a picture resembles; [`search`]: which pictures resemble a text.
//! - [`narrator`], [`backend`], [`template`], [`check`], [`writer`]: an evidence to a rationale in which every
//!   number can be checked. [`lexicon`] holds the words, [`render`] prints the values.

pub mod backend;
pub mod bundle;
pub mod check;
pub mod encoder;
pub mod fusion;
pub mod lexicon;
pub mod narrator;
pub mod neighbours;
pub mod pool;
pub mod render;
pub mod runtime;
pub mod search;
pub mod template;
pub mod tokens;
pub mod writer;
