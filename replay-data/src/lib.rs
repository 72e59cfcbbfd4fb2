//! Readers of historical formats and the seeded ward simulator.

pub mod readers;
pub mod simulator;
