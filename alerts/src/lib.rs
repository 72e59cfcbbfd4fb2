//! Frames and risks to alerts, as a pure fold.
//!
//! [`condition`] says what holds of one frame, [`episode`] turns that into episodes with
//! persistence, hysteresis and refractory time, [`lifecycle`] says whether and how an episode is
//! told and what people answered, [`inhibition`] and [`budget`] what is withheld, [`policy`] runs
//! them for one patient, [`evidence`] collects the numbered facts, [`draft`] puts them together. A rationale is attached last and
//! cannot change anything: [`draft::Draft::with_rationale`] is the only way to an alert. [`render`] puts
//! an alert into the forms of other systems.

pub mod budget;
pub mod condition;
pub mod config;
pub mod draft;
pub mod episode;
pub mod evidence;
pub mod inhibition;
pub mod lifecycle;
pub mod limits;
pub mod policy;
pub mod render;
#[cfg(test)]
mod testing;

pub use config::Config;
pub use draft::{Draft, Reasons};
pub use policy::{Decided, Decision, Ledgered, Policy};
