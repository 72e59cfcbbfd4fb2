//! Which open alert says already what another would say.
//!
//! NEWS2 adds up the same vitals that the named conditions are about, so an open alert of one of
//! those, at least as urgent, tells the bedside more than the sum does. A low or falling glucose
//! reading and a seizure share no input with it that would make them say the same, so they stand for
//! themselves. Nothing inhibits a technical alert or one of high priority (see [`crate::lifecycle`]).

use bedwatch_schemas::alert::AlertKind;

/// The kinds whose open alert inhibits one of this kind.
#[must_use]
pub const fn inhibitors(kind: AlertKind) -> &'static [AlertKind] {
    match kind {
        AlertKind::EarlyWarning => {
            &[AlertKind::Sepsis, AlertKind::Deterioration, AlertKind::Respiratory, AlertKind::Shock]
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decisions of one moment are taken in the order of kinds, so an inhibitor must come first; and
    /// no ring of kinds may keep each other silent.
    #[test]
    fn inhibitors_come_before_what_they_inhibit_and_are_not_technical() {
        for kind in AlertKind::ALL {
            for inhibitor in inhibitors(kind) {
                assert!(*inhibitor < kind && !inhibitor.is_technical() && !kind.is_technical());
            }
        }
        assert!(inhibitors(AlertKind::EarlyWarning).contains(&AlertKind::Sepsis));
    }
}
