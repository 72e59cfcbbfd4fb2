//! Events to feature frames: windows, trends, labs, EEG, ECG/PPG, CGM and clinical scores; pure and synchronous.

mod analysers;
pub mod cardiac;
pub mod columnar;
pub mod config;
pub mod eeg;
pub mod freshness;
pub mod glucose;
pub mod grid;
pub mod infusions;
pub mod labs;
pub mod pane;
pub mod panes;
mod recent;
pub mod scores;
pub mod site;
pub mod spectrum;
pub mod state;
mod timeline;
pub mod vitals;
pub mod window;
pub mod word;

pub use config::Config;
pub use state::{Applied, PatientState};
