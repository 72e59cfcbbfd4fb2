//! Readers of historical formats and the seeded ward simulator.

mod cinc2019;
pub mod readers;
pub mod simulator;
