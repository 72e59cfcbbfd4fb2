//! The seeded ward simulator: beds that speak HL7 v2, FHIR, vitals, waveforms and CGM.
//!
//! Pure and deterministic: no clock, no input but the configuration. Each bed has one latent
//! physiology ([`physiology`]) from which every format takes its numbers, so what the monitor, the
//! laboratory and the nurse say agrees. Randomness is split by bed and concern ([`rng`]), so bed k is
//! the same whatever the number of beds, and the records are the same however the time is cut.
//!
//! Synthetic patients: the sizes of the effects are assumptions ([`shift`]), not measurements.

mod course;
mod hourly;
mod labs;
mod person;
mod physiology;
mod rng;
mod shift;

pub use course::{Scenario, ScenarioPlan};
pub use hourly::{Hour, HourlyStay, hourly_table, training_hours, training_scenario, write_psv};
