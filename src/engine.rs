//! The engine: records in, alerts out, one core for `run`, `demo` and `replay`.
//!
//! [`cell`] merges the input partitions into *cells*, short stretches of arrival time whose records
//! are put into one order, so that the same log gives the same outputs however Kafka cut it into
//! batches. [`core`] is the pure fold over cells. [`checkpoint`] makes its state durable.

pub mod cell;
pub mod checkpoint;
pub mod core;
pub mod keep;
pub mod models;
pub mod patient;
pub mod units;

pub use cell::{Cell, Merger};
pub use core::{Core, Output};
pub use models::Models;
