//! bedwatch
