//! Events to feature frames: windows, trends, labs, EEG, ECG/PPG, CGM and clinical scores; pure and synchronous.
