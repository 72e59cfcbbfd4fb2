//! Readers of historical formats and the seeded ward simulator.

pub mod simulator;
