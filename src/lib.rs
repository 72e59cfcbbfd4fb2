//! bedwatch: streaming bedside monitoring.
//!
//! The root package puts the stages together: it alone knows them all. [`engine`] is the pure core,
//! [`live`] runs it against Kafka, [`replay`] against files; [`commands`] are the command line's.

pub mod answers;
pub mod archive;
pub mod board;
pub mod clock;
pub mod commands;
pub mod compare;
pub mod config;
pub mod consent;
pub mod deidentify;
pub mod engine;
pub mod feed;
pub mod gateway;
pub mod http;
pub mod live;
pub mod metrics;
pub mod narration;
pub mod recorder;
pub mod recording;
pub mod release;
pub mod replay;
pub mod secrets;
pub mod setup;
pub mod shadow;
pub mod sinks;
pub mod terminal;
pub mod topic;
