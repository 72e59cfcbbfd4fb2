//! Which open alert says already what another would say.
//!
//! NEWS2 adds up the same vitals that the named conditions are about, so an open alert of one of
//! those, at least as urgent, tells the bedside more than the sum does. A low or falling glucose
//! reading and a seizure share no input with it that would make them say the same, so they stand for
//! themselves. Nothing inhibits a technical alert or one of high priority (see [`crate::lifecycle`]).

use bedwatch_schemas::alert::AlertKind;

use crate::Config;

/// The kinds whose open alert inhibits one of this kind: of a built-in kind ours, of a site's rule those
/// that the site names. Site rules are decided after the built-in kinds and inhibit none, so no ring of
/// kinds can keep each other silent.
pub fn of(kind: AlertKind, config: &Config) -> impl Iterator<Item = AlertKind> {
    let rule = match kind {
        AlertKind::Site(name) => config.rules.iter().find(|rule| rule.name == name),
        _ => None,
    };
    inhibitors(kind).iter().chain(rule.into_iter().flat_map(|rule| &rule.inhibited_by)).copied()
}

/// The kinds whose open alert inhibits one of this built-in kind.
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
mod tests;
