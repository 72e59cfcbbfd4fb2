//! End to end: the binary and the library as users run them, against real peers.
//!
//! What needs the shared data sets, the ONNX Runtime library or a real Kafka is skipped by name where
//! these are absent; `cargo xtask test` provides the latter two.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)] // tests report figures and skips

mod adversary;
mod alone;
mod answers;
mod archive;
mod bad_input;
mod canary;
mod commands;
mod compare;
mod demo;
mod determinism;
mod fusion;
mod gateway;
mod hostile;
mod http;
mod kill;
mod lies;
mod llama;
mod metrics;
mod page;
mod parity;
mod privacy;
mod readers;
mod real_kafka;
mod rerun;
mod resume;
mod shadow;
mod shared_data;
mod sinks;
mod site;
mod support;
mod verify;
mod ward;
mod wire;
